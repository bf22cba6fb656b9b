"""Where a skip may go around: convolutions, and the batch normalisation that reads what they put out."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SHORTCUTS = ("shortcut", "downsample")
"""Names of modules that are skips already."""


class Place(NamedTuple):
    """Names of a convolution and of the module after which a skip is added: its batch normalisation, or itself."""

    conv: str
    norm: str


@torch.no_grad()
def places(network: nn.Module, shape: tuple[int, ...]) -> list[Place]:
    """Every convolution that keeps its image or shrinks it by its stride alone, in the order of the computation.

    Found by what reads what when an input of this shape passes: the first convolution, which reads the input itself,
    is left out, and so are shortcuts, and what sees a single pixel and has no normalisation: a gate, whose skip would
    have no variance in a batch of one. The network is left as it was.
    """
    names = {module: name for name, module in network.named_modules()}
    image = torch.zeros(1, *shape, device=next(network.parameters()).device)
    found: dict[str, Place] = {}
    single = set[str]()
    put_out: list[tuple[Tensor, int, str]] = []  # tensors are held, or another could take the place of one

    def conv(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = names[module]
        first = inputs[0].data_ptr() == image.data_ptr()
        kept = all(
            o == -(-i // s) for i, o, s in zip(inputs[0].shape[2:], output.shape[2:], module.stride, strict=True)
        )
        if kept and not first and not any(part in SHORTCUTS for part in name.split(".")):
            found[name] = Place(name, name)
            if output[0, 0].numel() == 1:
                single.add(name)
            put_out.append((output, output._version, name))

    def norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        for output, version, name in put_out:
            if inputs[0] is output and output._version == version:
                found[name] = Place(name, names[module])

    handles = [m.register_forward_hook(conv) for m in names if isinstance(m, nn.Conv2d)]
    handles += [m.register_forward_pre_hook(norm) for m in names if isinstance(m, nn.BatchNorm2d)]
    modes = {module: module.training for module in names}
    try:
        network.eval()(image)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return [place for place in found.values() if place.norm != place.conv or place.conv not in single]
