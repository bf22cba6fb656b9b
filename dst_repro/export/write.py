"""All forms of one network in one folder, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dst_repro.export.forms import linear_layers, onnx_missing, save_csr, save_dense, save_masks, save_onnx, weight_of
from dst_repro.export.speed import densified, flops, in_csr, latency
from dst_repro.files import write_json

HONEST = (
    "Masks alone speed nothing up: a dense kernel multiplies by a zero as by any other number. Fewer operations and "
    "smaller files come of a form that leaves the zeros out, CSR, here for linear layers alone; whether it is faster "
    "depends on the density, the batch and the machine, and the times above are of this one. Convolutions stay dense."
)


def write(network: nn.Module, masks: Mapping[str, Tensor], sample: Tensor, folder: Path) -> list[str]:
    """Write a plain network, whose pruned weights are zero, to `folder`; lines that say what is there.

    `sample` (b, ...) are inputs of it: FLOPs are of the first, times of the first and of all b. Everything is computed
    on the CPU, in evaluation mode. `export.json` has the same numbers.
    """
    network, sample = network.cpu().eval(), sample.detach().cpu()
    masks = {name: mask.cpu() for name, mask in masks.items()}
    with torch.no_grad():  # the pruned weights are zero, whatever the caller says
        for name, mask in masks.items():
            weight_of(network, name)[~mask] = 0
    lines: list[str] = []
    about = {"weights": sum(map(Tensor.numel, masks.values())), "kept": sum(int(m.sum()) for m in masks.values())}
    counted = flops(network, masks, sample)  # first, so that inputs which do not fit leave no file
    sizes = _files(network, masks, sample, folder, lines)
    lines.append(f"FLOPs of one input: {counted.dense:,} dense, {counted.kept:,} with kept weights alone")
    times = _times(network, masks, sample)
    threads = torch.get_num_threads()
    for size, forms in times.items():
        said = ", ".join(f"{form} {1000 * t['median']:.3f}" for form, t in forms.items())
        lines.append(f"ms on this CPU, {threads} thread(s), batch of {size}, median of rounds in turn: {said}")
    write_json(
        folder / "export.json",
        {**about, "bytes": sizes, "flops": counted._asdict(), "seconds": times, "threads": threads, "note": HONEST},
    )
    return [*lines, HONEST]


def _files(
    network: nn.Module, masks: Mapping[str, Tensor], sample: Tensor, folder: Path, lines: list[str]
) -> dict[str, int]:
    save_dense(network, folder / "dense.safetensors")
    save_masks(masks, folder / "masks.safetensors")
    save_csr(network, masks, folder / "csr.pt")
    said = {
        "dense.safetensors": "the state, zeros written out",
        "masks.safetensors": "a byte for each weight",
        "csr.pt": f"the state, {len(linear_layers(network, masks))} of {len(masks)} masked layers in torch.sparse_csr",
        "network.onnx": "zeros written out",
    }
    missing = onnx_missing()
    if missing is None:
        save_onnx(network, sample, folder / "network.onnx")
    else:
        (folder / "network.onnx").unlink(missing_ok=True)  # one of an earlier export would be of another network
        lines.append(f"{folder / 'network.onnx'}: {missing}")
    sizes = {name: (folder / name).stat().st_size for name in said if (folder / name).exists()}
    lines[:0] = [f"{folder / name}: {size:,} bytes, {said[name]}" for name, size in sizes.items()]
    return sizes


def _times(network: nn.Module, masks: Mapping[str, Tensor], sample: Tensor) -> dict[str, dict[str, Any]]:
    forms = {"dense": densified(network, masks), "masked": network}
    if linear_layers(network, masks):
        forms["csr"] = in_csr(network, masks)
    sizes = sorted({1, len(sample)})
    return {str(size): {form: time._asdict() for form, time in latency(forms, sample[:size]).items()} for size in sizes}
