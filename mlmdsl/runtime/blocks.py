"""Cholesky factors of many small matrices of one size, (q, q, J) with the number of matrices last.

LAPACK takes a call a matrix. Up to a size the elimination is written out instead: each step is one elementwise operation over all
J matrices, which is faster by far, and is differentiated and batched like any other.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

WRITTEN_OUT = 8
"""The largest size whose elimination is written out: its steps grow as the cube."""


class Factors(Protocol):
    """Lower factors L of symmetric positive definite matrices."""

    def solve_lower(self, right: Tensor) -> Tensor:
        """L⁻¹b for right sides (…, q, J)."""

    def solve_upper(self, right: Tensor) -> Tensor:
        """L⁻ᵀb for right sides (…, q, J)."""

    def log_det(self) -> Tensor:
        """Σ log det L, of all matrices."""


def cholesky(matrices: Tensor) -> Factors:
    """The factors of matrices (q, q, J)."""
    return _WrittenOut(matrices) if len(matrices) <= WRITTEN_OUT else _Batched(matrices)


class _WrittenOut:
    """`rows[i][k]` (J,) are the entries L_ik of all matrices, k ≤ i."""

    def __init__(self, matrices: Tensor) -> None:
        self.rows: list[list[Tensor]] = []
        for i in range(len(matrices)):
            row: list[Tensor] = []
            for k in range(i):
                above = self.rows[k]
                row.append(_less(matrices[i, k], row, above[:k]) / above[k])
            self.rows.append([*row, torch.sqrt(_less(matrices[i, i], row, row))])

    def solve_lower(self, right: Tensor) -> Tensor:
        solved: list[Tensor] = []
        for i, row in enumerate(self.rows):
            solved.append(_less(right[..., i, :], row[:i], solved) / row[i])
        return torch.stack(solved, -2)

    def solve_upper(self, right: Tensor) -> Tensor:
        solved: list[Tensor] = []
        for i in reversed(range(len(self.rows))):
            below = [row[i] for row in self.rows[i + 1 :]]
            solved.insert(0, _less(right[..., i, :], below, solved) / self.rows[i][i])
        return torch.stack(solved, -2)

    def log_det(self) -> Tensor:
        return torch.stack([torch.log(row[-1]).sum() for row in self.rows]).sum()


def _less(start: Tensor, left: list[Tensor], right: list[Tensor]) -> Tensor:
    """start − Σ left·right."""
    for a, b in zip(left, right, strict=True):
        start = start - a * b
    return start


class _Batched:
    """`lower` (J, q, q)."""

    def __init__(self, matrices: Tensor) -> None:
        self.lower = torch.linalg.cholesky_ex(matrices.permute(2, 0, 1)).L

    def solve_lower(self, right: Tensor) -> Tensor:
        return self._solved(self.lower, right, upper=False)

    def solve_upper(self, right: Tensor) -> Tensor:
        return self._solved(self.lower.mT, right, upper=True)

    def _solved(self, factor: Tensor, right: Tensor, upper: bool) -> Tensor:
        columns = right.reshape(-1, *right.shape[-2:]).permute(2, 1, 0)
        solved: Tensor = torch.linalg.solve_triangular(factor, columns, upper=upper)
        return solved.permute(2, 1, 0).reshape(right.shape)

    def log_det(self) -> Tensor:
        return torch.log(torch.diagonal(self.lower, dim1=1, dim2=2)).sum()
