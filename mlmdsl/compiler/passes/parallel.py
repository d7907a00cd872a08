"""Whether an expression runs along the groups of some effects: a proof from its form, in the manner of `affine`.

Given effects that each have the groups along one of their axes, an expression is *along* an axis of its own if its entries at
j there depend on those effects at their level j alone. What is free of the effects is along every axis. Anything that has no
such form (a sum over the groups, a level picked for all, two axes multiplied) is not parallel. Non-Goal: algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mlmdsl.compiler import ir
from mlmdsl.compiler.layout import Key
from mlmdsl.compiler.passes.affine import is_free

Groups = Mapping[str, int]
"""The array axis along which each effect has its groups."""


class NotParallel(Exception):
    """An expression that mixes groups."""


def axis_of(expr: ir.Expr, groups: Groups) -> Key | None:
    """The axis that an expression is along: an array axis by its position, a loop by its name; None if it is free.

    Raises:
        NotParallel: its entries mix groups.
    """
    if is_free(expr, frozenset(groups)):
        return None
    rule = _RULES.get(type(expr))
    if rule is None:
        raise NotParallel
    return rule(expr, groups)


def is_along(expr: ir.Expr, groups: Groups, axis: Key | None) -> bool:
    """Whether an expression is along an axis; along None: whether it is free of the effects."""
    try:
        return axis_of(expr, groups) in (None, axis)
    except NotParallel:
        return False


def _same(axes: Iterable[Key | None]) -> Key | None:
    found = {axis for axis in axes if axis is not None}
    if len(found) > 1:
        raise NotParallel
    return next(iter(found), None)


def _map(expr: ir.Map, groups: Groups) -> Key | None:
    return _same(axis_of(arg, groups) for arg in expr.args)


def _contract(expr: ir.Contract, groups: Groups) -> Key | None:
    left, right = axis_of(expr.a, groups), axis_of(expr.b, groups)
    if left == expr.a.type.rank - 1 or right == 0:
        raise NotParallel
    return _same((left, _moved(right, expr.a.type.rank - 2)))


def _moved(axis: Key | None, by: int) -> Key | None:
    return axis + by if isinstance(axis, int) else axis


def _gather(expr: ir.Gather, groups: Groups) -> Key | None:
    if any(not is_free(item.index, frozenset(groups)) for item in expr.index if isinstance(item, ir.Pick)):
        raise NotParallel
    axis = axis_of(expr.x, groups)
    if not isinstance(axis, int):
        return axis
    item = expr.index[axis]
    if isinstance(item, ir.Keep):
        return sum(_rank(before) for before in expr.index[:axis])
    if isinstance(item, ir.Slice) and item.loop is not None and _is_whole(item, expr.x.type.axes[axis].size):
        return item.loop.name
    raise NotParallel


def _rank(item: ir.IndexItem) -> int:
    """The number of array axes that an item of an index leaves."""
    if isinstance(item, ir.Pick):
        return item.index.type.rank
    return 0 if isinstance(item, ir.Slice) and item.loop is not None else 1


def _is_whole(item: ir.Slice, size: int | str) -> bool:
    starts = isinstance(item.start, ir.Const) and item.start.value == 1
    return starts and item.loop is not None and item.loop.size == size


def _permute(expr: ir.Permute, groups: Groups) -> Key | None:
    axis = axis_of(expr.x, groups)
    return expr.order.index(axis) if isinstance(axis, int) else axis


def _lift(expr: ir.Lift, groups: Groups) -> Key | None:
    axis = axis_of(expr.x, groups)
    lifted = [loop.name for loop in expr.axes]
    return lifted.index(axis) if axis in lifted else _moved(axis, len(lifted))


def _stack(expr: ir.Stack, groups: Groups) -> Key | None:
    return _same(_moved(axis_of(item, groups), 1) for item in expr.items)


def _call(expr: ir.Call, groups: Groups) -> Key | None:
    if expr.function in ("identity", "float"):
        return axis_of(expr.args[0], groups)
    if expr.function == "ifelse":
        return _same(axis_of(arg, groups) for arg in expr.args)
    axis = _same(axis_of(arg, groups) for arg in expr.args)
    if expr.function == "row":
        return _moved(axis, 1)
    joined = {"vcat": 0, "hcat": 1}.get(expr.function)
    if joined is None or axis == joined:
        raise NotParallel
    return axis


_RULES: dict[type, Callable[[Any, Groups], Key | None]] = {
    ir.Ref: lambda expr, groups: groups[expr.name],
    ir.Map: _map,
    ir.Contract: _contract,
    ir.Gather: _gather,
    ir.Permute: _permute,
    ir.Lift: _lift,
    ir.Stack: _stack,
    ir.Call: _call,
}
