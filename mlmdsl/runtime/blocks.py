"""Linear algebra of many small matrices of one size, (q, q, J) with the number of matrices last.

LAPACK takes a call a matrix. Up to a size the elimination is written out instead: each step is one elementwise operation over all
J matrices, which is faster by far, and is differentiated and batched like any other.
"""

from __future__ import annotations

import torch
from torch import Tensor

WRITTEN_OUT = 8
"""The largest size whose elimination is written out: its steps grow as the cube."""


def cholesky(matrices: Tensor) -> Tensor:
    """The lower factors of symmetric positive definite matrices (q, q, J)."""
    size = len(matrices)
    if size > WRITTEN_OUT:
        return torch.linalg.cholesky_ex(matrices.permute(2, 0, 1)).L.permute(1, 2, 0)
    zero = torch.zeros_like(matrices[0, 0])
    factor: list[list[Tensor]] = [[zero] * size for _ in range(size)]
    for column in range(size):
        for row in range(column, size):
            rest = matrices[row, column]
            for k in range(column):
                rest = rest - factor[row][k] * factor[column][k]
            factor[row][column] = torch.sqrt(rest) if row == column else rest / factor[column][column]
    return torch.stack([torch.stack(row) for row in factor])


def solve_lower(factor: Tensor, right: Tensor) -> Tensor:
    """L⁻¹b for lower factors (q, q, J) and right sides (…, q, J)."""
    if len(factor) > WRITTEN_OUT:
        return _solved(factor, right, upper=False)
    solved: list[Tensor] = []
    for row in range(len(factor)):
        rest = right[..., row, :]
        for k, known in enumerate(solved):
            rest = rest - factor[row, k] * known
        solved.append(rest / factor[row, row])
    return torch.stack(solved, -2)


def solve_upper(factor: Tensor, right: Tensor) -> Tensor:
    """L⁻ᵀb for lower factors (q, q, J) and right sides (…, q, J)."""
    if len(factor) > WRITTEN_OUT:
        return _solved(factor.transpose(0, 1), right, upper=True)
    solved: list[Tensor] = []
    for row in reversed(range(len(factor))):
        rest = right[..., row, :]
        for k, known in enumerate(reversed(solved), start=row + 1):
            rest = rest - factor[k, row] * known
        solved.append(rest / factor[row, row])
    return torch.stack(solved[::-1], -2)


def _solved(factor: Tensor, right: Tensor, upper: bool) -> Tensor:
    columns = right.reshape(-1, *right.shape[-2:]).permute(2, 1, 0)
    solved = torch.linalg.solve_triangular(factor.permute(2, 0, 1), columns, upper=upper)
    return solved.permute(2, 1, 0).reshape(right.shape)
