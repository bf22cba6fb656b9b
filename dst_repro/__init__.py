"""dst_repro: a reproducibility benchmark suite for sparse training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dst_repro.api import Sparse, open_parameters, sparsify

__version__ = "0.2.0"
__all__ = ["Sparse", "__version__", "open_parameters", "sparsify"]


def __getattr__(name: str) -> Any:
    """The API when it is first asked for: planning must not wait for torch."""
    if name in ("Sparse", "open_parameters", "sparsify"):
        from dst_repro import api

        return getattr(api, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
