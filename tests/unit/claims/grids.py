"""Rows of grids, made by hand."""

from __future__ import annotations

import json
from typing import Any

from tests.small import run

COLUMNS = ("layers", "tricks", "parameters")
"""What is no part of a configuration."""


def cell(method: str, accuracies: tuple[float, ...], first_seed: int = 0, **fields: Any) -> list[dict[str, object]]:
    """One run a seed, accuracies in percent. `method_params` is a dictionary, and becomes columns and configuration;
    `config` is more of the configuration.
    """
    params, more = fields.pop("method_params", {}), fields.pop("config", {})
    named = {"method": method, **fields} | ({"method_params": params} if params else {})
    named = {key: value for key, value in named.items() if key not in COLUMNS and "." not in key} | more
    columns = {f"method_params.{key}": value for key, value in params.items()} | fields
    text = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return [
        run(method, seed, accuracy / 100, config=text, **columns) | {"cell": text, "id": f"{text}-s{seed}"}
        for seed, accuracy in enumerate(accuracies, first_seed)
    ]


def pruned(
    drop: str, *accuracies: float, density: float = 0.05, grow: str = "random", **fields: Any
) -> list[dict[str, object]]:
    """Drop and grow by one criterion."""
    params = {"drop": drop, "grow": grow} | fields.pop("method_params", {})
    return cell("drop-and-grow", accuracies, density=density, method_params=params, **fields)


EVERY: dict[str, dict[str, Any]] = {
    slug: {} for slug in ("ghost-skips", "label-smoothing", "rescaled-init", "soft-neurons")
}


def masked(
    method: str, tricks: dict[str, dict[str, Any]], *accuracies: float, **fields: Any
) -> list[dict[str, object]]:
    """A mask with tricks, or without."""
    more = {"tricks": tricks} if tricks else {}
    return cell(method, accuracies, config=more, tricks=" + ".join(sorted(tricks)) or None, **fields)


def gaining(method: str, *gains: float, without: float = 80.0, **fields: Any) -> list[dict[str, object]]:
    """A mask without tricks, and with all; a gain a seed."""
    rows = masked(method, {}, *[without] * len(gains), **fields)
    return rows + masked(method, EVERY, *[without + gain for gain in gains], **fields)
