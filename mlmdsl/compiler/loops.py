"""`for`: vectorised where iterations are independent, one after another where a value is carried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context, Divided, LoopAxis, NeedsValues, Wrong
from mlmdsl.compiler.definitions import forget, let
from mlmdsl.compiler.dependence import (
    assigned_names,
    drawn_names,
    is_independent,
    names_in,
    rebound_names,
    stored_names,
    sum_accumulators,
)
from mlmdsl.compiler.iteration import (
    bind_targets,
    check_range,
    distinct_names,
    ends_of,
    item_at,
    note_range,
    scope_of,
    steps_of,
    verify_steps,
    walk_axis,
)
from mlmdsl.compiler.partition import lower_each, lower_kinds
from mlmdsl.compiler.references import at_home, holders, moved, names_of, rebind, shares_names, verify_iterated
from mlmdsl.compiler.statements import lower_block
from mlmdsl.compiler.values import (
    Enumerated,
    RangeValue,
    Tensor,
    TupleValue,
    Unknown,
    Value,
    Zipped,
)
from mlmdsl.language import tree


def lower_for(cx: Context, node: tree.For) -> None:
    """Vectorised where iterations are independent, else one iteration after another."""
    if len(node.iterators) > 1:
        inner = replace(node, iterators=node.iterators[1:])
        node = replace(node, iterators=node.iterators[:1], body=(inner,))
    iterable = cx.expr(node.iterators[0].iterable)
    if isinstance(iterable, RangeValue) and iterable.count == 0:
        return
    verify_iterated(cx, node, iterable)
    distinct = distinct_names(node.iterators[0], iterable)
    outer = frozenset(name for name, value in cx.scope.items() if not isinstance(value, Unknown)) - cx.functions.keys()
    accumulators = sum_accumulators(node, outer, distinct) | (cx.accumulators.keys() if cx.loops else frozenset())
    arrays = outer - accumulators
    observed = cx.arguments - cx.incomplete
    failed: Wrong | None = None
    differs = False
    mentioned = {name.id for statement in node.body for name in names_in(statement)}
    apart = not shares_names(cx, node.body, mentioned, iterable)
    if apart and is_independent(node, arrays, observed, accumulators, distinct):
        try:
            with cx.attempt():
                _vectorized(cx, node, accumulators)
                return
        except Divided as divided:
            if any(divided.axis == loop.axis.name for loop in cx.loops):
                raise
            try:
                if lower_kinds(cx, node, divided, lower_for):
                    return
            except Wrong as wrong:
                failed = wrong
            differs = True
        except Carried:
            pass
        except Wrong as wrong:
            if wrong.data:
                raise
            failed = wrong
    if cx.loops or cx.parted:
        raise failed or Carried
    try:
        _in_order(cx, node, differs)
    except (Wrong, Carried) as error:
        if failed is not None:
            raise failed from None
        if isinstance(error, Carried):
            cx.fail(
                node, "this loop can neither be vectorised nor run in order", "write it over a range: `for i in 1:n`"
            )
        raise


def _in_order(cx: Context, node: tree.For, differs: bool) -> None:
    """One iteration after another: by a loop of the program, or where iterations differ in form, each lowered."""
    if not differs:
        try:
            with cx.attempt():
                _sequential(cx, node)
            return
        except NeedsValues:
            pass
    with cx.attempt():
        lower_each(cx, node)


def _vectorized(cx: Context, node: tree.For, accumulators: frozenset[str]) -> None:
    iterator = node.iterators[0]
    loop, item = walk_axis(cx, iterator.targets[0].id, cx.expr(iterator.iterable), iterator)
    names, values = bind_targets(cx, iterator, item)
    before = set(cx.scope)
    saved = cx.accumulators
    cx.accumulators = {name: saved.get(name, len(cx.loops)) for name in accumulators}
    cx.loops.append(loop)
    with scope_of(cx, names, values):
        lower_block(cx, node.body, strict=True)
    cx.loops.pop()
    cx.accumulators = saved
    _forget_locals(cx, before, loop)


def _forget_locals(cx: Context, before: set[str], loop: LoopAxis) -> None:
    """A name that a loop's body defined for each iteration is gone after the loop."""
    for name in set(cx.scope) - before:
        value = cx.scope[name]
        varies = isinstance(value, Tensor) and loop.axis in value.type.loops
        if varies or (name not in cx.drawn_names and not isinstance(value, Tensor)):
            del cx.scope[name]


def _sequential(cx: Context, node: tree.For) -> None:
    iterator = node.iterators[0]
    iterable = cx.expr(iterator.iterable)
    if isinstance(iterable, TupleValue):
        _unrolled(cx, node, iterable)
        return
    iterable = _as_it_is(cx, iterable, node)
    steps = steps_of(cx, iterable, iterator)
    check_range(cx, steps, iterator)
    verify_steps(cx, steps, iterator)
    if steps.start.type.loops or steps.stop.type.loops:
        raise Carried
    types: dict[str, Tensor] = {}
    for _ in range(4):
        stable, types = _sequential_pass(cx, node, iterable, steps, types)
        if stable:
            return
    cx.fail(node, "a value changes its shape from one iteration to the next")


