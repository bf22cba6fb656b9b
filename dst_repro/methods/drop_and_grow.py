"""Drop-and-grow training: every `update_period` steps some active weights are dropped and as many are grown."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import Params
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.masks import lowest
from dst_repro.sparsity.schedule import DECAYS, Decay


class DropAndGrowParams(Params):
    distribution: Distribution = "erk"
    """How the density is shared among layers."""
    update_period: Annotated[int, Field(ge=1)] | Literal["epoch"] = 100
    """Steps between updates of the mask."""
    update_end: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Share of the training after which the mask is final."""
    prune_rate: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the active weights that the first update drops."""
    decay: Decay = "cosine"


class DropAndGrow(Masked):
    """What drop-and-grow methods share. A subclass says what to drop and what to grow, and when in the step."""

    def initial_masks(self) -> dict[str, Tensor]:
        return self.random_masks(self.context.density, self.params.distribution)

    @property
    def period(self) -> int:
        given = self.params.update_period
        return self.context.steps_per_epoch if given == "epoch" else int(given)

    def due(self, steps_done: int) -> bool:
        """Whether the mask is updated once `steps_done` steps have been taken: at no step before the first or after the
        last, and while t < T_end (Evci et al. 2020, algorithm 1).
        """
        return 0 < steps_done < self.context.fraction(self.params.update_end) and steps_done % self.period == 0

    def rate(self, steps_done: int) -> float:
        """The prune rate rho_t."""
        end = max(1, self.context.fraction(self.params.update_end))
        return DECAYS[self.params.decay](self.params.prune_rate, steps_done, end)

    def drop(self, name: str, mask: Tensor, rate: float, step: int) -> Tensor:
        """Boolean mask of the active weights to drop. Default: the int(rate * active) smallest magnitudes."""
        return lowest(self.modules[name].weight.abs(), mask, int(rate * int(mask.sum())))

    def grow(self, name: str, inactive: Tensor, n: int, step: int) -> Tensor:
        """Boolean mask of `n` of the inactive positions (just dropped ones among them) to activate."""
        raise TypeError(f"{type(self).__name__} defines no growth")

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        """Drop and grow in every layer that has something to exchange; grown weights start at zero.

        `fidelity: released` lets a weight that is dropped and grown in the same update keep its value and its state.
        """
        rate, released = self.rate(steps_done), self.context.config.fidelity == "released"
        masks, restart = {}, {}
        for name, mask in self._masks.items():
            if bool(mask.all()):  # a dense layer has nowhere to grow
                masks[name], restart[name] = mask, torch.zeros_like(mask)
                continue
            dropped = self.drop(name, mask, rate, steps_done)
            kept = mask & ~dropped
            grown = self.grow(name, ~kept, int(dropped.sum()), steps_done)
            masks[name] = kept | grown
            restart[name] = grown & ~dropped if released else grown
        self.set_masks(masks, restart)
