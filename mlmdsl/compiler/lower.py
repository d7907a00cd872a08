"""From the tree to the IR: what a model means for given arguments.

Non-Goals: choosing positions of tensor axes (emission does), integrating anything out (a pass does).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import AxisKey, Context, Wrong, key_of
from mlmdsl.compiler.dependence import assigned_names, drawn_names, names_in
from mlmdsl.compiler.expressions import lower_expression
from mlmdsl.compiler.missingness import asked_about, rows_read
from mlmdsl.compiler.references import at_home
from mlmdsl.compiler.statements import lower_block
from mlmdsl.compiler.values import Absent, Closure, Factorization, Tensor, Value
from mlmdsl.language import tree
from mlmdsl.language.errors import DataError, Diagnostic, SpecError, listed
from mlmdsl.language.source import Source
from mlmdsl.language.types import Array, Scalar


@dataclass(frozen=True)
class Lowered:
    """A model in the IR, the sizes of axes as expressions, and names that are drawn though they were computed from the data."""

    model: ir.Model
    axis_sizes: Mapping[AxisKey, ir.Expr]
    computed: tuple[str, ...] = ()


def functions_of(spec: tree.Spec) -> dict[str, Value]:
    """The author's helper functions by name."""
    return {function.name: closure_of(function) for function in spec.functions}


def closure_of(function: tree.FunctionDef) -> Closure:
    """A helper function as a value."""
    params = (*function.params, *function.keywords)
    defaults = tuple((param.name, param.default) for param in params if param.default is not None)
    keywords = tuple(param.name for param in function.keywords)
    return Closure(
        function.name, tuple(param.name for param in params), defaults, function.body, keyword_names=keywords
    )


def new_context(source: Source, spec: tree.Spec) -> Context:
    """A context that knows the author's functions."""
    functions = functions_of(spec)
    return Context(source, lower_expression, scope=dict(functions), functions=functions)


def lower_model(
    source: Source,
    spec: tree.Spec,
    model: tree.ModelDef,
    arguments: Mapping[str, Value],
    defaults: Mapping[str, ir.Expr],
) -> Lowered:
    """A model for arguments: tensors (known where data are bound, abstract where not), or `Absent`.

    Raises:
        SpecError: all that is wrong with the model. DataError: where only the data are to blame.
    """
    cx = new_context(source, spec)
    cx.in_model = True
    cx.scope.update({name: at_home(value) if isinstance(value, Tensor) else value for name, value in arguments.items()})
    cx.names |= set(arguments)
    cx.axis_sizes = argument_sizes(arguments)
    supplied = {name for name, value in arguments.items() if not isinstance(value, Absent)}
    cx.arguments = frozenset(supplied)
    cx.incomplete = frozenset(name for name in supplied if _has_missing(arguments[name]))
    cx.known_arguments = known_arguments(arguments)
    cx.known.values.update(cx.known_arguments)
    cx.bound = all(value.known is not None for value in arguments.values() if isinstance(value, Tensor))
    cx.later = set(assigned_names(model.body)) - set(arguments)
    _verify_complete(cx, model, arguments)
    lower_block(cx, model.body)
    if not cx.diagnostics:
        _verify_present(cx)
    if cx.diagnostics:
        raise_diagnostics(cx)
    returned = _returned(cx, model)
    body = tuple(cx.nodes)
    labels = tuple(cx.axis_labels.items())
    result = ir.Model(model.name, _arguments(cx, model, arguments, defaults, body), body, returned, labels)
    counted = {
        key_of(value.counts): value.expr for value in arguments.values() if isinstance(value, Tensor) and value.counts
    }
    return Lowered(result, {**cx.axis_sizes, **counted}, tuple(sorted(cx.computed)))


def _verify_complete(cx: Context, model: tree.ModelDef, arguments: Mapping[str, Value]) -> None:
    """Missing entries are estimated where a `~` gives them a distribution; elsewhere they are an error."""
    drawn = drawn_names(model.body) | asked_about(model.body)
    used = {name.id for name in names_in((model.body, model.keywords))}
    for param in (*model.params, *model.keywords):
        value = arguments.get(param.name)
        known = value.known if isinstance(value, Tensor) else None
        if isinstance(known, Array) and known.missing is not None and param.name in used - drawn:
            row, count = int(np.argwhere(known.missing)[0][0]) + 1, int(known.missing.sum())
            more = f" and {count - 1} more" if count > 1 else ""
            message = f"`{param.name}` has missing entries (row {row}{more}), and no `~` gives them a distribution"
            hint = f"leave those rows out of the table, or write `{param.name} ~ …` to estimate them"
            cx.report(Wrong(Diagnostic(message, param.span, hint), data=True))


