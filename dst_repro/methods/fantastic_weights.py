"""Drop and grow as in the comparison of pruning criteria: the plain engine, all axes open."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrowParams, Period, Rate, TrainingShare
from dst_repro.methods.scored import LayerView
from dst_repro.methods.sparse_learning import SparseLearning
from dst_repro.registry import methods
from dst_repro.sparsity.criteria import criterion
from dst_repro.sparsity.masks import highest
from dst_repro.sparsity.schedule import Decay


class PlainParams(DropAndGrowParams):
    update_period: Period = 800
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.5
    decay: Decay = "cosine-floor"
    dense_layers: Literal["skipped", "reset"] = "skipped"
    """Whether an update leaves a dense layer alone, or drops weights of it, too, which then start again from zero,
    whatever `regrown` says: with their values nothing would have happened."""


@methods.register("drop-and-grow", PlainParams, density=True, uses=[("prune rule", "each-sign-released")])
class Plain(SparseLearning):
    """drop-and-grow: by any criterion (Nowak et al. 2023), with the settings of their comparison

    Counts are exact; masked weights have no momentum; grown weights start at zero, but one that was just dropped keeps
    its value, as in their code, which applies masks once, after drop and growth; the order of the steps is the same for
    all criteria. Dense layers do not change, unless `dense_layers: reset` makes of a training at density 1 more than
    dense training. Updates never stop, but the last step has none.

    `fidelity: released` is their code: initial masks and random growth by chance, numbers rounded up, an update after
    the last step, too; ERK also where `er` is asked for; momentum of masked weights as of a dense network, and never
    reset, of Adam over the root of the second moment; criteria that read gradients update before the weight step, the
    others after it; `each-sign` is `each-sign-released`, with `scope: global` `each-sign-equal`, and dense layers
    compete there, too; `gradient-step` has a gamma of 1; running averages have gamma for beta, by default 1, which
    stops them at their first value. Scores have what is added there to tell active weights from inactive ones, and
    orders them otherwise in float32: 1e-5 (snip), 1 (both sensitivities), 1e-6 (growth by gradients). Not as there:
    with `scope: global` each layer's score is that of its local competition, `linear` falls evenly, and ties go another
    way.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(as_released(params) if context.config.fidelity == "released" else params, context)

    def takes_part(self, name: str) -> bool:
        pool = self.released and self.params.scope == "global"
        return pool or self.params.dense_layers == "reset" or super().takes_part(name)

    def restarted(self, name: str, dropped: Tensor, grown: Tensor) -> Tensor:
        reset = self.params.dense_layers == "reset" and bool(self._masks[name].all())
        return grown if reset else super().restarted(name, dropped, grown)

    def instant_score(self, slug: str, layer: LayerView) -> Tensor:
        released = criterion(slug).released if self.released else None
        return released(layer) if released else super().instant_score(slug, layer)

    def grow(self, name: str, free: Tensor, n: int, step: int) -> Tensor:
        if self.released and self.params.grow == "gradient":
            return highest(self.gradient(name).abs() + 1e-6, free, n)
        return super().grow(name, free, n, step)


def as_released(params: PlainParams) -> PlainParams:
    """The settings that the released code has, whatever it is asked for."""
    each_sign = "each-sign-equal" if params.scope == "global" else "each-sign-released"
    changed = {
        "drop": each_sign if params.drop == "each-sign" else params.drop,
        "timing": "before-step" if criterion(params.drop).reads_gradient else "after-step",
        "distribution": "erk" if params.distribution == "er" else params.distribution,
        "momentum": "dense",
        "beta": params.gamma,
    }
    return params.model_copy(update=changed)
