"""Which entries of the data are missing: `ismissing`, `coalesce`, `skipmissing`, as Julia has them.

The mask of an argument's missing entries is data of the program (`ir.mask_of`). Of a computed value, an entry is missing
where any of what it is computed from is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.along import Along, values_along
from mlmdsl.compiler.calls import elementwise_call
from mlmdsl.compiler.context import Context, NeedsValues
from mlmdsl.compiler.elementwise import broadcast_axes, constant, elementwise
from mlmdsl.compiler.indexing import Position, gather
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.values import Absent, Nothing, Tensor, Value, describe
from mlmdsl.language import tree
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.types import Array


def is_missing(cx: Context, value: Value, dotted: bool, node: tree.Node) -> Value:
    """`ismissing(x)`, `ismissing.(x)`."""
    if isinstance(value, Absent | Nothing):
        return constant(value.name == "missing" or isinstance(value, Absent))
    if not isinstance(value, Tensor) or (value.rank and not dotted):
        return constant(False)  # an array is there, whatever its entries are
    _refuse_half_drawn(cx, value.expr, node)
    if not cx.known_arguments and not cx.data_only and value.is_data:
        return _unknown(cx, value)
    mask = mask_expr(cx, value.expr)
    if mask is None:
        return _nowhere(value)
    _need_values(cx, mask)
    found = values_along(cx, mask)
    if found is None:
        return Tensor(mask)
    if not found.values.any():
        return _nowhere(value)
    if found.values.ndim == 0:
        return constant(True)
    return Tensor(mask, None if found.loops else Array(found.values, value.type.axes))


def _refuse_half_drawn(cx: Context, expr: ir.Expr, node: tree.Node) -> None:
    """Refuse the question of an array some of whose missing entries were drawn: which, only running tells."""
    drawn = {part.name for part in ir.walk(expr) if isinstance(part, ir.Ref) and not part.data} & cx.incomplete
    for name in drawn:
        if cx.sequential:
            raise NeedsValues
        if (name, None) not in cx.given:
            cx.fail(node, f"entries of `{name}` were drawn above: which are missing still is not known here",
                    f"ask before `{name}` is drawn: `gone = ismissing.({name})`")  # fmt: skip


def _unknown(cx: Context, value: Tensor) -> Tensor:
    """Whether data that are not there yet are missing: not known."""
    if not any(isinstance(node, ir.Ref) for node in ir.walk(value.expr)):
        return _nowhere(value)
    type_ = replace(value.type, element="bool", low=0, high=1)
    return Tensor(ir.Call("ismissing", (value.expr,), type_))


def _nowhere(value: Tensor) -> Tensor:
    if not value.rank:
        return constant(False)
    sizes = [axis.size for axis in value.type.axes]
    known = None
    if all(isinstance(size, int) for size in sizes) and not value.type.loops:
        known = Array(np.zeros(cast("list[int]", sizes), dtype=bool), value.type.axes)
    return Tensor(ir.Call("falses", (), ir.Type("bool", (), value.type.axes, 0, 0)), known)


def _need_values(cx: Context, mask: ir.Expr) -> None:
    if any(isinstance(node, ir.Ref) and node.name in cx.sequential for node in ir.walk(mask)):
        raise NeedsValues


def mask_expr(cx: Context, expr: ir.Expr) -> ir.Expr | None:
    """The mask of the missing entries of data; None where none of the data that it is computed from is incomplete."""
    if isinstance(expr, ir.Ref):
        incomplete = expr.data and ir.mask_of(expr.name) in cx.known_arguments
        return ir.Ref(ir.mask_of(expr.name), _bool(expr.type), data=True) if incomplete else None
    if isinstance(expr, ir.Gather | ir.Lift | ir.Permute):
        inner = mask_expr(cx, expr.x)
        return None if inner is None else replace(expr, x=inner, type=_bool(expr.type))
    if isinstance(expr, ir.Map | ir.Call):
        parts = [mask_expr(cx, arg) for arg in expr.args if not isinstance(arg, ir.Dist)]
        masks = [part for part in parts if part is not None]
        return None if not masks else _any_of(cx, masks, expr.type)
    return None


def _any_of(cx: Context, masks: Sequence[ir.Expr], type_: ir.Type) -> ir.Expr:
    result = masks[0]
    for mask in masks[1:]:
        loops = cx.loop_axes([result.type, mask.type])
        axes = max(result.type.axes, mask.type.axes, key=len)
        result = ir.Map("||", (result, mask), ir.Type("bool", loops, axes, 0, 1))
    return result


def _bool(type_: ir.Type) -> ir.Type:
    return replace(type_, element="bool", low=0, high=1)


def coalesced(cx: Context, args: Sequence[Value], dotted: bool, node: tree.Node) -> Value:
    """`coalesce(x, y, …)`: the first that is not missing; with a dot entry by entry."""
    result = args[-1]
    for value in reversed(args[:-1]):
        if isinstance(value, Absent | Nothing):
            continue
        gone = tensor(cx, is_missing(cx, value, dotted, node), node)
        if gone.known is False or (isinstance(gone.expr, ir.Call) and gone.expr.function == "falses"):
            result = value
        elif gone.known is not True:
            whole = [gone, tensor(cx, result, node), tensor(cx, value, node)]
            result = _filled(cx, whole, dotted, node)
    return result


def _filled(cx: Context, args: Sequence[Tensor], dotted: bool, node: tree.Node) -> Tensor:
    if not dotted and any(arg.rank for arg in args):
        cx.fail(node, "coalesce is of single values", "entry by entry it is `coalesce.(x, y)`")
    broadcast_axes(cx, args, "coalesce", node)
    return elementwise_call(cx, FUNCTIONS["ifelse"], args, True, node)


def present(cx: Context, value: Value, node: tree.Node) -> Value:
    """`skipmissing(x)`: the entries that are there."""
    numbers = tensor(cx, value, node)
    gone = tensor(cx, is_missing(cx, numbers, True, node), node)
    if numbers.rank != 1:
        if isinstance(gone.expr, ir.Call) and gone.expr.function == "falses":
            return numbers
        cx.fail(node, f"skipmissing is for a vector here, found {describe(numbers)}", "write `skipmissing(vec(X))`")
    if isinstance(gone.expr, ir.Call):
        return numbers
    kept = elementwise(cx, "!", [gone], True, node)
    return gather(cx, numbers, [Position(ir.Pick(kept.expr), kept.known)], node)


# ── what reads a missing entry ───────────────────────────────────────────────────────────────────────────────────────


def asked_about(body: object) -> set[str]:
    """Names that stand in a question or a remedy for missing entries: `ismissing(x[i])`, `coalesce.(x, 0)`."""
    return set(_asked(body, False))


_QUESTIONS = frozenset({"ismissing", "coalesce", "skipmissing"})


def _asked(node: object, inside: bool) -> Iterator[str]:
    if isinstance(node, tuple):
        for part in node:
            yield from _asked(part, inside)
    elif isinstance(node, tree.Name):
        if inside:
            yield node.id
    elif isinstance(node, tree.Node):
        called = isinstance(node, tree.Call) and (
            _is_question(node.function) or any(_is_question(arg) for arg in node.args)
        )
        for name in node.__dataclass_fields__:
            yield from _asked(getattr(node, name), inside or called)


def _is_question(node: tree.Expression) -> bool:
    return isinstance(node, tree.Name) and node.id in _QUESTIONS


def rows_read(cx: Context, expr: ir.Expr | ir.Dist, names: frozenset[str]) -> tuple[str, list[int]] | None:
    """The first incomplete argument whose missing entries an expression reads, and their rows."""
    if isinstance(expr, ir.Ref):
        gone = _missing_of(cx, expr) if expr.data and expr.name in names else None
        return None if gone is None or not gone.values.any() else (expr.name, _rows(gone.values))
    if isinstance(expr, ir.Gather) and isinstance(expr.x, ir.Ref) and expr.x.data and expr.x.name in names:
        gone = _missing_of(cx, expr)
        if gone is not None:
            return (expr.x.name, _rows(gone.values)) if gone.values.any() else None
    if isinstance(expr, ir.Call) and expr.function == "ifelse":
        return _read_by_choice(cx, expr, names)
    for child in ir.children(expr):
        found = rows_read(cx, child, names)
        if found is not None:
            return found
    return None


def _missing_of(cx: Context, expr: ir.Expr) -> Along | None:
    mask = mask_expr(cx, expr)
    return None if mask is None else values_along(cx, mask)


def _rows(mask: npt.NDArray[np.bool_]) -> list[int]:
    return sorted({int(place[0]) + 1 for place in np.argwhere(mask)}) if mask.ndim else [1]


def _read_by_choice(cx: Context, expr: ir.Call, names: frozenset[str]) -> tuple[str, list[int]] | None:
    """A choice reads a side where its condition chooses it."""
    condition, then, otherwise = expr.args
    for side, op in ((then, None), (otherwise, "!")):
        found = rows_read(cx, side, names)
        if found is None:
            continue
        gone, chosen = mask_expr(cx, side), condition if op is None else ir.Map(op, (condition,), condition.type)
        read = None if gone is None else values_along(cx, _both(cx, gone, chosen))
        if read is None or read.values.any():
            return found
    return rows_read(cx, condition, names)


def _both(cx: Context, one: ir.Expr, other: ir.Expr) -> ir.Expr:
    axes = max(one.type.axes, other.type.axes, key=len)
    return ir.Map("&&", (one, other), ir.Type("bool", cx.loop_axes([one.type, other.type]), axes, 0, 1))
