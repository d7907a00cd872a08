"""Arrays that a loop fills: the record reads what was written, and only where that is what the array holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.graph import simplify
from mlmdsl.inference.record import by_autograd, record
from mlmdsl.runtime import set_index

Q = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
TURNS = 12


def recurrence(q: Tensor) -> Tensor:
    h = torch.zeros(TURNS, dtype=torch.float64)
    h = set_index(h, q[0], 0)
    total = q.sum() * 0
    for t in range(1, TURNS):
        h = set_index(h, q[1] * h[t - 1] + q[2], t)
        total = total + h[t].exp()
    return total


def overwritten(q: Tensor) -> Tensor:
    h = set_index(set_index(torch.ones(3).double(), q[0], 1), q[1], 1)
    older = set_index(h, q[2], 0)
    return (h[1] * older[1] * older[0] * h[0] * h[2]).exp()


def branched(q: Tensor) -> Tensor:
    h = set_index(torch.ones(3).double(), q[0], 0)
    left, right = set_index(h, q[1], 0), set_index(h, q[2], 0)
    return (left[0] * 2 + right[0] * 3 + h[0] * 5).exp()


def rows(q: Tensor) -> Tensor:
    h = torch.ones(4, 2).double()
    for t in range(1, 4):
        h = set_index(h, q[:2] * h[t - 1] + q[2], t)
    h = set_index(h, q[2], 2, 1)
    return (h[2] * h[3]).sum() + h[2, 1] * h[1, 0] + h[1:3, 0].sum() + h[-1, 0]


def slices(q: Tensor) -> Tensor:
    h = set_index(torch.zeros(6).double(), q, slice(1, 4))
    return (h[1:4] * 2).sum() + h[2:5].exp().sum() + h[1] * h[0] + h[1:4:2].sum()


def read_whole(q: Tensor) -> Tensor:
    h = torch.zeros(TURNS).double()
    for t in range(TURNS):
        h = set_index(h, q[0] * (h[t - 1] if t else q[1]), t)
    return h.exp().sum() + h[torch.tensor([3, 3, 1])].sum() + h[h.detach() > 10].sum()


def far_back(q: Tensor) -> Tensor:
    h = torch.zeros(200).double()
    for t in range(200):
        h = set_index(h, q[0] * t, t)
    return h[0] + h[3] * q[1] + h[199] * q[2]


@pytest.mark.parametrize("function", [recurrence, overwritten, branched, rows, slices, read_whole, far_back])
def test_the_record_is_the_function(function: Callable[[Tensor], Tensor]) -> None:
    graph = simplify(record(function, Q), [Q])
    for q in (Q, -Q, Q * 2 + 0.1):
        gradient, value = graph(q)
        wanted_gradient, wanted = by_autograd(function, q)
        assert torch.allclose(value, wanted, rtol=1e-13, atol=1e-13)
        assert torch.allclose(gradient, wanted_gradient, rtol=1e-13, atol=1e-13)


def test_a_recurrence_keeps_no_array() -> None:
    graph = simplify(record(recurrence, Q), [Q])
    assert not [node for node in graph.graph.nodes if "index" in str(node.target)]
