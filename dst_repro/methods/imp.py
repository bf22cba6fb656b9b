"""Iterative magnitude pruning: one round of train, prune, fine-tune."""

from __future__ import annotations

from dst_repro.methods.one_shot import OneShot, OneShotParams
from dst_repro.registry import methods


@methods.register("imp", OneShotParams, density=True)
class IMP(OneShot):
    """Iterative magnitude pruning, one round (Han et al. 2015)

    `weights_from` is the round before, the first one's the dense network (`rounds` in an experiment makes the chain).
    What was pruned is zero, hence among the smallest, so that each round prunes what the one before has left.
    """
