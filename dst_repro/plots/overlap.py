"""Jaccard indices of sets of weights over epochs, of the network and as means over its layers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dst_repro.plots.curves import COUNTS

CHANCE: dict[str, Any] = {"color": "0.4", "linestyle": (0, (4, 2)), "linewidth": 0.9}
"""How the index expected of random sets is drawn."""
COLUMNS = ["over", "epoch", *COUNTS[:-1], "random"]


def jaccard(counts: pd.DataFrame) -> pd.DataFrame:
    """From rows (id, epoch, layer) with the sizes `a` and `b` of two sets of weights, of their intersection `common`,
    and of what they are drawn from, `among`, to mean, std, lowest and highest run at each epoch.

    `over` is network (sums over layers, then the index) or layers (the mean of the layers' indices; layers in which
    both sets are empty have none). `random` is the index expected of sets drawn at random, with common = a * b / among
    in each layer; for sets of equal shares rho it is rho / (2 - rho).
    """
    rows = counts[counts["a"] + counts["b"] > 0].assign(chance=lambda r: r["a"] * r["b"] / r["among"])
    keys = ["id", "epoch"]
    sums = rows.groupby(keys, sort=True)[["a", "b", "common", "chance"]].sum()
    layers = pd.concat([rows[keys], _index(rows)], axis=1).groupby(keys, sort=True).mean()
    found = pd.concat({"network": _index(sums), "layers": layers}, names=["over"]).reset_index()
    values = found.groupby(["over", "epoch"], sort=False)
    out = pd.DataFrame(values["value"].agg(mean="mean", std="std", low="min", high="max", n="count"))
    return out.assign(random=values["random"].mean()).reset_index()[COLUMNS]


def _index(rows: pd.DataFrame) -> pd.DataFrame:
    both = rows["a"] + rows["b"]
    return pd.DataFrame({"value": rows["common"] / (both - rows["common"]),
                         "random": rows["chance"] / (both - rows["chance"])})  # fmt: skip


def wide(history: pd.DataFrame, ids: pd.Series[str], names: pd.Series[bool]) -> pd.DataFrame:
    """The history's rows with these names, of these runs: (id, epoch, layer) and one column a name."""
    rows = history[names & history["id"].isin(ids)]
    return rows.pivot(index=["id", "epoch", "layer"], columns="name", values="value").reset_index()
