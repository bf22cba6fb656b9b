"""The final network of a run, for runs that start from it: weights by the plain model's names, and masks as bits.

Too large to be committed, it is kept beside the records and made again where it is missing. A run that ended early
leaves a state without tensors, so that what starts from it can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dst_repro.errors import UserError
from dst_repro.files import write_with
from dst_repro.methods.base import Given
from dst_repro.plan.config import RunConfig
from dst_repro.sparsity.masks import sha256
from dst_repro.training.loop import Trainer

MASK = "mask:"  # before the name of a layer; what has no such prefix belongs to the model


def state_path(results: Path, run_id: str, moment: Mapping[str, int] | None = None) -> Path:
    """Of the network at the end, or after so many epochs or steps."""
    when = "".join(f"-{unit}-{number}" for unit, number in (moment or {}).items())
    return results / "states" / f"{run_id}{when}.safetensors"


def write_state(path: Path, trainer: Trainer | None, status: str, source: str) -> None:
    """`source` is the fingerprint of what made it."""
    from safetensors.torch import save  # few runs need it

    tensors: dict[str, Tensor] = {}
    about = {"status": status, "source": source}
    if trainer is not None and status == "finished":
        masks = trainer.method.masks()
        about["mask_sha256"] = sha256(masks)
        tensors = {name: t.cpu().contiguous() for name, t in trainer.method.network(trainer.model).items()}
        tensors |= {MASK + name: _packed(mask) for name, mask in masks.items()}
    data = save(tensors, {"run": json.dumps(about)})  # one entry: safetensors writes several in any order
    write_with(path, lambda stream: stream.write(data))


def _packed(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.cpu().numpy().reshape(-1)))


def _unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=shape.numel())).bool().view(shape)


def about_state(path: Path) -> dict[str, str]:
    """`status` of the run, `source` that made it, and `mask_sha256` if it finished."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        found: dict[str, str] = json.loads(file.metadata()["run"])
    return found


def read_state(path: Path) -> Given:
    """The weights, to be loaded into a plain model, and the masks, on the CPU."""
    from safetensors import safe_open

    network: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118
            (masks if name.startswith(MASK) else network)[name.removeprefix(MASK)] = file.get_tensor(name)
    return Given(network, {name: _unpacked(bits, network[f"{name}.weight"].shape) for name, bits in masks.items()})


def begin(run: RunConfig, results: Path) -> tuple[dict[str, Tensor] | None, Given | None]:
    """The weights that a run starts from, None for its own initialisation, and what `mask_from` names."""
    found: dict[str, Given] = {}
    for key, (parent, moment) in zip(run.parents, run.needs, strict=True):
        path = state_path(results, parent.id, moment)
        if not path.exists():
            raise UserError(f"{run.id} starts from {parent.id}, whose weights are missing: {path}")
        status = about_state(path)["status"]
        if status != "finished":
            raise RuntimeError(f"starts from {parent.id}, which {status}")
        found[key] = read_state(path)
    start = found.get("weights_from")
    return start.network if start else None, found.get("mask_from")
