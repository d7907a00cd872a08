"""Gradients of taking parts, and their sums.

The gradient of `x[2:]` is zero but for one part, and what reaches x is a sum of such gradients. Their zeros are not
written, term after term: a `Placed` sum is written when somebody reads it, each term into the part where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from mlmdsl.inference.native.layout import Placed, Term, Value
from mlmdsl.inference.native.lower import Lowering, Writer, elementwise


def _part_of(part: Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor]) -> Lowering:
    """Zeros with the gradient in the part's place."""

    def lowered(writer: Writer, node: Node) -> Value:
        gradient, arguments = node.args[0], node.args[2:]

        def inside(whole: torch.Tensor) -> torch.Tensor:
            return part(whole, arguments)

        terms = [Term((inside, *term.parts), term.value) for term in _terms(writer, gradient, writer.shape(gradient))]  # type: ignore[arg-type]
        return _left(writer, node, terms)

    return lowered


def _add(writer: Writer, node: Node) -> Value:
    """A sum with a placed operand is placed."""
    if node.kwargs or not any(isinstance(a, Node) and isinstance(writer.done[a], Placed) for a in node.args):
        return elementwise(writer, node, "add")
    return _left(writer, node, [term for a in node.args for term in _terms(writer, a, writer.shape(node))])


def _terms(writer: Writer, argument: Any, shape: tuple[int, ...]) -> tuple[Term, ...]:
    """What an argument of that shape is the sum of."""
    value = writer.done[argument] if isinstance(argument, Node) else None
    if isinstance(value, Placed) and value.shape == shape:
        return value.terms
    return (Term((), writer.operand(argument, shape)),)


def _left(writer: Writer, node: Node, terms: list[Term]) -> Value:
    """Written at once only where several read it."""
    value = Placed(tuple(terms), writer.shape(node), writer.dtype(node))
    return value if len(node.users) == 1 else writer.gather(value)


PLACED: dict[str, Lowering] = {
    "add": _add,
    "slice_backward": _part_of(lambda x, a: torch.ops.aten.slice.Tensor(x, *a)),
    "select_backward": _part_of(lambda x, a: torch.select(x, *a)),
    "diagonal_backward": _part_of(lambda x, a: torch.diagonal(x, *a)),
}