def _as_it_is(cx: Context, iterable: Value, node: tree.For) -> Value:
    """What a loop runs over, computed before it where it is computed from something that its body changes."""
    if isinstance(iterable, Enumerated):
        return Enumerated(_as_it_is(cx, iterable.iterable, node))
    if isinstance(iterable, Zipped):
        return Zipped(tuple(_as_it_is(cx, part, node) for part in iterable.iterables))
    if not isinstance(iterable, Tensor):
        return iterable
    names = assigned_names(node.body) if iterable.home is None else rebound_names(node.body)
    values = [cx.scope.get(name) for name in names]
    held = {value.expr.name for value in values if isinstance(value, Tensor) and isinstance(value.expr, ir.Ref)}
    reads = any(isinstance(ref, ir.Ref) and ref.name in held for ref in ir.walk(iterable.expr))
    return let(cx, "items", iterable, node) if reads else iterable


def _sequential_pass(
    cx: Context, node: tree.For, iterable: Value, steps: RangeValue, types: dict[str, Tensor]
) -> tuple[bool, dict[str, Tensor]]:
    """Lower the body once, the carried names having the types given; whether they came out the same."""
    saved = (dict(cx.scope), list(cx.nodes), set(cx.names), set(cx.given), set(cx.drawn), set(cx.drawn_names),
             dict(cx.places), cx.known.copy())  # fmt: skip
    carried = prepare_carried(cx, node.body, types, node)
    iterable = moved(iterable, list(carried.values()))
    iterator = node.iterators[0]
    variable = cx.fresh(iterator.targets[0].id)
    low, high = ends_of(steps)
    counter = Tensor(ir.Ref(variable, ir.Type("int", low=low, high=high), data=True))
    outer_nodes, cx.nodes = cx.nodes, []
    before = set(cx.scope)
    cx.sequential.append(variable)
    cx.bodies.append(node.body)
    note_range(cx, variable, steps)
    cx.keep_names += 1
    names, values = bind_targets(cx, iterator, item_at(cx, iterable, counter, iterator))
    values = _read_first(cx, names, values, carried, node)
    with scope_of(cx, names, values):
        lower_block(cx, node.body, strict=True)
        after = {name: cx.scope[name] for name in carried}
        for name in set(cx.scope) - before:
            cx.scope.pop(name) if name not in cx.drawn_names else None
    cx.keep_names -= 1
    cx.bodies.pop()
    cx.sequential.pop()
    body, cx.nodes = cx.nodes, outer_nodes
    changed = {name: _widened(old, after[name]) for name, old in carried.items()}
    if any(_differs(carried[name], changed[name]) for name in carried):
        _verify_one_kind(cx, node, carried, changed)
        cx.scope, cx.nodes, cx.names, cx.given, cx.drawn, cx.drawn_names, cx.places, cx.known = saved
        return False, changed
    for name, value in after.items():
        if isinstance(value, Tensor):
            cx.scope[name] = replace(value, known=None)  # what the last iteration gave, if there was one
            if value.home is not None:
                rebind(cx, value.home, cast(Tensor, cx.scope[name]))
    exprs = (steps.start.expr, steps.stop.expr, steps.step.expr)
    cx.nodes.append(
        ir.Loop(variable=variable, start=exprs[0], stop=exprs[1], step=exprs[2], body=tuple(body), span=node.span)
    )
    return True, types


