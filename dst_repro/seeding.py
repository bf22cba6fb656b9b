"""Random streams. Each use of randomness has its own, derived by SHA-256 from the run's seed.

Streams do not depend on the method: two methods at one seed start from the same weights and see the same batches, so
that their difference is a paired one.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for the named stream, e.g. `derive(3, "order", epoch)`."""
    text = "/".join(map(str, (seed, *stream)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *stream: str | int) -> torch.Generator:
    """A CPU generator for the named stream: the same numbers whatever the training device is."""
    return torch.Generator().manual_seed(derive(seed, *stream))
