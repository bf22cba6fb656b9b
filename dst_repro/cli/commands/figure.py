"""Write one figure of the suite, in every format."""

from dst_repro.cli.commands.table import arguments, run

__all__ = ["arguments", "run"]
