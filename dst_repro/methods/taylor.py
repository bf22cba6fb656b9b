"""Pruning at initialisation by the loss that a weight's removal costs, to first order."""

from __future__ import annotations

from dst_repro.methods.at_init import Mode
from dst_repro.methods.snip import Sensitivity, SensitivityParams
from dst_repro.registry import methods


class TaylorParams(SensitivityParams):
    mode: Mode = "eval"
    """Of batch normalisation while scores are taken."""


@methods.register("taylor", TaylorParams, density=True, uses=[("prune rule", "taylor")])
class Taylor(Sensitivity):
    """Taylor: first-order expansion, (w * dL/dw)^2 of the initial weights (Molchanov et al. 2019)

    The order is that of SNIP's abs(w * dL/dw), which is also what the mask generators of ToST score by this name; what
    differs is the mode, evaluation, in which the network that is left after many `iterations` is scored as it is.
    """

    criterion = "taylor"
