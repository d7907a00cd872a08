"""Effects of many groups integrated out by block elimination: the cost of a gradient is linear in the number of groups.

    c = m + M u               coefficients that all rows share, of the dense effects u (q,) alone
    c_j = m_j + A_j u + T_j v_j   coefficients of group j, of u and of its own effects v_j (s,)

With D̃ as in `collapsed` (the residual first, then a column for each of u), and D̃_j those of the groups' columns, everything
follows from products of columns. With σ = 1 for short:

    B_j = I + T_jᵀG_jT_j = L_jL_jᵀ,   K_j = T_jᵀ(the products of group j's columns with D̃),   V_j = L_j⁻¹K_j
    N = D̃ᵀD̃ − Σ_j V_jᵀV_j

From N follow û and S as in `collapsed`, v̂_j = L_j⁻ᵀ(V_j0 − V_j1 û), and log det = log det S + Σ_j log det B_j.
Tensors have the number of groups J last: what is done for each group is elementwise over all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import Factors, cholesky
from .collapsed import Collapsed, columns_of, conditional, solve_transposed
from .rows import GroupStatistics

GroupedEffects = Callable[[Tensor, Tensor], tuple[dict[str, Tensor], list[Tensor], list[Tensor]]]
"""From standard normals u (q,) and v (s, J) to the effects by name, the coefficients, and those of the groups (…, J)."""


class _Linear(NamedTuple):
    """D̃ in terms of D (1 + q, p + 1) and of each group's columns (1 + q, g, J); T (s, g, J)."""

    dense: Tensor
    grouped: Tensor
    own: Tensor


class _Solved(NamedTuple):
    """The coefficients; factors L (q, q) and L_j (s, s, J); L⁻¹N₁₀ (q,); V (1 + q, s, J)."""

    linear: _Linear
    factor: Tensor
    factors: Factors
    half: Tensor
    reduced: Tensor

    def effects(self, u: Tensor) -> Tensor:
        """L_jᵀ(v̂_j given u), (s, J)."""
        shift: Tensor = torch.tensordot(u, self.reduced[1:], 1)
        return self.reduced[0] - shift


class GroupedNormal(Collapsed):
    """The marginal of y (event shape (N,)) as in the module's docstring.

    Args:
        effects: (u, v) ↦ (effects by name, [coefficients], [coefficients of the groups, which are last]); affine.
        sizes: (q, s): the number of dense standard normals, and that of each group.
        groups: the statistics of the very y whose density is asked for.
        scale: σ, a scalar.
    """

    def __init__(self, effects: GroupedEffects, sizes: tuple[int, int], groups: GroupStatistics, scale: Tensor) -> None:
        self.effects, self.sizes, self.groups = effects, sizes, groups
        self.number = groups.within.shape[-1]
        super().__init__(sizes[0] + sizes[1] * self.number, groups.rows, scale)

    def _coefficients(self, u: Tensor, each: Tensor) -> tuple[Tensor, Tensor]:
        """c (p,) and those of the groups (g, J), for u and for v the same in all groups."""
        _, dense, grouped = self.effects(u, each[:, None].expand(-1, self.number))
        flat = torch.cat([part.reshape(-1) for part in dense]) if dense else u.new_zeros(0)
        return flat, torch.cat([part.reshape(-1, self.number) for part in grouped])

    def _linear(self) -> _Linear:
        rows, (dense, own) = self.groups.rows, self.sizes
        basis = torch.eye(1 + dense + own, dtype=rows.gram.dtype, device=rows.gram.device)[:, 1:]
        shared, grouped = torch.func.vmap(self._coefficients)(basis[:, :dense], basis[:, dense:])
        first = grouped[:1]
        columns = torch.cat([self.groups.reference[:, None] - first, grouped[1 : 1 + dense] - first])
        return _Linear(columns_of(shared[: 1 + dense], rows.reference), columns, grouped[1 + dense :] - first)

    def _solved(self) -> _Solved:
        linear, precision = self._linear(), self.scale**-2
        gram, (between, within, _) = self.groups.rows.gram, self.groups[1:]
        count, width = len(linear.dense), len(within) * self.number
        own = linear.own
        # the products of dense columns, then of all of D̃, with each group's columns: (1 + q, g, J)
        across = (linear.dense @ between.reshape(len(gram), width)).reshape(count, -1, self.number)
        whole = across + (linear.grouped[:, :, None] * within).sum(1)
        flat = linear.grouped.reshape(count, width)
        products = linear.dense @ gram @ linear.dense.T
        products = products + across.reshape(count, width) @ flat.T + flat @ whole.reshape(count, width).T
        weighted = (own[:, :, None] * within).sum(1)
        identity = torch.eye(len(own), dtype=own.dtype, device=own.device)[:, :, None]
        factors = cholesky(identity + (weighted[:, None] * own).sum(2) * precision)
        reduced = factors.solve_lower((own * whole[:, None]).sum(2) * precision)
        flat_reduced = reduced.reshape(count, -1)
        factor, half = conditional(products * precision - flat_reduced @ flat_reduced.T)
        return _Solved(linear, factor, factors, half, reduced)

    def _residual(self, linear: _Linear, u: Tensor, v: Tensor) -> Tensor:
        """|y − D c|² at an effect."""
        dense = linear.dense[0] - u @ linear.dense[1:]
        grouped = linear.grouped[0] - torch.tensordot(u, linear.grouped[1:], 1) - (v[:, None] * linear.own).sum(0)
        gram, (between, within, _) = self.groups.rows.gram, self.groups[1:]
        across = 2 * torch.tensordot(dense, between, 1) + (within * grouped).sum(1)
        total: Tensor = dense @ gram @ dense + (across * grouped).sum()
        return total

    def deviance(self) -> Tensor:
        """As in `Collapsed`."""
        solved = self._solved()
        u = solve_transposed(solved.factor, solved.half)
        v = solved.factors.solve_upper(solved.effects(u))
        log_det = torch.log(torch.diagonal(solved.factor)).sum() + solved.factors.log_det()
        return self._residual(solved.linear, u, v) * self.scale**-2 + u @ u + (v**2).sum() + 2 * log_det

    def posterior(self, noise: Tensor) -> dict[str, Tensor]:
        """As in `Collapsed`: the dense effects from their marginal, then the groups' given those."""
        solved, dense = self._solved(), self.sizes[0]
        u = solve_transposed(solved.factor, solved.half + noise[:dense])
        v = solved.factors.solve_upper(solved.effects(u) + noise[dense:].reshape(-1, self.number))
        return self.effects(u, v)[0]
