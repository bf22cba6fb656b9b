"""One value for many tensors, which two networks share exactly when all their tensors are equal to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, formats, shapes and values, by name; hexadecimal."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        found.update(f"{name}\0{values.dtype}\0{tuple(values.shape)}\0".encode())
        found.update(values.view(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b"")
    return found.hexdigest()
