"""The step that a run begins with."""

from __future__ import annotations

from dst_repro.methods.base import Context


def first_step(context: Context) -> int:
    """By its `begin_at`, counted like all steps: 0 unless a part of the training is left out."""
    moment = context.config.begin_at or {"step": 0}
    return moment["step"] if "step" in moment else moment["epoch"] * context.steps_per_epoch
