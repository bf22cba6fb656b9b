"""Which weights go by their scores, as boolean masks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dst_repro.sparsity.masks import lowest

Count = Callable[[int], int]
"""Of so many weights, how many go."""

Select = Callable[[Tensor, Tensor, Count], Tensor]
"""(score, boolean mask of the candidates, count) -> boolean mask of those that go."""


def lowest_of_all(score: Tensor, among: Tensor, count: Count) -> Tensor:
    """The lowest scores among the candidates."""
    return lowest(score, among, count(int(among.sum())))


def nearest_zero_of_each_sign(weight: Tensor, among: Tensor, count: Count) -> Tensor:
    """The positive weights nearest zero, the negative ones nearest zero, each sign by its own count, and all that are
    exactly zero (Mocanu et al. 2018, algorithm 1).
    """
    chosen = among & (weight == 0)
    for sign in (among & (weight > 0), among & (weight < 0)):
        chosen |= lowest(weight.abs(), sign, count(int(sign.sum())))
    return chosen


def nearest_zero_of_both_signs(weight: Tensor, among: Tensor, count: Count) -> Tensor:
    """Half of the count, rounded up, of the positive weights nearest zero and as many negative ones, as far as a sign
    has so many, and all that are exactly zero (Nowak et al. 2023).
    """
    half = -(-count(int(among.sum())) // 2)
    size = weight.abs()
    return among & (weight == 0) | lowest(size, among & (weight > 0), half) | lowest(size, among & (weight < 0), half)


def negatives_but_the_largest(weight: Tensor, among: Tensor, count: Count) -> Tensor:
    """SET as the code of Nowak et al. (2023) and its relatives have it. With k half of the count, rounded up: the k
    positive weights nearest zero, all negative ones but the k - 1 farthest from zero, and all that are exactly zero.

    Of P positive and M negative weights M + 1 go, whatever the count is, as long as k <= P and k <= M. A sign that has
    fewer than k weights has its own number for k: all positive ones go, but of the negative ones only the one nearest
    zero. That code stops with an error where a layer has weights of one sign only; here they go by the same rule.
    Nothing goes where the count is zero.
    """
    half = -(-count(int(among.sum())) // 2)
    if half == 0:
        return among & False
    positive, negative = among & (weight > 0), among & (weight < 0)
    left = max(0, min(half, int(negative.sum())) - 1)
    gone = lowest(weight.abs(), negative, int(negative.sum()) - left)
    return among & (weight == 0) | lowest(weight.abs(), positive, half) | gone
