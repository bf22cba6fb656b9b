"""What readers call the cells, networks and treatments of a frame, whose columns keep slugs."""

from __future__ import annotations

import re

from dst_repro.plan.catalogue import catalogue, label
from dst_repro.records.frames import TOGETHER
from dst_repro.tables.names import field, shown

GROWTH = " growth"


def network(dataset: str, model: str, several: bool) -> str:
    """`LeNet-300-100`; with `several` data sets `MNIST, LeNet-300-100`."""
    return ", ".join(([shown("dataset", dataset)] if several else []) + [shown("model", model)])


def cell(method: str, setting: str) -> str:
    """`RigL, 5 %`: a method with what tells its cell from others."""
    return ", ".join(filter(None, [shown("method", method), words(setting)]))


def words(text: str) -> str:
    """Fields with values: `5 %, drop snip, prune_rate 0.5` as `5 %, prune criterion SNIP, prune rate 0.5`."""
    return ", ".join(_word(word) for word in text.split(", "))


def tricks(text: str) -> str:
    """`all but ghost-skips` as `all but ghost skips`."""
    for slug in catalogue()["trick"]:
        text = text.replace(slug, label("trick", slug))
    return text


def _word(word: str) -> str:
    if word.endswith(GROWTH):
        return label("growth rule", word.removesuffix(GROWTH)) + GROWTH
    head, *more = word.split(TOGETHER)
    name, _, first = head.rpartition(" ")
    value = TOGETHER.join([first, *more])
    parent, _, own = name.rpartition(" ")  # of a run that this one starts from: `from method dense`
    told = shown(own, re.sub(r"e-0(?=\d)", "e-", value))
    return " ".join(filter(None, [parent, "" if parent and own == "method" else field(own), told]))
