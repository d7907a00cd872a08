"""Statements: assignments, tracked values, returns. `~`, `for` and `if` have files of their own: draws, loops, branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.accumulate import picks_by_loop, placed, scattered, summed
from mlmdsl.compiler.context import Carried, Context, Restart, Wrong
from mlmdsl.compiler.definitions import define, evaluate, let, settled
from mlmdsl.compiler.dependence import assigned_names
from mlmdsl.compiler.draws import lower_tilde
from mlmdsl.compiler.indexing import index
from mlmdsl.compiler.nested import as_rows
from mlmdsl.compiler.operators import binary, lifted, tensor
from mlmdsl.compiler.places import lower_items_of, placed_items
from mlmdsl.compiler.references import apart, change, is_held, verify_changeable
from mlmdsl.compiler.stores import element_of, spread, verify_stored, verify_whole
from mlmdsl.compiler.values import (
    Factorization,
    Tensor,
    TupleValue,
    Unknown,
    Value,
    describe,
)
from mlmdsl.language import tree


def lower_block(cx: Context, body: Sequence[tree.Statement], strict: bool = False) -> None:
    """Statements in order. An error ends its statement alone, unless `strict`."""
    for statement in body:
        try:
            lower_again(cx, statement)
        except Wrong as wrong:
            if strict:
                raise
            cx.report(wrong)
            for name in assigned_names((statement,)):
                cx.scope.setdefault(name, Unknown())
        if cx.returned is not None:
            return


def lower_again(cx: Context, statement: tree.Statement) -> None:
    """One statement; the outermost begins anew where something inside it says how it must begin."""
    if cx.loops or cx.sequential or cx.keep_names:
        lower_statement(cx, statement)
        return
    for _ in range(_MOST_RESTARTS):
        try:
            with cx.attempt():
                lower_statement(cx, statement)
                return
        except Restart as restart:
            restart.apply(cx)
        except Carried:
            cx.fail(statement, "the form of this depends on values that are not known here", "write it as a `for` loop")
    cx.fail(statement, "a value changes its shape from one store to the next")


_MOST_RESTARTS = 50


def lower_statement(cx: Context, statement: tree.Statement) -> None:
    """One statement."""
    _RULES[type(statement)](cx, statement)


# ── assignment ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _assign(cx: Context, node: tree.Assign) -> None:
    if isinstance(node.target, tree.Tuple):
        _destructure(cx, node)
    elif isinstance(node.target, tree.Name):
        name = node.target.id
        if node.dotted and isinstance(cx.scope.get(name), Tensor):
            _change_whole(cx, node, name)
            return
        adds = name in cx.accumulators and node.op is not None
        define(cx, name, summed(cx, node, name) if adds else _new_value(cx, node), node)
    elif isinstance(node.target, tree.Index) and isinstance(node.target.base, tree.Name):
        _set_element(cx, node, node.target, node.target.base.id)
    else:
        cx.fail(node.target, "this cannot be assigned to", "assign to a name or to elements of an array")


def _change_whole(cx: Context, node: tree.Assign, name: str) -> None:
    """`x .= e`: every element of an array."""
    if not tensor(cx, cx.scope[name], node).rank:
        cx.fail(node, f"`.=` stores into an array, and `{name}` is a number", f"write `{name} {node.op or ''}= …`")
    verify_changeable(cx, name, node)
    value = tensor(cx, _new_value(cx, node), node)
    if name in cx.drawn_names or not value.rank:
        define(cx, name, value, node)
        return
    change(cx, name, let(cx, name, apart(value), node))


def _new_value(cx: Context, node: tree.Assign) -> Value:
    value = cx.expr(node.value)
    if node.op is not None:
        before = cx.expr(node.target)
        value = binary(cx, node.op, before, value, node.dotted, node)
        if node.dotted:
            verify_whole(cx, tensor(cx, before, node), tensor(cx, value, node), node)
            if isinstance(node.target, tree.Name):
                value = spread(cx, tensor(cx, before, node), tensor(cx, value, node), node)
    elif node.dotted and isinstance(node.target, tree.Name):
        target = tensor(cx, cx.expr(node.target), node)
        verify_whole(cx, target, tensor(cx, value, node), node)
        value = spread(cx, target, tensor(cx, value, node), node)
    return value


def _destructure(cx: Context, node: tree.Assign) -> None:
    """`a, b = b, a`: all values first, then the names and elements in order."""
    targets = cast(tree.Tuple, node.target).items
    value = cx.expr(node.value)
    if isinstance(value, Tensor) and value.rank == 1:
        parts = [index(cx, value, [tree.Number(value=k + 1, span=node.span)], node) for k in range(len(targets))]
        value = TupleValue(tuple(parts))
    if not isinstance(value, TupleValue) or len(value.items) < len(targets):
        found = f"a tuple of {len(value.items)}" if isinstance(value, TupleValue) else describe(value)
        cx.fail(node, f"this assigns to {len(targets)} names, found {found}")
    items = [settled(cx, "", item, node) for item in value.items[: len(targets)]]
    moved = _exchanges(node)
    for target, item in zip(targets, items, strict=True):
        if isinstance(target, tree.Name):
            define(cx, target.id, item, node, moved=moved)
        elif isinstance(target, tree.Index) and isinstance(target.base, tree.Name):
            _store(cx, node, target, target.base.id, tensor(cx, item, node))
        else:
            cx.fail(target, "a tuple assignment gives values to names and elements of arrays")


def _exchanges(node: tree.Assign) -> bool:
    """Whether names exchange their values: `u, v = v, u`."""
    targets, values = (
        sorted(item.id for item in part.items if isinstance(item, tree.Name)) if isinstance(part, tree.Tuple) else []
        for part in (node.target, node.value)
    )
    return targets == values and len(set(targets)) == len(cast(tree.Tuple, node.target).items)


def _set_element(cx: Context, node: tree.Assign, target: tree.Index, name: str) -> None:
    """`x[i] = e`, in a loop or not."""
    if name in cx.accumulators and node.op is not None:
        verify_changeable(cx, name, node)
        change(cx, name, let(cx, name, scattered(cx, node, target, name), node))
        return
    _store(cx, node, target, name, tensor(cx, _new_value(cx, node), node))


def _store(cx: Context, node: tree.Assign, target: tree.Index, name: str, value: Tensor) -> None:
    """An array with new elements at a place."""
    if name in cx.drawn_names:
        cx.fail(node, f"`{name}` is a parameter: it has its value from its `~`")
    verify_changeable(cx, name, node)
    target = as_rows(cx, name, target, value.type.axes, node)
    base = tensor(cx, cx.scope.get(name) or cx.expr(target.base), node)
    items = lower_items_of(cx, base, target)
    verify_stored(cx, base, items, value, node)
    if picks_by_loop(items):
        loops = tuple(loop.axis for loop in cx.loops)
        change(cx, name, let(cx, name, placed("set_at", base, items, value, loops), node))
        return
    place = placed_items(cx, base, items)
    low, high = min(base.type.low, value.type.low), max(base.type.high, value.type.high)
    if place is not None and cx.loops and not value.rank:
        loops = tuple(loop.axis for loop in place)
        whole = lifted(value, loops)
        stored = base.type.element if base.type.element in ("int", "bool", "real") else value.type.element
        type_ = ir.Type(stored, whole.type.loops, base.type.axes, value.type.low, value.type.high)
        change(cx, name, let(cx, name, Tensor(replace(cast(ir.Lift, whole.expr), type=type_)), node))
        return
    type_ = ir.Type(element_of(base), base.type.loops, base.type.axes, low, high)
    expr = base.expr
    old = expr.name if cx.keep_names and isinstance(expr, ir.Ref) and is_held(cx, expr.name, name) else None
    fresh = old or cx.fresh(name)
    cx.nodes.append(
        ir.SetIndex(name=fresh, base=expr, index=tuple(items), value=value.expr, type=type_, span=node.span)
    )
    change(cx, name, Tensor(ir.Ref(fresh, type_, data=base.is_data and value.is_data)))


def _track(cx: Context, node: tree.Track) -> None:
    """`x := e`."""
    if not isinstance(node.target, tree.Name):
        cx.fail(
            node.target,
            "`:=` gives a name a value that is in the output",
            "collect the elements first, then write `x := …`",
        )
    if cx.loops or cx.sequential:
        cx.fail(
            node, "`:=` stands outside loops", "assign the elements in the loop, and track the whole array after it"
        )
    value = cx.expr(node.value)
    numbers = value.lower if isinstance(value, Factorization) and not value.matrix else tensor(cx, value, node)
    define(cx, node.target.id, numbers, node, tracked=True)


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _return(cx: Context, node: tree.Return) -> None:
    if cx.loops or cx.sequential:
        cx.fail(node, "`return` stands outside loops in a model")
    value = node.value
    if isinstance(value, tree.Tilde | tree.Assign):
        lower_statement(cx, value)
        target = value.target
        cx.returned = cx.scope.get(target.id, Unknown()) if isinstance(target, tree.Name) else Unknown()
    elif value is None:
        cx.returned = Unknown()
    else:
        cx.returned = _returnable(cx, value)


def _returnable(cx: Context, node: tree.Expression) -> Value:
    """What a model returns: its value where it is made of names, nothing where it is not needed."""
    value = cx.scope.get(node.id) if isinstance(node, tree.Name) else None
    return value if value is not None else cx.expr(node)


def _factor(cx: Context, node: tree.AddLogProb) -> None:
    value = tensor(cx, cx.expr(node.value), node)
    loops = tuple(loop.axis for loop in cx.loops)
    if loops:
        value = lifted(value, loops)
    cx.nodes.append(ir.Factor(value=value.expr, span=node.span))


def _for(cx: Context, node: tree.For) -> None:
    from mlmdsl.compiler.loops import lower_for

    lower_for(cx, node)


def _if(cx: Context, node: tree.If) -> None:
    from mlmdsl.compiler.branches import lower_if

    lower_if(cx, node)


def _expression(cx: Context, node: tree.ExpressionStatement) -> None:
    evaluate(cx, cx.expr(node.value), node)


_RULES: dict[type, Callable[[Context, Any], None]] = {
    tree.Tilde: lower_tilde,
    tree.Assign: _assign,
    tree.Track: _track,
    tree.For: _for,
    tree.If: _if,
    tree.Return: _return,
    tree.AddLogProb: _factor,
    tree.ExpressionStatement: _expression,
}
