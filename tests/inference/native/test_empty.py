"""Tensors without numbers: nothing of them is read, for they may lie nowhere."""

from __future__ import annotations

import pytest
import torch

from mlmdsl.inference.native.gradient import LANES, pointers

from .compiling import Case, lowered, outputs

X = torch.tensor([0.5, -1.5, 2.0], dtype=torch.float64)
NONE = torch.empty(0, dtype=torch.float64)
FLAT = torch.empty(2, 0, dtype=torch.float64)
PLACES = torch.empty(0, dtype=torch.int64)

CASES: dict[str, Case] = {
    "a constant divided by one number": (lambda x: (NONE / x[:1]).sum() + x, [X]),
    "a constant of a constant's size": (lambda x: x * (NONE.exp() * x[0]).sum(), [X]),
    "one number spread over none": (lambda x: torch.log(NONE + x[1] + 1).sum() + x, [X]),
    "an empty part": (lambda x: x[3:].exp().sum() + x, [X]),
    "joined": (lambda x: torch.cat([x[3:], x, NONE * x[0]]), [X]),
    "a product over nothing": (
        lambda x: (x[:2, None] * torch.empty(2, 0).double()) @ torch.empty(0, 3).double() + x,
        [X],
    ),
    "a product that has no columns": (lambda x: (x[:2] @ FLAT).sum() + x, [X]),
    "sums over nothing": (lambda x: (FLAT + x[0]).sum(1).sum() + x.sum(), [X]),
    "read at no places": (lambda x: x[PLACES].sum() + x, [X]),
    "put at no places": (lambda x: x.index_put([PLACES], NONE * x[0], accumulate=True), [X]),
    "a factor of nothing": (lambda x: torch.linalg.cholesky(torch.empty(0, 0).double() * x[0]).sum() + x, [X]),
    "scanned": (lambda x: x[3:].cumsum(0).sum() + x, [X]),
    "an input": (lambda x, y: (x[:1] * y).sum() + x, [X, NONE]),
}


@pytest.mark.parametrize("lanes", [1, LANES])
def test_tensors_without_numbers(lanes: int) -> None:
    for name, found in outputs(CASES, lanes).items():
        for arguments, results in found:
            wanted = CASES[name][0](*arguments)
            assert torch.allclose(results[0], wanted, rtol=1e-14, atol=1e-14), name


def test_nothing_is_computed_for_them() -> None:
    assert "log(" not in lowered(lambda x: torch.log(NONE * x[0] + 1).sum() * 0 + x, [X], "f").text


def test_no_tensor_lies_at_0() -> None:
    assert all(pointers([NONE, FLAT, X]))
