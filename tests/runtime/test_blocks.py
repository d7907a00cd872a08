"""Small matrices together, against LAPACK on each: written out, and beyond that size."""

from __future__ import annotations

import pytest
import torch

from mlmdsl.runtime import blocks


@pytest.mark.parametrize("size", [1, 2, 3, blocks.WRITTEN_OUT, blocks.WRITTEN_OUT + 1])
def test_factors_and_solutions(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    root = torch.randn(6, size, size + 2, generator=generator, dtype=torch.float64)
    matrices = root @ root.mT + torch.eye(size, dtype=torch.float64)
    right = torch.randn(3, 6, size, generator=generator, dtype=torch.float64)
    expected = torch.linalg.cholesky(matrices)
    factors = blocks.cholesky(matrices.permute(1, 2, 0))
    assert float(factors.log_det()) == pytest.approx(
        float(torch.linalg.slogdet(matrices).logabsdet.sum()) / 2, rel=1e-12
    )
    lower = factors.solve_lower(right.transpose(1, 2))
    upper = factors.solve_upper(right.transpose(1, 2))
    for found, matrix in ((lower, expected), (upper, expected.mT)):
        solution = torch.linalg.solve(matrix, right[..., None])[..., 0]
        torch.testing.assert_close(found.transpose(1, 2), solution, rtol=1e-10, atol=1e-10)
