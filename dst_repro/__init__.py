"""dst_repro: a reproducibility benchmark suite for sparse training."""

__version__ = "0.1.0"
