"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import bisect
import math
from typing import Any

import torch

from dst_repro.plan.config import RunConfig
from dst_repro.training.eager import eager


def build_optimizer(config: RunConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """SGD or Adam with weight decay in the gradient (L2), one fused pass over all parameters."""
    params = config.full()["optimizer_params"]
    made: torch.optim.Optimizer
    if config.optimizer == "adam":
        betas = (params["beta1"], params["beta2"])
        made = eager(torch.optim.Adam)(groups, lr=config.learning_rate, betas=betas, eps=params["eps"], fused=True)
    else:
        made = eager(torch.optim.SGD)(groups, lr=config.learning_rate, **params, fused=True)
    return made


def learning_rate(config: RunConfig, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step. A pure function of the step, so that nothing of it has to be saved."""
    params = config.full()["schedule_params"]
    passed = step if params.get("unit") == "step" else step // steps_per_epoch
    match config.schedule:
        case "step":
            factor = params["gamma"] ** (passed // params["step_size"])
        case "multi-step":
            factor = params["gamma"] ** bisect.bisect_right(params["milestones"], passed)
        case "cosine":
            progress = step / (config.epochs * steps_per_epoch)
            factor = params["final"] + (1 - params["final"]) * (1 + math.cos(math.pi * progress)) / 2
        case _:
            factor = 1.0
    return config.learning_rate * float(factor)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value
