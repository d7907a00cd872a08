"""Names given to values: what a value is when it is named, it stays, whatever its parts become later."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.references import apart, at_home, verify_named_in_order
from mlmdsl.compiler.values import (
    DiagonalMatrix,
    Draw,
    Enumerated,
    Factorization,
    Home,
    Nested,
    RangeValue,
    Rows,
    RowVector,
    Tensor,
    TupleValue,
    Value,
    Zipped,
)
from mlmdsl.language import tree


def define(cx: Context, name: str, value: Value, node: tree.Node, tracked: bool = False, moved: bool = False) -> None:
    """Give a name a value; what is computed at run time becomes a statement of the program.

    `moved`: names exchange their values, so that none is a second name for an array.
    """
    if name in cx.drawn_names:
        target = node.target if isinstance(node, tree.Assign | tree.Track) else node
        cx.fail(target, f"`{name}` is a parameter: it has its value from its `~`", "give the new value another name")
    if isinstance(value, Tensor) and value.home is not None and value.rank and not tracked:
        value = _renamed(cx, name, value, node, moved)
    elif isinstance(value, Tensor) and (tracked or not _is_inline(cx, value)):
        value = at_home(let(cx, name, value, node, tracked))
    elif isinstance(value, Tensor):
        value = at_home(value)
    elif isinstance(value, Nested):
        value = Nested(let(cx, name, value.item, node), value.axis)
    elif isinstance(value, Factorization) and not isinstance(value.lower.expr, ir.Ref):
        value = replace(value, lower=let(cx, f"{name}_chol", value.lower, node))
    elif isinstance(value, DiagonalMatrix) and not isinstance(value.diagonal.expr, ir.Ref):
        value = DiagonalMatrix(let(cx, f"{name}_diag", value.diagonal, node))
    elif isinstance(value, RowVector) and not isinstance(value.vector.expr, ir.Ref):
        value = RowVector(let(cx, name, value.vector, node))
    elif isinstance(value, TupleValue) and not any(isinstance(item, Draw) for item in value.items):
        value = TupleValue(
            tuple(_part(cx, f"{name}_{k + 1}", item, node) for k, item in enumerate(value.items)), value.names
        )
    cx.vectors.discard(name)
    cx.scope[name] = settled(cx, name, value, node)


def _renamed(cx: Context, name: str, value: Tensor, node: tree.Node, moved: bool) -> Tensor:
    """An array that has a name under another: the same array, or where names are kept a copy that counts as the same."""
    if not cx.keep_names:
        return value
    home = cast(Home, value.home)
    if not moved:
        verify_named_in_order(cx, name, home, node)
    copy = at_home(apart(let(cx, name, value, node)))
    cx.copies.append((home, cast(Home, copy.home)))
    return copy


def settled(cx: Context, name: str, value: Value, node: tree.Node) -> Value:
    """A value apart from the variables it is computed from, where a loop or a branch may give these others."""
    if not cx.places and not cx.branch_names:
        return value
    if isinstance(value, Tensor):
        return replace(value, expr=_settled_expr(cx, name, value.expr, node))
    if isinstance(value, Draw):
        return Draw(_settled_dist(cx, name, value.dist, node))
    if isinstance(value, TupleValue):
        return replace(value, items=tuple(settled(cx, name, item, node) for item in value.items))
    if isinstance(value, RangeValue):
        start, stop, step = (
            cast(Tensor, settled(cx, name, end, node)) for end in (value.start, value.stop, value.step)
        )
        return RangeValue(start, stop, step, value.over)
    if isinstance(value, Rows):
        return replace(value, matrix=cast(Tensor, settled(cx, name, value.matrix, node)))
    if isinstance(value, Enumerated):
        return Enumerated(settled(cx, name, value.iterable, node))
    if isinstance(value, Zipped):
        return Zipped(tuple(settled(cx, name, part, node) for part in value.iterables))
    return value


def _settled_expr(cx: Context, name: str, expr: ir.Expr, node: tree.Node) -> ir.Expr:
    placed = cx.places | {held: owner for owner, held in cx.branch_names.items()}
    owners = {placed[ref.name] for ref in ir.walk(expr) if isinstance(ref, ir.Ref) and ref.name in placed}
    if not owners or (isinstance(expr, ir.Ref) and owners == {name}):
        return expr
    target = cx.fresh(name or "part")
    cx.nodes.append(ir.Let(name=target, value=expr, span=node.span))
    return ir.Ref(target, expr.type, data=ir.is_data(expr))


def _settled_dist(cx: Context, name: str, dist: ir.Dist, node: tree.Node) -> ir.Dist:
    def one(arg: object) -> object:
        if isinstance(arg, tuple):
            return tuple(one(item) for item in arg)
        return _settled_dist(cx, name, arg, node) if isinstance(arg, ir.Dist) else _settled_expr(cx, name, arg, node)  # type: ignore[arg-type]

    return replace(dist, args=cast("tuple[ir.Expr, ...]", tuple(one(arg) for arg in dist.args)))


def _part(cx: Context, name: str, value: Value, node: tree.Node) -> Value:
    if not isinstance(value, Tensor) or (value.home is not None and not cx.keep_names) or _is_inline(cx, value):
        return value
    return at_home(let(cx, name, value, node))


def _is_inline(cx: Context, value: Tensor) -> bool:
    """Whether a value needs no statement: a number, a name, a step along a loop."""
    if cx.keep_names:
        return False
    if isinstance(value.expr, ir.Ref):
        return value.expr.data and value.expr.name not in cx.places
    return isinstance(value.expr, ir.Const | ir.Counter)


def let(cx: Context, name: str, value: Tensor, node: tree.Node, tracked: bool = False) -> Tensor:
    """A statement that gives a name of the program a value; the value by that name."""
    known = cx.scope.get(name)
    held = known.expr.name if isinstance(known, Tensor) and isinstance(known.expr, ir.Ref) else None
    if not cx.keep_names or held not in cx.places:
        held = cx.branch_names.get(name) or cx.fresh(name)
    target = held
    cx.nodes.append(ir.Let(name=target, value=value.expr, tracked=tracked, span=node.span))
    _note(cx, target, value)
    return replace(value, expr=ir.Ref(target, value.type, data=value.is_data))


def evaluate(cx: Context, value: Value, node: tree.Node) -> None:
    """Have the program compute a value that nothing uses, where its index may lie outside: Julia computes it."""
    if not isinstance(value, Tensor) or value.known is not None:
        return
    parts = list(ir.walk(value.expr))
    moves = any(isinstance(part, ir.Ref) and part.name in cx.places for part in parts)
    if moves and any(isinstance(part, ir.Gather) for part in parts):
        let(cx, "unused", value, node)


def _note(cx: Context, target: str, value: Tensor) -> None:
    """Keep what a name stands for, where it stands for one thing."""
    again = target in cx.known.lets or target in cx.known.values or target in cx.places
    forget(cx, target)
    if again or not value.is_data:
        return
    cx.known.lets[target] = value.expr
    if value.known is not None and not value.type.loops:
        cx.known.values[target] = value.known


def forget(cx: Context, target: str) -> None:
    """A name of the program stands for something that changes."""
    cx.known.values.pop(target, None)
    cx.known.lets.pop(target, None)
