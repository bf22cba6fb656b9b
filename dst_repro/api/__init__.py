"""Methods and tricks of the suite around a training loop that is not the suite's own."""

from dst_repro.api.sparse import Sparse, sparsify
from dst_repro.models.slots import open_parameters

__all__ = ["Sparse", "open_parameters", "sparsify"]
