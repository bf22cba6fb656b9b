"""The final network of a run as files. Nothing is trained for it."""

from __future__ import annotations

from pathlib import Path

import torch

from dst_repro.data.base import load
from dst_repro.errors import UserError
from dst_repro.export import write
from dst_repro.plan.config import RunConfig
from dst_repro.plan.sizes import images
from dst_repro.registry import models
from dst_repro.training.state import StateError, read_state

INPUTS = 64
"""Of random numbers, for times; a run's speed does not depend on what it sees."""


def export(run: RunConfig, results: Path, out: str | None) -> list[str]:
    """Write it to `out`; lines that say what is there. Raises `UserError` where the network was not kept."""
    try:
        state = read_state(results, run)
    except StateError as error:
        where = f"--suite SUITE --results {results} --keep-state --again"
        how = f"`python -m dst_repro train {run.id} {where}` trains it again and keeps it"
        raise UserError(f"{run.id}: its network can't be had: {error}; {how}") from None
    if state.status != "finished":
        raise UserError(f"{run.id}: it {state.status}, and has no final network")
    known = images(run) or load(run)
    entry = models[run.model]
    network: torch.nn.Module = entry.object(known.shape, known.classes, entry.params(**run.model_params))
    network.load_state_dict(state.given.network)
    sample = torch.rand(INPUTS, *known.shape, generator=torch.Generator().manual_seed(0))
    return write(network, state.given.masks, sample, Path(out or results / "states" / f"export-{run.id}"))
