"""Each simplification on a graph made for it; values must not change by a bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl.inference.graph import count_operations, simplify

X = torch.arange(6, dtype=torch.float64).reshape(2, 3) / 7
DATA = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)
MASK = torch.tensor([True, False, True])

CASES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "terms of data alone are computed once": (lambda x: x + DATA.log().sum().exp(), 1),
    "shapes alone decide zeros and ones": (lambda x: torch.ones_like(x) * 2 - x, 1),
    "a factor of one is dropped": (lambda x: (x * torch.ones(3, dtype=x.dtype)).sin(), 1),
    "a term of zero is dropped": (lambda x: (x + torch.zeros(3, dtype=x.dtype)).sin(), 1),
    "copies and views to the same shape are dropped": (lambda x: x.clone().view(2, 3).expand(2, 3).exp(), 1),
    "a sum over one element is dropped": (lambda x: x.unsqueeze(-1).sum(-1).exp(), 1),
    "an equal expression is shared": (lambda x: x.exp() * x.exp(), 2),
    "what nothing reads is deleted": (lambda x: (x.log(), x.exp())[1], 1),
    "a mask of data becomes numbers": (lambda x: x[:, MASK], 1),
    "a copy that a view needs is kept": (lambda x: x.mT.clone(memory_format=torch.contiguous_format).view(6).exp(), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_simplification(name: str) -> None:
    function, operations = CASES[name]
    graph = simplify(make_fx(function)(X), [X])
    assert count_operations(graph) == operations
    assert torch.equal(graph(X + 1), function(X + 1))
    assert all(index.dtype != torch.bool for index in graph.buffers())


def test_numbers_of_another_type_are_not_taken_for_equal() -> None:
    graph = simplify(make_fx(lambda x: torch.pow(x, 2) + torch.pow(x, 2.5))(X), [X])
    assert torch.equal(graph(X), X**2 + X**2.5)


def test_a_broadcasting_sum_with_zeros_is_kept() -> None:
    zeros = torch.zeros(4, 2, 3, dtype=torch.float64)
    graph = simplify(make_fx(lambda x: x + zeros)(X), [X])
    assert graph(X).shape == (4, 2, 3)


def test_a_graph_that_writes_is_left_alone() -> None:
    graph = make_fx(lambda x: x.clone().add_(1).mul_(1.0))(X)
    before = count_operations(graph)
    assert count_operations(simplify(graph, [X])) == before
    assert torch.equal(graph(X), X + 1)
