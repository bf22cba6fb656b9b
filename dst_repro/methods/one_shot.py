"""One-shot magnitude pruning: the pruning stage of train, prune, fine-tune."""

from __future__ import annotations

from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import methods
from dst_repro.sparsity.pruning import PruneParams, keep_highest, prunable


@methods.register("one-shot", PruneParams, density=True)
class OneShot(Masked):
    """One-shot magnitude pruning before the first step (Han et al. 2015; Liu et al. 2019)

    With `weights_from` a dense run it is the classical pipeline: train, prune the smallest magnitudes, fine-tune.
    Without it, it prunes the initial weights.
    """

    def initial_masks(self) -> dict[str, Tensor]:
        scores = {name: self.modules[name].weight.detach().abs() for name in prunable(self.modules, self.params)}
        return self.full_masks() | keep_highest(scores, self.full_masks(), self.context.density, self.params.scope)
