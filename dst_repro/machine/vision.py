"""The one door to torchvision."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch


def torchvision_datasets() -> ModuleType:
    """`torchvision.datasets`, also where torch is a CPU build."""
    return _module("torchvision.datasets")


def torchvision_transforms() -> ModuleType:
    """`torchvision.transforms`, likewise."""
    return _module("torchvision.transforms")


def torchvision_models() -> ModuleType:
    """`torchvision.models`, likewise."""
    return _module("torchvision.models")


@functools.cache
def _module(name: str) -> ModuleType:
    """PyPI's torchvision refuses to import beside a CPU-only torch: the schemas of two compiled operators are missing.

    Declaring the schemas is enough: neither data sets, transforms nor classifiers use the operators.
    """
    try:
        return importlib.import_module(name)
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEEP.append(library)
        return importlib.import_module(name)


_KEEP: list[torch.library.Library] = []  # a library that is collected takes its schemas along
