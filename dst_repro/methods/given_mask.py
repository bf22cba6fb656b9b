"""The final mask of another run, trained as a static mask."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import Params, methods
from dst_repro.sparsity.masks import shuffled


class GivenMaskParams(Params):
    positions: Literal["kept", "shuffled"] = "kept"
    """Whether the mask is kept as it is, or as many weights of each layer are drawn at random."""


@methods.register("given-mask", GivenMaskParams, mask_from="required")
class GivenMask(Masked):
    """given mask: the static mask of another run, `mask_from`, whatever its method

    Weights start from the run's own initialisation, which is that of the other run, too, unless that drew its masked
    layers anew, as DST does as released, or started from another's weights; with `initialisation: redrawn` from another
    draw; with `weights_from` and `weights_at` from any moment of any run, `{epoch: 0}` being its true start. Shuffling
    within layers and drawing anew are the controls of Frankle et al. (2021).
    """

    def initial_masks(self) -> dict[str, Tensor]:
        given = self.context.given
        if given is None:
            raise TypeError("given-mask needs the network of `mask_from`")
        masks = given.masks
        if self.params.positions == "shuffled":
            masks = {name: shuffled(mask, self.context.rng("shuffled", name)) for name, mask in masks.items()}
        return {name: masks[name].to(module.weight.device) for name, module in self.modules.items()}