def _verify_one_kind(cx: Context, node: tree.For, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    """Refuse to store into an array that holds whole numbers at first, and may hold others later."""
    for name in sorted(before.keys() & stored_names(node.body) & rebound_names(node.body)):
        if before[name].rank and before[name].type.element in ("int", "bool") and after[name].type.element == "real":
            message = f"`{name}` holds whole numbers at first and may hold others later, and this loop stores into it"
            cx.fail(node, message, "make it an array of reals at first: `zeros(n)`, `fill(1.0, n)`, `float.(x)`")


def _read_first(
    cx: Context, names: Sequence[str], values: Sequence[Value], carried: dict[str, Tensor], node: tree.Node
) -> list[Value]:
    """The variables of a loop, those read from what its body changes before it does: a number is what it was, a row is a view."""
    held = {value.expr.name for value in carried.values() if isinstance(value.expr, ir.Ref)}

    def is_read(value: Value) -> bool:
        refs = ir.walk(value.expr) if isinstance(value, Tensor) and not value.rank else ()
        return any(isinstance(ref, ir.Ref) and ref.name in held for ref in refs)

    return [let(cx, name, cast(Tensor, value), node) if is_read(value) else value
            for name, value in zip(names, values, strict=True)]  # fmt: skip


def prepare_carried(
    cx: Context, body: tuple[tree.Statement, ...], types: dict[str, Tensor], node: tree.Node
) -> dict[str, Tensor]:
    """Give names that the body changes a place of their own, with the type they have in every iteration."""
    carried: dict[str, Tensor] = {}
    drawn, rebound = drawn_names(body), rebound_names(body)
    for name in dict.fromkeys(assigned_names(body)):
        value = cx.scope.get(name)
        if not isinstance(value, Tensor) or (
            name in cx.arguments and name not in cx.incomplete and not _rewritten(body, name)
        ):
            continue
        if name in cx.incomplete and not _rewritten(body, name):
            carried[name] = cx.scope[name] = Tensor(ir.Ref(name, replace(value.type, low=-inf, high=inf)))
            continue
        shared = name not in rebound
        if shared and value.home is not None and any(value is other for other in carried.values()):
            carried[name] = value
            continue
        target = _place(cx, name, value, name in drawn, shared, node)
        model = types.get(name, value)
        type_ = ir.Type(model.type.element, value.type.loops, value.type.axes)
        data = ir.is_data(model.expr) if name in types else value.is_data
        home = value.home if shared else None
        carried[name] = cx.scope[name] = at_home(Tensor(ir.Ref(target, type_, data=data), home=home))
        if home is not None:
            rebind(cx, home, carried[name])
        elif value.home is not None and name in stored_names(body) and names_of(cx, value.home):
            other = names_of(cx, value.home)[0]
            cx.fail(node, f"`{name}` and `{other}` are one array at first, and not later", f"write `copy({other})`")
    return carried


def _place(cx: Context, name: str, value: Tensor, drawn: bool, shared: bool, node: tree.Node) -> str:
    """The name of the program that holds the author's variable: its own, so that nothing else changes with it.

    An array whose elements are `drawn` is held under the name of its sites. `shared`: other names of the array change with it.
    """
    held = value.expr.name if isinstance(value.expr, ir.Ref) else ""
    own = cx.places.get(held) == name or (isinstance(value.expr, ir.Ref) and not value.expr.data)
    own = own and all(shared and other.home is value.home is not None for other in holders(cx, held, name))
    target = name if drawn else held if own else cx.fresh(name)
    if drawn:
        _release(cx, name, node)
        cx.names.add(name)
    if target != held:
        cx.nodes.append(ir.Let(name=target, value=value.expr, span=node.span))
    cx.places[target] = name
    forget(cx, target)
    return target


def _release(cx: Context, held: str, node: tree.Node) -> None:
    """Give every other variable that a name of the program holds a name of its own, since this one is to change."""
    for name, value in list(cx.scope.items()):
        if name != held and isinstance(value, Tensor) and isinstance(value.expr, ir.Ref) and value.expr.name == held:
            if value.home is not None and value.home is getattr(cx.scope.get(held), "home", None):
                continue
            own = cx.fresh(name)
            cx.nodes.append(ir.Let(name=own, value=value.expr, span=node.span))
            cx.scope[name] = replace(value, expr=replace(value.expr, name=own))


def _rewritten(body: tuple[tree.Statement, ...], name: str) -> bool:
    """Whether a body assigns to an argument (`~` of an observed argument does not)."""
    for statement in body:
        if isinstance(statement, tree.Assign) and name in assigned_names((statement,)):
            return True
        if isinstance(statement, tree.For) and _rewritten(statement.body, name):
            return True
        if isinstance(statement, tree.If) and (
            any(_rewritten(branch.body, name) for branch in statement.branches) or _rewritten(statement.otherwise, name)
        ):
            return True
    return False


def _widened(old: Tensor, new: Value) -> Tensor:
    """The type that holds before and after an iteration."""
    if not isinstance(new, Tensor):
        return old
    element: ir.Element = old.type.element if old.type.element == new.type.element else "real"
    assert isinstance(old.expr, ir.Ref)
    type_ = ir.Type(element, old.type.loops, old.type.axes if old.rank == new.rank else new.type.axes)
    return Tensor(ir.Ref(old.expr.name, type_, data=old.is_data and new.is_data))


def _differs(old: Tensor, new: Tensor) -> bool:
    return (old.type.element, old.rank, old.is_data) != (new.type.element, new.rank, new.is_data)


def _unrolled(cx: Context, node: tree.For, iterable: TupleValue) -> None:
    """A loop over a tuple: its body once for each item."""
    around = cx.unrolled
    for position, item in enumerate(iterable.items):
        names, values = bind_targets(cx, node.iterators[0], item)
        cx.unrolled = (*around, position)
        with scope_of(cx, names, values):
            lower_block(cx, node.body, strict=True)
    cx.unrolled = around
