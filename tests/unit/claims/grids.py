"""Rows of grids, made by hand."""

from __future__ import annotations

import json
from typing import Any

from tests.small import run


def cell(method: str, accuracies: tuple[float, ...], first_seed: int = 0, **fields: Any) -> list[dict[str, object]]:
    """One run a seed, accuracies in percent. `method_params` is a dictionary, and becomes columns and configuration;
    `config` is more of the configuration.
    """
    params, more = fields.pop("method_params", {}), fields.pop("config", {})
    named = {"method": method, **fields} | ({"method_params": params} if params else {}) | more
    columns = {f"method_params.{key}": value for key, value in params.items()} | fields
    text = json.dumps(
        {key: value for key, value in named.items() if key != "layers" and "." not in key}, sort_keys=True
    )
    return [
        run(method, seed, accuracy / 100, config=text, **columns)
        for seed, accuracy in enumerate(accuracies, first_seed)
    ]


def pruned(
    drop: str, *accuracies: float, density: float = 0.05, grow: str = "random", **fields: Any
) -> list[dict[str, object]]:
    """Drop and grow by one criterion."""
    params = {"drop": drop, "grow": grow} | fields.pop("method_params", {})
    return cell("drop-and-grow", accuracies, density=density, method_params=params, **fields)
