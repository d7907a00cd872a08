"""The shape of the posterior, learned in warm-up, and the coordinates in which it is round.

The sampler moves x with q = L x, where L Lᵀ = M⁻¹ is the metric: in these coordinates the mass matrix is the
identity, and every dot product of momenta is plain. L is a vector (diagonal metric) or a lower triangle (dense).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmdsl.inference.potential import GradientAndValue

DENSE_LIMIT = 200
"""Dimension up to which a dense metric is considered."""
DRAWS_PER_DIMENSION = 5
"""Pooled draws that a dense metric needs for each dimension; with fewer it is diagonal."""


@dataclass(frozen=True)
class Metric:
    """L of q = L x: shape (D,) for a diagonal metric, (D, D) lower triangular for a dense one."""

    factor: Tensor

    @property
    def dense(self) -> bool:
        return self.factor.ndim == 2

    def position(self, x: Tensor) -> Tensor:
        """q = L x for rows x (chain, D)."""
        return x @ self.factor.mT if self.dense else x * self.factor

    def whitened(self, q: Tensor) -> Tensor:
        """x = L⁻¹ q for rows q (chain, D)."""
        if not self.dense:
            return q / self.factor
        solved: Tensor = torch.linalg.solve_triangular(self.factor, q.mT, upper=False)
        return solved.mT

    def pulled(self, gradient: Tensor) -> Tensor:
        """∂U/∂x = Lᵀ ∂U/∂q for rows (chain, D)."""
        return gradient @ self.factor if self.dense else gradient * self.factor

    def pushed(self, gradient: Tensor) -> Tensor:
        """∂U/∂q = L⁻ᵀ ∂U/∂x for rows (chain, D)."""
        if not self.dense:
            return gradient / self.factor
        solved: Tensor = torch.linalg.solve_triangular(self.factor, gradient, upper=False, left=False)
        return solved

    def whiten(self, evaluate: GradientAndValue) -> GradientAndValue:
        """The potential as a function of x."""

        def whitened(x: Tensor) -> tuple[Tensor, Tensor]:
            gradient, value = evaluate(self.position(x))
            return self.pulled(gradient), value

        return whitened


def unit_metric(dim: int, like: Tensor) -> Metric:
    """The metric before anything is known."""
    return Metric(torch.ones(dim, dtype=like.dtype, device=like.device))


def estimate_metric(q: Tensor, gradient: Tensor) -> Metric | None:
    """The metric that makes draws q (n, D) with gradients ∇U (n, D) round; None where the draws cannot tell.

    For a Gaussian the covariance of q and the inverse covariance of ∇U are the same matrix. The estimate is their
    geometric mean, which minimises the Fisher divergence to a standard normal (Seyboldt, Carlson & Carpenter 2026,
    arXiv 2603.18845): it needs fewer draws than the covariance alone, and a long tail of q in a flat direction is
    balanced by its small gradients.
    """
    n, dim = q.shape
    q, gradient = q - q.mean(0), gradient - gradient.mean(0)
    spread = (q.square().mean(0) / gradient.square().mean(0)).pow(0.25)
    if n < 4 or not torch.isfinite(spread).all() or not (spread > 0).all():
        return None
    if dim > DENSE_LIMIT or n < DRAWS_PER_DIMENSION * dim or dim == 1:
        return Metric(spread)
    dense = _geometric_mean(_shrunk_covariance(q / spread), _shrunk_covariance(gradient * spread))
    factor, info = torch.linalg.cholesky_ex(spread[:, None] * dense * spread)
    return Metric(factor) if int(info) == 0 and bool(torch.isfinite(factor).all()) else Metric(spread)


def _shrunk_covariance(rows: Tensor) -> Tensor:
    """The covariance of centred rows (n, D) with correlations shrunk by n / (n + D): well conditioned for any n."""
    n, dim = rows.shape
    covariance = rows.mT @ rows / n
    diagonal = torch.diag(covariance.diagonal())
    return diagonal + (covariance - diagonal) * (n / (n + dim))


def _geometric_mean(covariance: Tensor, precision: Tensor) -> Tensor:
    """A # B⁻¹ = B^(−1/2) (B^(1/2) A B^(1/2))^(1/2) B^(−1/2) for A = covariance, B = precision."""
    root, inverse_root = _power(precision, 0.5), _power(precision, -0.5)
    return inverse_root @ _power(root @ covariance @ root, 0.5) @ inverse_root


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    floor = values[-1:].clamp(min=0) * torch.finfo(matrix.dtype).eps
    powered: Tensor = (vectors * torch.maximum(values, floor).pow(exponent)) @ vectors.mT
    return powered
