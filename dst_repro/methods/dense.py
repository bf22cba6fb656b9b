"""Dense training, the reference."""

from __future__ import annotations

from dst_repro.methods.base import Method
from dst_repro.registry import methods


@methods.register("dense")
class Dense(Method):
    """dense: all weights, always"""
