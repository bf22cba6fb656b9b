"""One-shot magnitude pruning: the pruning stage of train, prune, fine-tune."""

from __future__ import annotations

from torch import Tensor, nn

from dst_repro.methods.at_init import AtInit, AtInitParams
from dst_repro.registry import methods
from dst_repro.sparsity.pruning import Scope


class OneShotParams(AtInitParams):
    scope: Scope = "uniform"


@methods.register("one-shot", OneShotParams, density=True)
class OneShot(AtInit):
    """one-shot: magnitude pruning before the first step (Han et al. 2015; Liu et al. 2019)

    With `weights_from` a dense run it is the classical pipeline: train, prune the smallest magnitudes, fine-tune.
    Without it, it prunes the initial weights.
    """

    def scores(self, network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: weight.detach().abs() for name, weight in weights.items()}
