"""The network of a run, for runs that start from it: weights by the plain model's names, and masks as bits.

Too large to be committed, it is kept beside the records and made again where it is missing or is not what was written.
A run that ended early leaves a state without tensors, so that what starts from it can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dst_repro.errors import UserError
from dst_repro.files import write_with
from dst_repro.methods.base import Given
from dst_repro.plan.config import RunConfig
from dst_repro.training.digest import digest
from dst_repro.training.loop import Trainer

MASK = "mask:"  # before the name of a layer; what has no such prefix belongs to the model

Moment = Mapping[str, int] | None


class StateError(Exception):
    """There is no file, or it is not the state of that run at that moment. The text says which."""


class ParentEnded(Exception):  # noqa: N818 - an outcome of a run, not an error
    """The run that this one starts from did not finish, and `status` says how it ended."""

    def __init__(self, parent: str, status: str) -> None:
        self.status = status
        super().__init__(f"starts from {parent}, which {status}")


class State(NamedTuple):
    """How the run ended, the fingerprint of what trained it, and its network: empty unless it finished."""

    status: str
    source: str
    given: Given


def state_path(results: Path, run_id: str, moment: Moment = None) -> Path:
    """Of the network at the end, or after so many epochs or steps."""
    when = "".join(f"-{unit}-{number}" for unit, number in (moment or {}).items())
    return results / "states" / f"{run_id}{when}.safetensors"


def write_state(
    results: Path, run: RunConfig, trainer: Trainer | None, status: str, source: str, moment: Moment = None
) -> None:
    """Into the folder `states` of `results`. `source` is the fingerprint of what made it."""
    from safetensors.torch import save  # few runs need it

    tensors: dict[str, Tensor] = {}
    if trainer is not None and status == "finished":
        tensors = {name: t.cpu().contiguous() for name, t in trainer.method.network(trainer.model).items()}
        tensors |= {MASK + name: _packed(mask) for name, mask in trainer.method.masks().items()}
    about = {"run": run.id, "moment": moment or {}, "status": status, "source": source, "sha256": digest(tensors)}
    data = save(tensors, {"about": json.dumps(about)})  # one entry: safetensors writes several in any order
    write_with(state_path(results, run.id, moment), lambda stream: stream.write(data))


def _packed(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.cpu().numpy().reshape(-1)))


def _unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=shape.numel())).bool().view(shape)


def read_state(results: Path, run: RunConfig, moment: Moment = None) -> State:
    """The network of a run, on the CPU: its weights, to be loaded into a plain model, and its masks.

    Raises `StateError` for a file that is missing, damaged, another run's, or not what was written there.
    """
    from safetensors import SafetensorError, safe_open

    path = state_path(results, run.id, moment)
    if not path.is_file():
        raise StateError(f"{path} is missing")
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        status, source = str(about["status"]), str(about["source"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RecursionError):
        raise StateError(f"{path} can't be read") from None
    if (about.get("run"), about.get("moment")) != (run.id, moment or {}):
        raise StateError(f"{path} is of another run or moment")
    if about.get("sha256") != digest(tensors):
        raise StateError(f"{path} is not what was written")
    network = {name: tensor for name, tensor in tensors.items() if not name.startswith(MASK)}
    packed = {name.removeprefix(MASK): tensor for name, tensor in tensors.items() if name.startswith(MASK)}
    try:
        masks = {name: _unpacked(bits, network[f"{name}.weight"].shape) for name, bits in packed.items()}
    except (LookupError, TypeError, ValueError, RuntimeError):
        raise StateError(f"{path} has masks that fit no weights") from None
    return State(status, source, Given(network, masks))


def begin(run: RunConfig, results: Path) -> tuple[dict[str, Tensor] | None, Given | None]:
    """The weights that a run starts from, None for its own initialisation, and what `mask_from` names.

    Raises `UserError` where there is no such network, and `ParentEnded` where there can be none.
    """
    found: dict[str, Given] = {}
    for key, (parent, moment) in zip(run.parents, run.needs, strict=True):
        try:
            state = read_state(results, parent, moment)
        except StateError as error:
            raise UserError(f"{run.id} starts from {parent.id}, whose network can't be had: {error}") from None
        if state.status != "finished":
            raise ParentEnded(parent.id, state.status)
        found[key] = state.given
    start = found.get("weights_from")
    return start.network if start else None, found.get("mask_from")
