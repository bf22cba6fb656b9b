"""Small frames, made by hand: rows of `runs` and three epochs of history."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from dst_repro.records.frames import RUNS, SELECTIONS, Frames

LAYERS = json.dumps([{"name": n, "shape": [k], "numel": k, "kept": k} for n, k in (("fc1", 80), ("fc2", 20))])
HISTORY = ["id", "step", "epoch", "layer", "name", "value"]


def run(
    method: str, seed: int, accuracy: float | None, status: str = "finished", **fields: object
) -> dict[str, object]:
    """A row of `runs`; accuracies as shares; a run that is not finished has no metrics."""
    density = fields.pop("density", math.nan)
    words = "-".join(f"{k}{v}" for k, v in sorted(fields.items()))
    cell = f"m-{method}-{density}-{words}"
    row: dict[str, object] = dict.fromkeys(RUNS.columns)
    row |= {"id": f"{cell}-s{seed}", "cell": cell, "experiments": ["e"], "protocol": [], "status": status,
            "stale": False, "config": "{}",
            "dataset": "digits", "model": "lenet", "method": method, "density": density, "seed": seed,
            "numel": 100.0, "layers": LAYERS, "validation": 0.0}  # fmt: skip
    for selection in SELECTIONS:
        reached = 1.0 if density != density else density
        row |= {f"{selection}.{m}": None for m in ("validation_accuracy", "epoch", "train_loss", "test_loss")}
        row |= {
            f"{selection}.test_accuracy": accuracy,
            f"{selection}.density": reached if accuracy is not None else None,
        }
    row["best_on_validation.test_accuracy"] = None
    return row | fields


def frames(*rows: dict[str, object]) -> Frames:
    runs = pd.DataFrame(rows)
    numbers = [c for c in runs if c.partition(".")[0] in SELECTIONS] + ["density", "numel"]
    runs = runs.astype({**dict.fromkeys(numbers, float), "stale": bool})
    history = []
    for row in rows:
        for epoch in range(3):
            for layer, numel in (("fc1", 80), ("fc2", 20)):
                history.append((row["id"], epoch * 5, epoch, layer, "kept", numel / (1 + epoch)))
            if epoch:
                history.append(
                    (row["id"], epoch * 5, epoch, "", "test_accuracy", 0.5 + 0.1 * epoch + 0.01 * row["seed"])
                )  # type: ignore[operator]
        for step in range(1, 6):
            history += [
                (row["id"], step, 1, "fc1", "step_kept", 80 - step),
                (row["id"], step, 1, "fc2", "step_kept", 20),
            ]
    return Frames(runs, pd.DataFrame(history, columns=HISTORY))


def with_ghosts(made: Frames, epochs: Mapping[str, Sequence[tuple[float, float, float]]]) -> Frames:
    """Id -> (accuracy on images held out, on the test, parameters beside the network), in percent, from epoch 1 on."""
    names = ("validation_accuracy", "test_accuracy", "ghost_parameters")
    history = [
        (run_id, epoch, epoch, "", name, value if name == "ghost_parameters" else value / 100)
        for run_id, values in epochs.items()
        for epoch, three in enumerate(values, 1)
        for name, value in zip(names, three, strict=True)
    ]
    return Frames(made.runs, pd.DataFrame(history, columns=HISTORY))


SMALL = (
    run("dense", 0, 0.98), run("dense", 1, 0.97), run("dense", 2, 0.96),
    run("set", 0, 0.95, density=0.1), run("set", 1, None, "diverged", density=0.1), run("set", 2, 0.96, density=0.1),
    run("set", 0, 0.90, density=0.05), run("set", 1, None, "failed", density=0.05),
    run("set", 2, None, "missing", density=0.05),
)  # fmt: skip
OTHER = (run("dense", 0, 0.9, experiments=["other"]),)
