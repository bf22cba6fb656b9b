"""Iterative magnitude pruning and lottery tickets: one round."""

from __future__ import annotations

from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.masked import Masked
from dst_repro.registry import methods
from dst_repro.sparsity.pruning import PruneParams, keep_highest, prunable


@methods.register("imp", PruneParams, density=True, mask_from="or weights_from")
class IMP(Masked):
    """IMP: iterative magnitude pruning, one round (Han et al. 2015; Frankle and Carbin 2019)

    Keeps the largest of the final weights of the round before; the first round starts from the dense network. `rounds`
    in an experiment makes the chain. What is pruned stays so: where a layer has fewer left than its share, the others
    keep more, and a density above what the round before has left is refused. With `mask_from` the round before, what is
    kept is rewound to the initialisation, a lottery ticket; those are usually found with `scope: global`. It is rewound
    to step k by `weights_from` the dense run, `weights_at: {step: k}` and `begin_at: {step: k}`, so that T - k steps
    are trained (Frankle et al. 2020); without `begin_at` it trains T steps from the weights of step k. With
    `weights_from` alone, where a weight of zero is one that was pruned, it is trained on: fine-tuning, or with
    `begin_at` learning-rate rewinding (Renda et al. 2020).
    """

    def initial_masks(self) -> dict[str, Tensor]:
        scores, among = {}, self.full_masks()
        for name in prunable(self.modules, self.params):
            weight = self.modules[name].weight.detach()
            if self.context.given is not None:
                weight = self.context.given.network[f"{name}.weight"].to(weight.device)
                among[name] = self.context.given.masks[name].to(weight.device)
            elif self.context.config.parents["weights_from"].method != "dense":  # which may have a zero by chance
                among[name] = weight != 0
            scores[name] = weight.abs()
        self._check(sum(int(among[name].sum()) for name in scores), sum(map(Tensor.numel, scores.values())))
        return self.full_masks() | keep_highest(scores, among, self.context.density, self.params.scope)

    def _check(self, left: int, numel: int) -> None:
        """Raises `ConfigError` if the round before has left fewer than are to be kept of these layers' weights."""
        density = self.context.density
        if round(density * numel) > left:
            before = f"the round before has left {left} of {numel} weights, a density of {left / numel:.9g}"
            raise ConfigError(f"{before}: must be that or less, not {density:g}", "density")