def _verify_present(cx: Context) -> None:
    """No statement reads an entry that is missing: in Julia what is computed from it is `missing`."""
    if not cx.incomplete:
        return
    for statement in ir.statements(cx.nodes):
        observed = statement.observed if isinstance(statement, ir.Sample) and statement.missing is not None else None
        for part in ir.children(statement):
            found = None if part is observed or _is_mask(statement, part) else rows_read(cx, part, cx.incomplete)
            if found is not None:
                name, rows = found
                shown = listed(rows, 8)
                message = f"`{name}` is missing here (row{'s' if len(rows) > 1 else ''} {shown})"
                hint = f"ask `ismissing({name}[i])` first, or write `coalesce({name}[i], …)`"
                cx.report(Wrong(Diagnostic(message, statement.span, hint), data=True))
                break


def _is_mask(statement: ir.Statement, part: object) -> bool:
    return isinstance(statement, ir.Sample) and part is statement.missing


def argument_sizes(arguments: Mapping[str, Value]) -> dict[AxisKey, ir.Expr]:
    """The sizes of the arguments' axes, each as the size of the first argument that has it."""
    sizes: dict[AxisKey, ir.Expr] = {}
    for value in arguments.values():
        for position, axis in enumerate(value.type.axes if isinstance(value, Tensor) else ()):
            expr = cast(Tensor, value).expr
            size = ir.Call("size", (expr,), ir.Type("int", low=0), (("axis", position),))
            sizes.setdefault(key_of(axis), size)
    return sizes


def raise_diagnostics(cx: Context) -> NoReturn:
    """Raise what was found, as the kind of error it is."""
    ordered = sorted(cx.diagnostics, key=lambda d: d.span.start if d.span else -1)
    kind = DataError if cx.data_faults == len(cx.diagnostics) else SpecError
    raise kind(ordered, cx.source)


def evaluate(cx: Context, node: tree.Expression) -> Value:
    """A data expression; an error is raised as such."""
    try:
        return cx.expr(node)
    except Wrong as wrong:
        cx.report(wrong)
        raise_diagnostics(cx)


def known_arguments(arguments: Mapping[str, Value]) -> dict[str, Scalar | Array]:
    """The values of the arguments, and the masks of those with missing entries, by their names in the program."""
    known: dict[str, Scalar | Array] = {}
    for name, value in arguments.items():
        if isinstance(value, Tensor) and value.known is not None:
            known[name] = value.known
            if isinstance(value.known, Array) and value.known.missing is not None:
                known[ir.mask_of(name)] = Array(value.known.missing, value.known.axes)
    return known


def _has_missing(value: Value) -> bool:
    return isinstance(value, Tensor) and isinstance(value.known, Array) and value.known.missing is not None


def _returned(cx: Context, model: tree.ModelDef) -> ir.Expr | None:
    """What the program returns: the value of `return`, or the last statement's target."""
    value = cx.returned
    if isinstance(value, Factorization):
        value = value.lower
    return value.expr if isinstance(value, Tensor) and not value.type.loops else None


def _arguments(
    cx: Context,
    model: tree.ModelDef,
    given: Mapping[str, Value],
    defaults: Mapping[str, ir.Expr],
    body: tuple[ir.Statement, ...],
) -> tuple[ir.Argument, ...]:
    keywords = {param.name for param in model.keywords}
    indexing = index_names(body)
    return tuple(
        ir.Argument(
            name,
            value.type,
            name in keywords,
            defaults.get(name),
            is_index=name in indexing or ir.is_large(value.type),
            has_missing=name in cx.incomplete,
        )
        for name, value in given.items()
        if isinstance(value, Tensor)
    )


def index_names(body: tuple[ir.Statement, ...]) -> frozenset[str]:
    """Names of data that index something."""
    found = set()
    for statement in ir.statements(body):
        for node in ir.walk(statement):
            items = getattr(node, "index", ())
            for item in items if isinstance(items, tuple) else ():
                if isinstance(item, ir.Pick):
                    found |= set(_indexing(item.index))
    return frozenset(found)


def _indexing(expr: ir.Expr) -> Iterator[str]:
    """The data whose own integers, shifted perhaps, make up an index: not those that a mask or an order is computed from."""
    if isinstance(expr, ir.Ref):
        if expr.data and expr.type.element in ("int", "any"):
            yield expr.name
    elif isinstance(expr, ir.Map) and expr.op in ("+", "-", "*"):
        for arg in expr.args:
            yield from _indexing(arg)
    elif isinstance(expr, ir.Gather | ir.Permute | ir.Lift):
        yield from _indexing(expr.x)
