"""Writes into the array that is there, where nobody reads it any more; else into a copy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.native.gradient import LANES

from .compiling import Case, lowered, outputs

X = torch.tensor([0.5, -1.5, 2.0, 0.25], dtype=torch.float64)
FIRST, TWO = torch.tensor([0]), torch.tensor([1, 3])


def put(x: Tensor, places: Tensor, values: Tensor, accumulate: bool = False) -> Tensor:
    return torch.index_put(x, (places,), values, accumulate)


def chain(x: Tensor) -> Tensor:
    y = x.exp()
    for k in range(4):
        y = put(y, torch.tensor([k]), (y[k - 1] * x[k])[None])
    return y


def read_after(x: Tensor) -> tuple[Tensor, ...]:
    y = x.exp()
    written = put(y, FIRST, x[2:3])
    return written, y * 2


def read_through_a_view(x: Tensor) -> tuple[Tensor, ...]:
    y = x.exp()
    part = y[:2]
    return put(y, FIRST, x[2:3]), part + 1


def read_within_a_formula(x: Tensor) -> Tensor:
    y = x.exp()
    later = y + 1
    return put(y, FIRST, x[2:3]) * later


CASES: dict[str, Case] = {
    "again and again": (chain, [X]),
    "read after": (read_after, [X]),
    "read through a view": (read_through_a_view, [X]),
    "read within a formula": (read_within_a_formula, [X]),
    "its own values, turned": (lambda x: put(y := x.exp(), TWO, y[:2].flip(0)), [X]),
    "its own values, added": (lambda x: put(y := x.exp(), torch.tensor([1, 2, 3, 0]), y, True), [X]),
    "an input": (lambda x: (put(x, FIRST, x[3:] * 2), x + 1), [X]),
    "a constant": (lambda x: put(torch.ones(4).double(), TWO, x[:2]) + put(torch.ones(4).double(), FIRST, x[:1]), [X]),
    "spread": (lambda x: put((x[0].exp() * torch.ones(4).double()), TWO, x[:2]) + x, [X]),
    "added": (lambda x: put(put(x.exp(), TWO, x[:2], True), torch.tensor([1, 1]), x[2:], True), [X]),
}


@pytest.mark.parametrize("long", [0, 10**6])
@pytest.mark.parametrize("lanes", [1, LANES])
def test_what_is_read_is_what_was_there(lanes: int, long: int) -> None:
    for name, found in outputs(CASES, lanes, long).items():
        for arguments, results in found:
            wanted = CASES[name][0](*arguments)
            for got, exact in zip(results, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
                assert torch.allclose(got, exact, rtol=1e-14, atol=1e-14), name


def test_a_chain_of_writes_copies_nothing() -> None:
    """One array for what is written into, one for what is returned."""
    text = lowered(chain, [X], "f").text
    assert text.count("i0 < 4") == 2
