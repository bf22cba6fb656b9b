"""Which fields a run can have: one that none of the shown runs has is no misspelling, if some plug-in has it."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from dst_repro.errors import UserError, did_you_mean
from dst_repro.plan.catalogue import catalogue
from dst_repro.plan.config import PARENTS, PLUGGED, RunConfig
from dst_repro.plan.optimisation import OPTIMIZERS, SCHEDULES


@functools.cache
def parameters() -> frozenset[str]:
    """The fields of configurations, `method_params.alpha` and `tricks.soft-neurons.beta` among them."""
    found = set(RunConfig.model_fields)
    for kind in PLUGGED:
        found |= {f"{kind}_params.{name}" for entry in catalogue()[kind].values() for name in _names(entry["schema"])}
    for slug, entry in catalogue()["trick"].items():
        found |= {f"tricks.{slug}.{name}" for name in _names(entry["schema"])}
    for kind, models in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        found |= {f"{kind}_params.{name}" for model in models.values() for name in model.model_fields}
    found |= {f"{moment}.{unit}" for moment in ("weights_at", "begin_at") for unit in ("epoch", "step")}
    return frozenset(found)


def _names(schema: dict[str, dict[str, object]]) -> Iterable[str]:
    return schema.get("properties", {})


def among(name: str, columns: Iterable[object], where: str = "") -> bool:
    """Whether a field is one of the columns.

    Raises `UserError` with the near miss for a field that no run can have; `where` says who asks for it.
    """
    here = {str(column) for column in columns}
    own = name
    while (parts := own.partition("."))[0] in PARENTS and parts[2]:
        own = parts[2]
    if name in here or own in parameters():
        return name in here
    of = name.removesuffix(own)
    hint = did_you_mean(name, here | {of + known for known in parameters()})
    raise UserError(f"{where + ': ' if where else ''}no field '{name}'{hint}")
