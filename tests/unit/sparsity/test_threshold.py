"""The step function and its estimator, against the formulas of Liu et al. 2020 worked out in float64."""

from __future__ import annotations

import functools

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from dst_repro.machine.compilation import Compiled
from dst_repro.sparsity.threshold import (
    as_matrix,
    differentiate,
    long_tailed,
    mask_weights,
    step,
    straight_through,
    triangular,
)

SHAPES = [(7, 11), (4, 3, 5, 5)]


def h(x: float) -> float:
    """Eq. 3, by cases."""
    if abs(x) <= 0.4:
        return 2 - 4 * abs(x)
    return 0.4 if abs(x) <= 1 else 0.0


def surrogate(x: float) -> float:
    """The smooth function whose derivative is H: its integral from -1."""
    return quad(h, -1.0, min(x, 1.0), points=[-0.4, 0.0, 0.4], limit=200)[0] if x > -1 else 0.0


def case(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, one threshold a row, and a gradient from above; |Q| falls into every branch of H."""
    rng = torch.Generator().manual_seed(1)
    weight = torch.randn(shape, generator=rng, dtype=dtype)
    threshold = torch.rand(shape[0], generator=rng, dtype=dtype) * 1.5 - 0.3
    return weight, threshold, torch.randn(shape, generator=rng, dtype=dtype)


def gradients(
    weight: Tensor, threshold: Tensor, above: Tensor, closed: bool = True, compiled: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """(result, gradient of the weight, gradient of the threshold) of the code under test, alpha = 0."""
    masked, gradient = torch.empty_like(weight), above.clone(memory_format=torch.preserve_format)
    if weight.dim() == 4 and not weight.is_contiguous():
        gradient = gradient.contiguous(memory_format=torch.channels_last)
    matrices = [as_matrix(weight)], [threshold.view(-1, 1)]
    Compiled(functools.partial(mask_weights, closed=closed), compiled)(*matrices, [as_matrix(masked)])
    alpha = torch.tensor(0.0, dtype=weight.dtype)
    function = functools.partial(differentiate, closed=closed, estimator=long_tailed)
    (found,) = Compiled(function, compiled)(*matrices, [as_matrix(gradient)], alpha)
    return masked, gradient, found.view(-1)


@pytest.mark.parametrize(
    ("x", "expected"),
    [(0, 2), (0.1, 1.6), (-0.1, 1.6), (0.25, 1), (0.4, 0.4), (-0.4, 0.4), (0.7, 0.4), (-1, 0.4), (1, 0.4), (1.001, 0)],
)
def test_estimator_at_hand_picked_points(x: float, expected: float) -> None:
    assert float(long_tailed(torch.tensor([x], dtype=torch.float64))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "straight", "triangle"), [(0, 1, 2), (-0.25, 1, 1), (0.5, 1, 0), (0.75, 1, 0), (-1, 1, 0), (1.001, 0, 0)]
)
def test_other_estimators_at_hand_picked_points(x: float, straight: float, triangle: float) -> None:
    point = torch.tensor([x], dtype=torch.float64)
    assert float(straight_through(point)) == straight
    assert float(triangular(point)) == pytest.approx(triangle, abs=1e-12)


def test_estimator_integrates_to_1_44() -> None:
    x = torch.linspace(-1, 1, 200_001, dtype=torch.float64)
    assert float(torch.trapezoid(long_tailed(x), x)) == pytest.approx(1.44, abs=1e-6)


@pytest.mark.parametrize(("closed", "kept"), [(True, [True, True, False]), (False, [True, False, False])])
def test_step_at_zero(closed: bool, kept: list[bool]) -> None:
    """Fig. 2 draws S(0) = 1, the released code has S(0) = 0."""
    weight, threshold = torch.tensor([[0.75, 0.5, 0.25]]), torch.tensor([0.5])
    assert step(weight.abs(), threshold, closed).tolist() == [kept]
    out, counted = torch.empty(2, 3), [torch.cat([weight, -weight])]
    assert mask_weights(counted, [threshold.expand(2).view(2, 1)], [out], closed).tolist() == [2 * sum(kept)]
    assert out.bool().tolist() == [kept, kept]


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_masks_each_row_by_its_own_threshold(shape: tuple[int, ...]) -> None:
    weight, threshold, above = case(shape)
    out, _, _ = gradients(weight, threshold, above)
    for w, y, row in zip(weight.flatten(1), out.flatten(1), range(shape[0]), strict=True):
        expected = [float(v) if abs(float(v)) >= float(threshold[row]) else 0.0 for v in w]
        assert y.tolist() == expected


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_the_formulas(shape: tuple[int, ...], dtype: torch.dtype, compiled: bool) -> None:
    weight, threshold, above = case(shape, dtype)
    _, for_weight, for_threshold = gradients(weight, threshold, above, compiled=compiled)
    for row in range(shape[0]):
        total = 0.0
        for w, g, found in zip(
            weight[row].flatten().tolist(), above[row].flatten().tolist(), for_weight[row].flatten(), strict=True
        ):
            q = abs(w) - float(threshold[row])
            assert float(found) == pytest.approx(g * (q >= 0) + g * abs(w) * h(q), rel=1e-5, abs=1e-6)
            total -= g * w * h(q)
        assert float(for_threshold[row]) == pytest.approx(total, rel=1e-5, abs=1e-5)


def test_gradients_agree_with_the_difference_of_the_smooth_surrogate() -> None:
    """With S~ the integral of H: d(W*S~)/dt is the gradient of t, and d(W*S~)/dW - S~ the structure part of W's."""
    weight, threshold, above = case((3, 6))
    _, for_weight, for_threshold = gradients(weight, threshold, above)
    step = 1e-6

    def layer(w: float, t: float) -> float:
        return w * surrogate(abs(w) - t)

    for row in range(3):
        t, total = float(threshold[row]), 0.0
        for column in range(6):
            w, g = float(weight[row, column]), float(above[row, column])
            total += g * (layer(w, t + step) - layer(w, t - step)) / (2 * step)
            structure = (layer(w + step, t) - layer(w - step, t)) / (2 * step) - surrogate(abs(w) - t)
            kept = abs(w) >= t
            assert float(for_weight[row, column]) == pytest.approx(g * kept + g * structure, abs=1e-4)
        assert float(for_threshold[row]) == pytest.approx(total, abs=1e-4)


def test_gradient_does_not_depend_on_the_memory_format() -> None:
    weight, threshold, above = case((4, 3, 5, 5), torch.float32)
    plain = gradients(weight, threshold, above)
    turned = gradients(weight.to(memory_format=torch.channels_last), threshold, above)
    assert torch.equal(plain[0], turned[0])
    assert torch.equal(plain[1], turned[1])
    assert torch.allclose(plain[2], turned[2], atol=1e-6)


def test_masked_weight_learns_and_can_recover() -> None:
    """w = 0.3 under t = 0.5 is masked: its gradient is g*|w|*H(-0.2) = -1 * 0.3 * 1.2, and descent brings it back."""
    weight, threshold = torch.tensor([[0.3]]), torch.tensor([0.5])
    above = torch.tensor([[-1.0]])  # the loss falls when the product grows
    out, for_weight, _ = gradients(weight, threshold, above)
    assert float(out) == 0
    assert float(for_weight) == pytest.approx(-0.36)
    assert step((weight - 1.0 * for_weight).abs(), threshold, True).item()


def test_beyond_one_only_the_performance_gradient_is_left() -> None:
    out, for_weight, for_threshold = gradients(
        torch.tensor([[2.0, 0.1]]), torch.tensor([-1.5]), torch.tensor([[3.0, 5]])
    )
    assert out.tolist() == [[2.0, pytest.approx(0.1)]]
    assert for_weight.tolist() == [[3.0, 5.0]]
    assert for_threshold.tolist() == [0.0]


def test_regularisation_pulls_thresholds_up() -> None:
    """-alpha * exp(-t): at t = 0 and t = ln 2, with nothing from above."""
    weights, limits = [torch.zeros(2, 3)], [torch.tensor([[0.0], [0.6931472]])]
    (found,) = differentiate(weights, limits, [torch.zeros(2, 3)], torch.tensor(0.1), True, long_tailed)
    assert found.flatten().tolist() == pytest.approx([-0.1, -0.05])


@pytest.mark.parametrize("compiled", [False, True])
def test_nan_counts_as_pruned_but_is_not_hidden(compiled: bool) -> None:
    """NaN > 0 is false: such a layer counts as empty. The product stays NaN, so that the run is seen to diverge."""
    weight, out = torch.full((2, 2), torch.nan), torch.empty(2, 2)
    function = Compiled(functools.partial(mask_weights, closed=True), compiled)
    assert function([weight], [torch.zeros(2, 1)], [out]).tolist() == [0]
    assert out.isnan().all()


@pytest.mark.parametrize("shape", [(20, 1, 5, 5), (6, 4, 1, 1), (4, 3, 5, 5), (7, 11)])
def test_matrix_is_a_view_in_the_order_of_memory(shape: tuple[int, ...]) -> None:
    x = torch.arange(float(torch.Size(shape).numel())).view(shape)
    for turned in [x, x.to(memory_format=torch.channels_last)] if len(shape) == 4 else [x]:
        matrix = as_matrix(turned)
        assert matrix.shape == (shape[0], x[0].numel())
        assert matrix.data_ptr() == turned.data_ptr()
        assert matrix.is_contiguous()
        for row, filter_ in zip(matrix, x, strict=True):
            assert sorted(row.tolist()) == filter_.flatten().tolist()
