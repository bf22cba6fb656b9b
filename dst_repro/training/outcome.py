"""What the files of a run say about it."""

from __future__ import annotations

import math

from torch import Tensor

from dst_repro.models.plain import plain_network
from dst_repro.plan.config import RunConfig
from dst_repro.records import record
from dst_repro.records.record import DataUsed, LayerCount, Record
from dst_repro.sparsity.health import effective
from dst_repro.sparsity.masks import sha256
from dst_repro.sparsity.unmasked import unmasked
from dst_repro.training.digest import digest
from dst_repro.training.loop import Trainer
from dst_repro.training.progress import Progress


def outcome(
    run: RunConfig,
    source: str,
    status: record.Status,
    reason: str | None,
    data_used: DataUsed | None,
    trainer: Trainer | None,
) -> Record:
    """The record of a run. Only a finished run has metrics and the health of its mask."""
    masks = trainer.method.masks() if trainer else {}
    reached = _effective(trainer, masks) if trainer and status == "finished" else {}
    return Record(
        id=run.id,
        cell=run.cell,
        status=status,
        reason=reason,
        config=run.full(),
        fingerprint=source,
        data=data_used,
        compiled=trainer is not None and trainer.method.context.compiled,
        parameters=trainer.parameters if trainer else None,
        metrics=trainer.selection() if trainer and status == "finished" else None,
        layers=tuple(
            LayerCount(
                name=name,
                shape=tuple(mask.shape),
                numel=mask.numel(),
                kept=int(mask.sum()),
                effective=int(reached[name].sum()) if name in reached else None,
            )
            for name, mask in masks.items()
        ),
        unmasked={name: tuple(shape) for name, shape in unmasked(trainer.model).items()} if trainer else None,
        mask_sha256=sha256(masks) if masks else None,
        network_sha256=digest(trainer.method.network(trainer.model)) if trainer and status == "finished" else None,
        events=_events(trainer) if trainer else {},
    )


def _events(trainer: Trainer) -> dict[str, dict[str, float]]:
    """Without sums that are no numbers: those of a network whose weights have diverged."""
    found = trainer.method.events()
    return {name: {k: v for k, v in values.items() if math.isfinite(v)} for name, values in found.items()}


def _effective(trainer: Trainer, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """The kept weights that lie on a path from input to output; nothing of a network that this can't be told of."""
    try:
        return effective(plain_network(trainer.config, trainer.data), trainer.data.shape, masks)
    except Exception as error:  # a training must not be lost for it
        said = f"the health of its mask is not recorded: {type(error).__name__}: {error}"
        Progress(trainer.config.id, trainer.config.epochs).say(said)
        return {}
