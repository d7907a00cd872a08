"""A Gaussian likelihood whose Gaussian effects are integrated out: its cost does not depend on the number of rows.

    y = D c + e,   e ~ N(0, σ²I),   c = m + M u,   u ~ N(0, I_q)

D (N × p) is data; its sums over the rows are taken once (`RowStatistics`). Of the columns D̃ = [y − D m, D M] (the residual,
and a column for each effect) the products N = D̃ᵀD̃ / σ² are (1 + q)² numbers, and with

    S = I + N₁₁,   û = S⁻¹N₁₀   the mode of the effects,

    log p(y) = −N/2 · log 2πσ² − |y − D(m + Mû)|² / (2σ²) − |û|²/2 − ½ log det S
    u | y    ~ N(û, S⁻¹)

No inverse of a prior covariance is taken: an effect whose prior scale is 0 is exact. The residual is taken at û, not as the
difference of two sums of squares that may be almost equal.
Source: the standard marginal of a linear Gaussian model; Lai, Sheldon & Domke (2024), arXiv 2410.24079.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from .rows import RowStatistics

Effects = Callable[[Tensor], tuple[dict[str, Tensor], list[Tensor]]]
"""From standard normals u (q,) to the effects by name, and the coefficients c, which are affine in u."""


class Collapsed(TorchDistribution):
    """The marginal of y (event shape (N,)): what the ways of integrating share.

    Args:
        size: q, the number of standard normals.
        rows: the statistics of the very y whose density is asked for; `log_prob` reads the rows nowhere else.
        scale: σ, a scalar.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - PyTorch's own form
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, size: int, rows: RowStatistics, scale: Tensor) -> None:
        self.size, self.rows, self.scale = size, rows, scale
        super().__init__(torch.Size(), torch.Size([rows.length]), validate_args=False)

    def deviance(self) -> Tensor:
        """|y − D(m + Mû)|²/σ² + |û|² + log det S."""
        raise NotImplementedError

    def posterior(self, noise: Tensor) -> dict[str, Tensor]:
        """The effects given y and everything sampled: one exact draw for standard normal `noise` (q,)."""
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(y), with the effects integrated out."""
        norm = self.rows.weight * (math.log(2 * math.pi) + 2 * torch.log(self.scale))
        return -0.5 * (norm + self.deviance()) - self.rows.log_scale

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Refused: the rows' design is not kept. Use the program that is not collapsed."""
        raise NotImplementedError("a collapsed likelihood keeps no rows: draw data from the plain program")


class CollapsedNormal(Collapsed):
    """By dense algebra: for few effects, or some hundreds.

    Args:
        effects: u ↦ (effects by name, [coefficients]); affine.
        size, rows, scale: as in `Collapsed`.
    """

    def __init__(self, effects: Effects, size: int, rows: RowStatistics, scale: Tensor) -> None:
        self.effects = effects
        super().__init__(size, rows, scale)

    def _coefficients(self, u: Tensor) -> Tensor:
        return torch.cat([part.reshape(-1) for part in self.effects(u)[1]])

    def _columns(self) -> Tensor:
        """D̃ in terms of D (1 + q, p + 1)."""
        basis = torch.eye(1 + self.size, dtype=self.rows.gram.dtype, device=self.rows.gram.device)[:, 1:]
        return columns_of(torch.func.vmap(self._coefficients)(basis), self.rows.reference)

    def deviance(self) -> Tensor:
        """As in `Collapsed`."""
        columns, precision = self._columns(), self.scale**-2
        factor, half = conditional(columns @ self.rows.gram @ columns.T * precision)
        mode = solve_transposed(factor, half)
        residual = columns[0] - mode @ columns[1:]
        fit = residual @ self.rows.gram @ residual * precision
        return fit + mode @ mode + 2 * torch.log(torch.diagonal(factor)).sum()

    def posterior(self, noise: Tensor) -> dict[str, Tensor]:
        """As in `Collapsed`."""
        columns = self._columns()
        factor, half = conditional(columns @ self.rows.gram @ columns.T * self.scale**-2)
        return self.effects(solve_transposed(factor, half + noise))[0]


def columns_of(values: Tensor, reference: Tensor) -> Tensor:
    """D̃ in terms of D and y − D c₀, from the coefficients at 0 and at each unit vector (1 + q, p): [c₀ − m, 1], [M, 0]."""
    shifted = torch.cat([reference - values[:1], values[1:] - values[:1]])
    last = torch.eye(len(values), 1, dtype=values.dtype, device=values.device)
    return torch.cat([shifted, last], 1)


def conditional(products: Tensor) -> tuple[Tensor, Tensor]:
    """L = chol S and L⁻¹N₁₀ from N (1 + q, 1 + q)."""
    identity = torch.eye(len(products) - 1, dtype=products.dtype, device=products.device)
    factor = torch.linalg.cholesky_ex(products[1:, 1:] + identity).L
    return factor, torch.linalg.solve_triangular(factor, products[1:, :1], upper=False)[:, 0]


def solve_transposed(factor: Tensor, right: Tensor) -> Tensor:
    """L⁻ᵀb: the mode from L⁻¹N₁₀, a draw with noise added."""
    solved: Tensor = torch.linalg.solve_triangular(factor.T, right[:, None], upper=True)[:, 0]
    return solved
