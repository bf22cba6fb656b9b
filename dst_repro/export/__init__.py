"""A finished sparse network as files, with what its sparsity saves, and what it does not."""

from dst_repro.export.write import write

__all__ = ["write"]
