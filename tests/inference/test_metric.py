"""Coordinates and their inverses; what is learned from Gaussian draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.metric import DENSE_LIMIT, Metric, estimate_metric, unit_metric


def covariance(dim: int, seed: int = 0) -> Tensor:
    root = torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    scale = torch.logspace(-3, 3, dim, dtype=torch.float64)
    return scale[:, None] * (root @ root.mT / dim + 0.1 * torch.eye(dim, dtype=torch.float64)) * scale


def gaussian_draws(sigma: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Draws of N(0, Σ) and ∇U = Σ⁻¹ q."""
    z = torch.randn(n, len(sigma), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    q = z @ torch.linalg.cholesky(sigma).mT
    return q, torch.linalg.solve(sigma, q.mT).mT


METRICS = [
    Metric(torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)),
    Metric(torch.linalg.cholesky(covariance(3))),
]


@pytest.mark.parametrize("metric", METRICS, ids=["diagonal", "dense"])
def test_positions_and_gradients_go_there_and_back(metric: Metric) -> None:
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(metric.whitened(metric.position(x)), x, rtol=1e-9)
    assert torch.allclose(metric.pulled(metric.pushed(x)), x, rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=["diagonal", "dense"])
def test_the_whitened_gradient_is_the_gradient_of_the_whitened_potential(metric: Metric) -> None:
    def potential(q: Tensor) -> tuple[Tensor, Tensor]:
        return q.pow(3), q.pow(4).sum(1) / 4

    x = torch.randn(1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    gradient, value = metric.whiten(potential)(x)
    (wanted,) = torch.autograd.grad(value.sum(), x)
    assert torch.allclose(gradient, wanted, rtol=1e-10)


def test_a_gaussian_becomes_round_under_its_estimated_metric() -> None:
    sigma = covariance(6)
    metric = estimate_metric(*gaussian_draws(sigma, 2000))
    assert metric is not None
    assert metric.dense
    inverse = torch.linalg.inv(metric.factor)
    eigenvalues = torch.linalg.eigvalsh(inverse @ sigma @ inverse.mT)
    # shrinkage by D/(n + D) = 0.3 % of correlations with a condition number under 100 moves an eigenvalue by under 30 %
    assert float(eigenvalues.min()) > 0.7
    assert float(eigenvalues.max()) < 1.4


@pytest.mark.parametrize(("dim", "n"), [(6, 20), (DENSE_LIMIT + 1, 2000)], ids=["few draws", "many dimensions"])
def test_the_metric_is_diagonal_where_draws_do_not_carry_a_dense_one(dim: int, n: int) -> None:
    scale = torch.logspace(-2, 2, dim, dtype=torch.float64)
    metric = estimate_metric(*gaussian_draws(torch.diag(scale**2), n))
    assert metric is not None
    assert not metric.dense
    # sd(q)/sd(∇U) is exactly σ² for every draw of a diagonal Gaussian
    assert torch.allclose(metric.factor, scale, rtol=1e-9)


def test_draws_that_do_not_move_teach_nothing() -> None:
    still = torch.ones(50, 3, dtype=torch.float64)
    assert estimate_metric(still, still) is None


def test_the_first_metric_is_the_unit() -> None:
    metric = unit_metric(3, torch.empty(0, dtype=torch.float32))
    x = torch.randn(2, 3)
    assert metric.factor.dtype == torch.float32
    assert torch.equal(metric.position(x), x)
