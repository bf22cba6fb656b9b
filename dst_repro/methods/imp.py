"""Iterative magnitude pruning and lottery tickets: one round."""

from __future__ import annotations

from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import methods
from dst_repro.sparsity.pruning import PruneParams, keep_highest, prunable


@methods.register("imp", PruneParams, density=True, mask_from="optional")
class IMP(Masked):
    """Iterative magnitude pruning, one round (Han et al. 2015; Frankle and Carbin 2019)

    Keeps the largest of the final weights of the round before; the first round starts from the dense network. `rounds`
    in an experiment makes the chain. With `mask_from` the round before, what is kept is rewound to the initialisation
    (a lottery ticket), or to any step of a run by `weights_from` and `weights_at` (Frankle et al. 2020); with
    `weights_from` alone it is trained on (fine-tuning, or with the whole schedule anew, learning-rate rewinding: Renda
    et al. 2020). What is pruned stays so.
    """

    def initial_masks(self) -> dict[str, Tensor]:
        scores, among = {}, self.full_masks()
        for name in prunable(self.modules, self.params):
            weight = self.modules[name].weight.detach()
            if self.context.given is not None:
                weight = self.context.given.network[f"{name}.weight"].to(weight.device)
                among[name] = self.context.given.masks[name].to(weight.device)
            scores[name] = weight.abs()
        return self.full_masks() | keep_highest(scores, among, self.context.density, self.params.scope)
