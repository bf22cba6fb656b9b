"""The one door to torchvision."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch


@functools.cache
def torchvision_datasets() -> ModuleType:
    """`torchvision.datasets`, also where torch is a CPU build.

    PyPI's torchvision refuses to import beside a CPU-only torch, because the schemas of two of its compiled operators
    are missing there. Declaring the schemas is enough: no data set uses the operators.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEEP.append(library)
        return importlib.import_module("torchvision.datasets")


_KEEP: list[torch.library.Library] = []  # a library that is collected takes its schemas along
