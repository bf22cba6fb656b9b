"""What readers read in place of slugs, of fields and of words in settings. CSVs keep what configurations say."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dst_repro.plan.catalogue import catalogue, label

KINDS = {"dataset": "dataset", "model": "model", "method": "method", "drop": "prune rule", "compare": "prune rule",
         "grow": "growth rule", "tricks": "trick"}  # fmt: skip
"""Last part of a field's name -> the kind of plug-in that its values name."""
FIELDS = {"dataset": "data set", "drop": "prune criterion", "grow": "growth criterion", "batch_norm": "batch norm."}
WORDS = {"True": "yes", "False": "no", "er": "ER", "erk": "ERK", "sgd": "SGD", "adam": "Adam"}
PUBLISHED = {
    "l-obs": "L-OBS", "lc": "LC", "lth": "lottery ticket", "lwc": "LWC",
    "magnitude-init": "magnitude at initialisation", "obd": "OBD", "prune-from-dense": "pruned from dense",
    "rigl-itop": "RigL-ITOP", "small-dense": "small dense", "static-erk": "static (ERK)", "svd": "SVD",
    "sws": "SWS", "alexnet-b": "AlexNet-b", "alexnet-s": "AlexNet-s", "resnet-18": "ResNet-18",
    "snip-gru-b": "GRU-b", "snip-gru-s": "GRU-s", "snip-lstm-b": "LSTM-b", "snip-lstm-s": "LSTM-s",
    "vgg-11-bn": "VGG-11 (batch norm.)", "vgg-16-bn": "VGG-16 (batch norm.)", "vgg-16-imagenet": "VGG-16",
    "vgg16-c": "VGG-16 C", "wide-resnet-18": "Wide ResNet-18",
}  # fmt: skip
"""Slugs of published numbers that no plug-in has."""
PAPERS = {
    "dst": "Dynamic Sparse Training", "fantastic-weights": "Fantastic Weights", "grasp": "GraSP", "itop": "ITOP",
    "masks": "Masks", "quickstart": "Quickstart", "rigl": "RigL", "rigl-reproduction": "RigL, reproduced",
    "snip": "SNIP", "sparse-momentum": "Sparse Momentum", "str": "STR", "synflow": "SynFlow", "tost": "ToST",
}  # fmt: skip
"""Short names of papers."""
SMALL = "-small"
"""At the end of a paper's slug: its items reduced to what a CPU trains."""
METRICS = {"top1": "top-1 accuracy", "top5": "top-5 accuracy", "error": "test error", "remaining_percent": "density",
           "layer_remaining": "density of the layer"}  # fmt: skip
"""Of published numbers."""
PROSE = ("method", "model", "dataset", "prune rule", "trick")
ENGLISH = {"set", "str", "digits"}
"""Slugs that are words, or shorter ones, too."""


def shown(field: str, value: str) -> str:
    """A field's value: `LeNet-300-100` of `model`, `SET` of `method_params.drop`; several tricks with their plus."""
    kind = KINDS.get(field.rpartition(".")[2])
    if kind is None:
        return WORDS.get(value, value)
    return " + ".join(_label(kind, word) for word in value.split(" + "))


def _label(kind: str, slug: str) -> str:
    if slug.endswith("+tost"):  # of published numbers: a mask with all tricks of ToST
        return f"{_label(kind, slug.removesuffix('+tost'))} + ToST"
    return PUBLISHED.get(slug, label(kind, slug))


def paper(slug: str, title: str = "") -> str:
    """A paper's short name, `ToST`; `ToST, reduced` of its reduced items. Without one its title up to the colon, or its
    slug."""
    whole = slug.removesuffix(SMALL)
    return PAPERS.get(whole, title.partition(":")[0] or whole) + (", reduced" if whole != slug else "")


def treatment(name: str) -> str:
    """A criterion to prune by, or a method, by its label; anything else, as a density, as it is."""
    return next((label(kind, name) for kind in ("prune rule", "method") if name in catalogue()[kind]), name)


def field(name: str) -> str:
    """A field as the heading of a column or a word of a setting: `learning rate`, `growth criterion`."""
    own = name.rpartition(".")[2]
    return FIELDS.get(own, own.replace("_", " "))


def row(values: Mapping[Any, Any], names: Iterable[str]) -> tuple[str, ...]:
    """Some columns of a frame's row, as `shown`."""
    return tuple(shown(name, str(values[name])) for name in names)


@functools.cache
def _slugs() -> tuple[re.Pattern[str], dict[str, str]]:
    known = {s: label(kind, s) for kind in reversed(PROSE) for s in catalogue()[kind] if s not in ENGLISH}
    longest = sorted(known, key=len, reverse=True)
    return re.compile(rf"(?<![\w/.-])(?:{'|'.join(map(re.escape, longest))})(?![\w/-])"), known


def prose(text: str) -> str:
    """A claim's evidence or a verdict's reason with labels in place of slugs; those that are English words stay."""
    pattern, known = _slugs()
    return pattern.sub(lambda found: known[found[0]], text)
