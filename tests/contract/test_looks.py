"""How methods are drawn: told apart without colour, and where colours fall together for some readers or in grey."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dst_repro import registry
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Item, load_suite
from dst_repro.plots import style

CONFIG = Path(__file__).parents[2] / "config"
SUITES = ("config", "mnist", "mnist-masks", "fashion-small", "cifar10-small", "tost-small", "mnist-protocol")
BY_RULE = {"accuracy-grid", "criteria-jaccard", "mask-overlap", "critical-difference"}
SEEN = {  # linear RGB to what is seen of it; Machado et al. 2009, severity 1
    "all colours": np.eye(3),
    "grey": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
    "no red": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                        [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                          [-0.011820, 0.042940, 0.968881]]),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 10.0
"""Between colours that nobody takes for one, in CIE Lab."""


def lab(colour: str, seen: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(SEEN[seen] @ linear, 0, 1) / XYZ.sum(axis=1), 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: str, other: str, seen: str) -> float:
    return float(np.linalg.norm(lab(one, seen) - lab(other, seen)))


def treatment(run: RunConfig, item: Item) -> str:
    return str(run.full()["method_params"].get("drop", run.method)) if item.builder in BY_RULE else run.method


def together() -> dict[str, set[str]]:
    """Item -> the methods, or prune rules, that it draws."""
    found: dict[str, set[str]] = {}
    for name in SUITES:
        suite = load_suite(CONFIG / f"{name}.yaml")
        for key, item in suite.items.items():
            wanted = item.params.get("where", {}).get("method")
            runs = [suite.runs[run] for e in item.experiments for run in suite.members[e]]
            shown = {treatment(run, item) for run in runs if not wanted or run.method in wanted}
            if item.kind == "figure":
                found[key] = shown
    return found


DRAWN = together()


def test_the_measure_knows_what_falls_together() -> None:
    assert apart("#ff0000", "#009000", "all colours") > 100
    assert apart("#ff0000", "#009000", "no green") < 40  # red and green
    assert apart("#d55e00", "#7f7f7f", "grey") < APART < apart("#d55e00", "#7f7f7f", "no red")


def test_no_two_methods_are_drawn_alike_without_colour() -> None:
    seen: dict[object, str] = {}
    for slug in registry.methods.discover():
        look = style.look(slug, "")
        other = seen.setdefault((look.marker, look.fill, look.stroke), slug)
        assert other == slug, f"{slug} is drawn as {other}: give it a line in plots/style.py's LOOKS"


def test_items_draw_several_methods() -> None:
    assert {"dst", "snip", "synflow", "grasp", "static"} <= DRAWN["masks/at-init"]
    assert {"magnitude", "snip", "mest", "random", "static"} <= DRAWN["fantastic-weights/small-fig-1"]


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("item", DRAWN)
def test_what_is_drawn_together_is_told_apart(item: str, seen: str) -> None:
    for one, other in itertools.combinations(sorted(DRAWN[item]), 2):
        a, b = style.look(one, one), style.look(other, other)
        assert (a.marker, a.fill) != (b.marker, b.fill), (one, other)
        assert a.stroke != b.stroke or apart(a.colour, b.colour, seen) >= APART, (one, other)
