"""How examples are searched: the same ones at each call, or others for long searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def search(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int, anew: bool = False) -> None:
    """Let `check` see so many examples of a strategy; it raises for one that it finds wrong."""
    torch.set_flush_denormal(False)  # another test may have trained in this process, and hypothesis draws such numbers
    always: Any = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}

    @settings(max_examples=examples, derandomize=not anew, **always)
    @given(strategy)
    def tried(value: Any) -> None:
        check(value)

    tried()
