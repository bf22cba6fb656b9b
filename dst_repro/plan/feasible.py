"""What can be seen of a run before anything is read: whether its training is long enough for what it asks."""

from __future__ import annotations

import math

from dst_repro.errors import ConfigError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.sizes import steps_per_epoch


def refuse_idle(run: RunConfig) -> None:
    """Refuse a drop-and-grow training without a single update: it would be that of a static mask, under another name.

    Methods look themselves when they are built, and closer; here it is seen in a dry run, where the size of the data
    set is known.
    """
    params, per_epoch = run.full()["method_params"], steps_per_epoch(run)
    if per_epoch is None or not {"update_period", "update_end"} <= params.keys():
        return
    period = params["update_period"]
    period = per_epoch * params.get("epochs_between", 1) if period == "epoch" else period
    total = per_epoch * run.epochs
    end = math.floor(params["update_end"] * total + 1e-9)
    if period > end:
        raise ConfigError(
            f"leaves no update: the period is {period} of {total} steps, and updates end at step {end}; "
            f"take {end} or less",
            "method_params.update_period",
        )
