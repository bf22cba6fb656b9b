"""The command line."""

from dst_repro.cli.parser import main

__all__ = ["main"]
