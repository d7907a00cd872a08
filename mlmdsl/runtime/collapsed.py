"""A Gaussian likelihood whose Gaussian effects are integrated out: its cost does not depend on the number of rows.

    y = D c + e,   e ~ N(0, σ²I),   c = m + M u,   u ~ N(0, I_q)

D (N × p) is data. With G = DᵀD, h = Dᵀy and s = yᵀy computed once (`RowStatistics`), and

    B = I + MᵀG M / σ²,   w = Mᵀ(h − G m) / σ²,   r = s − 2 mᵀh + mᵀG m,

    log p(y) = −N/2 · log 2πσ² − r / (2σ²) + ½ wᵀB⁻¹w − ½ log det B
    u | y    ~ N(B⁻¹w, B⁻¹)

No inverse of a prior covariance is taken: an effect whose prior scale is 0 is exact.
Source: the standard marginal of a linear Gaussian model; Lai, Sheldon & Domke (2024), arXiv 2410.24079.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

Effects = Callable[[Tensor], tuple[dict[str, Tensor], list[Tensor]]]
"""From standard normals u (q,) to the effects by name, and the coefficients c, which are affine in u."""


class RowStatistics(NamedTuple):
    """All that the likelihood needs of the rows: G = DᵀD (p, p), h = Dᵀy (p,), s = yᵀy, and their number N.

    Rows with known scales sᵢ are divided by them; `log_scale` is Σ log sᵢ.
    """

    gram: Tensor
    cross: Tensor
    square: Tensor
    length: int
    log_scale: Tensor


def design(
    count: int, dense: Tensor | None = None, picks: Sequence[tuple[Tensor, int]] = (), scale: Tensor | None = None
) -> Tensor:
    """The columns of D for one term: scale[i] · X[i, k] · 1[j(i) = j], shape (N, k·J₁·J₂…).

    `picks` are 1-based indices (N,) with the number of levels.
    """
    like = next((part for part in (dense, scale) if part is not None), None)
    dtype = like.dtype if like is not None else torch.float64
    columns = dense if dense is not None else torch.ones(count, 1, dtype=dtype)
    for index, size in picks:
        chosen = torch.nn.functional.one_hot(index.long() - 1, size).to(dtype)
        columns = (columns[:, :, None] * chosen[:, None, :]).flatten(1)
    return columns if scale is None else columns * scale[:, None]


def row_statistics(y: Tensor, designs: Sequence[Tensor], scale: Tensor | None = None) -> RowStatistics:
    """G, h and s of the rows, for D = [D₁ D₂ …]; `scale` (N,): a known scale of each row, or one for all."""
    whole = torch.cat([part.to(y.dtype) for part in designs], 1)
    each = torch.ones_like(y) if scale is None else scale.to(y.dtype).expand(len(y))
    whole, scaled = whole / each[:, None], y / each
    return RowStatistics(whole.T @ whole, whole.T @ scaled, scaled @ scaled, len(y), torch.log(each).sum())


class CollapsedNormal(TorchDistribution):
    """The marginal of y (event shape (N,)) as in the module's docstring.

    Args:
        effects: u ↦ (effects by name, [coefficients]); affine.
        size: q, the number of standard normals.
        rows: the statistics of the very y whose density is asked for; `log_prob` reads the rows nowhere else.
        scale: σ, a scalar.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - PyTorch's own form
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, effects: Effects, size: int, rows: RowStatistics, scale: Tensor) -> None:
        self.effects, self.size, self.rows, self.scale = effects, size, rows, scale
        super().__init__(torch.Size(), torch.Size([rows.length]), validate_args=False)

    def _coefficients(self, u: Tensor) -> Tensor:
        return torch.cat([part.reshape(-1) for part in self.effects(u)[1]])

    def _linear(self) -> tuple[Tensor, Tensor]:
        """m (p,) and M (p, q)."""
        like = self.rows.gram
        basis = torch.eye(self.size, dtype=like.dtype, device=like.device)
        points = torch.cat([torch.zeros_like(basis[:1]), basis])
        values = torch.func.vmap(self._coefficients)(points)
        return values[0], (values[1:] - values[0]).T

    def _solved(self) -> tuple[Tensor, Tensor, Tensor]:
        """L = chol B, L⁻¹w, and r."""
        mean, spread = self._linear()
        gram, cross, square, _, _ = self.rows
        variance = self.scale**2
        precision = spread.T @ gram @ spread / variance + torch.eye(self.size, dtype=gram.dtype, device=gram.device)
        factor = torch.linalg.cholesky_ex(precision).L
        weight = spread.T @ (cross - gram @ mean) / variance
        residual = square - 2 * mean @ cross + mean @ gram @ mean
        return factor, torch.linalg.solve_triangular(factor, weight[:, None], upper=False)[:, 0], residual

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(y), with the effects integrated out."""
        factor, half, residual = self._solved()
        variance = self.scale**2
        norm = self.rows.length * (math.log(2 * math.pi) + torch.log(variance))
        log_det = 2 * torch.log(torch.diagonal(factor)).sum()
        return -0.5 * (norm + residual / variance - half @ half + log_det) - self.rows.log_scale

    def posterior(self, noise: Tensor) -> dict[str, Tensor]:
        """The effects given y and everything sampled: one exact draw for standard normal `noise` (q,)."""
        factor, half, _ = self._solved()
        u = torch.linalg.solve_triangular(factor.T, (half + noise)[:, None], upper=True)[:, 0]
        return self.effects(u)[0]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Refused: the rows' design is not kept. Use the program that is not collapsed."""
        raise NotImplementedError("a collapsed likelihood keeps no rows: draw data from the plain program")
