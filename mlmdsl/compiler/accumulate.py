"""Sums over a vectorised loop: `total += f(i)` and `n[g[i]] += f(i)`, whose order does not matter.

The elements of an array that iterations add to need not be distinct: terms that meet in one element are summed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.operators import binary, lifted, tensor, unary
from mlmdsl.compiler.places import lower_items_of
from mlmdsl.compiler.stores import element_of, verify_whole
from mlmdsl.compiler.values import Tensor
from mlmdsl.language import tree
from mlmdsl.language.types import Axis


def summed(cx: Context, node: tree.Assign, name: str) -> Tensor:
    """A number plus a term for each iteration of the loops around that only add to it."""
    term = tensor(cx, cx.expr(node.value), node)
    if term.rank:
        raise Carried
    whole = lifted(term, _loops(cx, name))
    total = Tensor(ir.Call("sum", (whole.expr,), ir.Type(term.type.element, whole.type.loops)))
    return cast(Tensor, binary(cx, cast(str, node.op), cx.expr(node.target), total, False, node))


def scattered(cx: Context, node: tree.Assign, target: tree.Index, name: str) -> Tensor:
    """An array plus, at its place, a term for each iteration of the loops around that only add to it."""
    base, term = tensor(cx, cx.expr(target.base), node), tensor(cx, cx.expr(node.value), node)
    verify_whole(cx, base, term, node)
    if cx.accumulators[name] != 0 or base.type.element == "bool":
        raise Carried
    signed = cast(Tensor, unary(cx, "-", term, False, node)) if node.op == "-" else term
    return placed("add_at", base, lower_items_of(cx, base, target), signed, _loops(cx, name))


def placed(
    function: str, base: Tensor, items: Sequence[ir.IndexItem], value: Tensor, loops: tuple[Axis, ...]
) -> Tensor:
    """An array with a value for each step along loops added to the element at its place (`add_at`), or put there (`set_at`).

    Raises:
        Carried: what each step gives is no number, or no one element.
    """
    if value.rank or base.type.loops:
        raise Carried
    places = [lifted(_picked(item), loops).expr for item in items]
    type_ = ir.Type(element_of(base), (), base.type.axes)
    return Tensor(ir.Call(function, (base.expr, lifted(value, loops).expr, *places), type_))


def _loops(cx: Context, name: str) -> tuple[Axis, ...]:
    return tuple(loop.axis for loop in cx.loops[cx.accumulators[name] :])


def _picked(item: ir.IndexItem) -> Tensor:
    """An item of an index as the positions that it takes along the loops."""
    if isinstance(item, ir.Slice) and item.loop is not None:
        type_ = ir.Type("int", (item.loop,))
        return Tensor(ir.Counter(item.loop, item.start, constant(1).expr, type_))
    if not isinstance(item, ir.Pick) or item.index.type.rank or item.index.type.element == "bool":
        raise Carried
    return Tensor(item.index)


def picks_by_loop(items: Sequence[ir.IndexItem]) -> bool:
    """Whether an index is chosen anew at each step of a vectorised loop, other than by walking an axis along each loop."""
    walked = [item.loop.name for item in items if isinstance(item, ir.Slice) and item.loop is not None]
    return len(set(walked)) < len(walked) or any(isinstance(item, ir.Pick) and item.index.type.loops for item in items)
