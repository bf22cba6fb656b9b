"""Methods and tricks of the suite around a training loop that is not the suite's own."""

from dst_repro.api.sparse import Sparse, sparsify

__all__ = ["Sparse", "sparsify"]
