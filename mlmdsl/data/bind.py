"""From a table to a model's arguments: the `@data` block evaluated, its labels kept.

Without data the same block is read for shapes alone, so that a spec can be checked and its program printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlmdsl.compiler import ir
from mlmdsl.compiler.application import named_value
from mlmdsl.compiler.comprehensions import UNWRITTEN
from mlmdsl.compiler.context import Context, Wrong
from mlmdsl.compiler.dependence import drawn_names, names_in
from mlmdsl.compiler.elementwise import known_tensor, known_type
from mlmdsl.compiler.lower import new_context, raise_diagnostics
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.values import Absent, Nothing, RangeValue, Tensor, TupleValue, Value, describe
from mlmdsl.data.conversion import ROW
from mlmdsl.data.frames import given_array, plain_value
from mlmdsl.data.tables import Table
from mlmdsl.data.uses import by_use
from mlmdsl.language import tree
from mlmdsl.language.errors import DataError, Diagnostic, did_you_mean
from mlmdsl.language.source import Source
from mlmdsl.language.types import Array, Axis, Scalar


@dataclass(frozen=True)
class Arguments:
    """A model's arguments by name, and the expressions of the keywords' defaults."""

    values: Mapping[str, Value]
    defaults: Mapping[str, ir.Expr]


def bind_arguments(
    source: Source,
    spec: tree.Spec,
    model: tree.ModelDef,
    table: Table | None,
    given: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Arguments:
    """The arguments of a model from a table, values given by name, and settings of keywords.

    Raises:
        SpecError, DataError: in the `@data` block, a default, or what was given.
    """
    values = _given_values(model, {**given, **settings})
    columns = _block_values(source, spec, table) if table is not None else {}
    return _fill(source, spec, model, {**columns, **values}, table.names if table is not None else ())


def abstract_arguments(
    source: Source,
    spec: tree.Spec,
    model: tree.ModelDef,
    settings: Mapping[str, Any] | None = None,
    ranks: Mapping[str, int] | None = None,
) -> Arguments:
    """The arguments of a model whose data are not there: shapes from the `@data` block, or from how they are used.

    `ranks` are those of arguments whose use does not tell.
    """
    values: dict[str, Value] = dict(_abstract_block(source, spec))
    for param in model.params:
        if param.name not in values and param.default is None:
            values[param.name] = by_use(param.name, model, (ranks or {}).get(param.name))
    values |= _given_values(model, settings or {})
    return _fill(source, spec, model, values)


# ── the @data block ──────────────────────────────────────────────────────────────────────────────────────────────────


def used_columns(spec: tree.Spec, model: tree.ModelDef) -> set[str]:
    """The names that may be columns: all in the `@data` block, or without one those of the model's arguments."""
    if spec.data is not None:
        return {name.id for name in names_in(spec.data.body)}
    return {param.name for param in (*model.params, *model.keywords)}


def _block_values(source: Source, spec: tree.Spec, table: Table) -> dict[str, Value]:
    """The names that the block defines; without a block, the columns themselves."""
    columns: dict[str, Value] = {name: column_value(name, column) for name, column in table.columns.items()}
    block = spec.data
    if block is None:
        return columns
    cx = new_context(source, spec)
    cx.columns = table.name
    cx.data_only = True
    cx.scope.update({name: columns.get(name, Nothing("missing")) for name in table.names})
    cx.scope["nrow()"] = Tensor(ir.Ref("nrow", ir.Type("int"), data=True), table.rows)
    return _assigned(cx, block)


def column_value(name: str, column: Array) -> Tensor:
    """A column as a value of the block."""
    return known_tensor(ir.Ref(name, known_type(column), data=True), column)


def _assigned(cx: Context, block: tree.DataBlock) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for statement in block.body:
        names = tree.target_names(statement.target) if isinstance(statement, tree.Assign) else ()
        if not isinstance(statement, tree.Assign) or not names:
            cx.report(Wrong(Diagnostic("`@data` holds assignments: `name = expression`", statement.span)))
            continue
        try:
            for name, value in zip(names, _parts(cx, names, statement), strict=True):
                values[name] = cx.scope[name] = _as_argument(cx, name, value, statement)
        except Wrong as wrong:
            cx.report(wrong)
            for name in names:
                cx.scope.setdefault(name, Nothing("missing"))
    if cx.diagnostics:
        cx.data_faults = len(cx.diagnostics) if cx.columns else 0
        raise_diagnostics(cx)
    return values


def _parts(cx: Context, names: Sequence[str], statement: tree.Assign) -> Sequence[Value]:
    """The values that a statement of the block gives its names: one, or the parts of a tuple."""
    value = cx.expr(statement.value)
    if isinstance(statement.target, tree.Name):
        if isinstance(value, TupleValue) and _called(statement.value) == "levels":
            hint = "give each a name: `a, b = levels(a, b; shared=true)`"
            cx.fail(statement.value, f"this gives {len(value.items)} values for the one name `{names[0]}`", hint)
        return [value]
    if not isinstance(value, TupleValue) or len(value.items) != len(names):
        hint = "`levels(a, b; shared=true)` gives codes for each of its columns"
        cx.fail(statement.value, f"expected {len(names)} values for {len(names)} names, found {describe(value)}", hint)
    return value.items


def _called(node: tree.Expression) -> str:
    """The name of the function that is called, if that is all there is."""
    return node.function.id if isinstance(node, tree.Call) and isinstance(node.function, tree.Name) else ""


def _as_argument(cx: Context, name: str, value: Value, node: tree.Node) -> Value:
    """A value of the block under its name: what it was computed from is behind it."""
    from mlmdsl.compiler.indexing import range_tensor

    if isinstance(value, Nothing):
        return Absent(name)
    if isinstance(value, RangeValue):
        value = range_tensor(cx, value, node)
    numbers = tensor(cx, value, node)
    known = numbers.known
    if known is None and cx.columns:
        cx.fail(node, f"`{name}` cannot be computed from the table: {describe(value)}")
    if isinstance(known, Array):
        known = known if known.name is not None else replace(known, name=name)
    type_ = known_type(known) if known is not None else numbers.type
    return Tensor(ir.Ref(name, type_, data=True), known, numbers.counts, _levels(numbers, known))


def _levels(value: Tensor, known: Scalar | Array | None) -> Axis | None:
    return known.levels if isinstance(known, Array) else value.levels


def _abstract_block(source: Source, spec: tree.Spec) -> dict[str, Value]:
    if spec.data is None:
        return {}
    cx = new_context(source, spec)
    row = Axis("row", "nrow()")
    assigned: set[str] = set()
    for statement in spec.data.body:
        called = _called_names(statement)
        for mention in names_in(statement.value) if isinstance(statement, tree.Assign) else ():
            known = mention.id in assigned or mention.id in cx.scope or mention.id in called
            if not known and not _is_known_name(mention.id):
                cx.scope[mention.id] = Tensor(ir.Ref(mention.id, ir.Type("any", (), (row,)), data=True))
        if isinstance(statement, tree.Assign):
            assigned.update(tree.target_names(statement.target))
    return _assigned(cx, spec.data)


def _called_names(node: object) -> set[str]:
    """Names that a statement calls, binds or passes to `map`: they are no columns, unless they stand as values too."""
    found: set[str] = set()
    if isinstance(node, tuple):
        return found.union(*(_called_names(item) for item in node))
    if not isinstance(node, tree.Node):
        return found
    if isinstance(node, tree.Iterator):
        found |= {target.id for target in node.targets}
    if isinstance(node, tree.Lambda):
        found |= {param.id for param in node.params}
    return found.union(*(_called_names(getattr(node, field)) for field in node.__dataclass_fields__))


def _is_known_name(name: str) -> bool:
    """Whether a name is a value of the language (π, I, Int, a distribution): a function's name may be a column's too."""
    from mlmdsl.language.functions import CONSTANTS, FUNCTIONS

    return name in CONSTANTS or (name not in FUNCTIONS and named_value(name) is not None)


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _given_values(model: tree.ModelDef, given: Mapping[str, Any]) -> dict[str, Value]:
    """What a caller passes by name: arrays, numbers, None for `missing`."""
    names = [param.name for param in (*model.params, *model.keywords)]
    values: dict[str, Value] = {}
    for name, value in given.items():
        name = str(name)
        if name not in names:
            hint = did_you_mean(name, names) or f"its arguments: {', '.join(names)}"
            raise DataError([Diagnostic(f"the model `{model.name}` has no argument `{name}`", hint=hint)])
        values[name] = given_value(name, value)
    return values


def given_value(name: str, value: Any) -> Value:
    """A Python value as an argument."""
    value = plain_value(name, value)
    if value is None or (isinstance(value, str) and value == "missing"):
        return Absent(name)
    if isinstance(value, str | bool | int | float):
        number: Scalar = value
        return Tensor(ir.Ref(name, known_type(number), data=True), number)
    array = given_array(name, value)
    if not isinstance(array, Array):
        return Tensor(ir.Ref(name, known_type(array), data=True), array)
    return column_value(name, array)


def _fill(
    source: Source, spec: tree.Spec, model: tree.ModelDef, values: Mapping[str, Value], columns: Iterable[str] = ()
) -> Arguments:
    """Every argument of the model: given, by default, or missing. `columns` are offered where one has no value."""
    cx = new_context(source, spec)
    cx.data_only = cx.in_model = True
    result: dict[str, Value] = {}
    defaults: dict[str, ir.Expr] = {}
    drawn = drawn_names(model.body)
    values = _apart(values)
    for param in (*model.params, *model.keywords):
        value = values.get(param.name)
        if value is None and param.default is not None:
            value = _default(cx, param, defaults)
        if value is None:
            value = Absent(param.name)
            if param.name not in drawn:
                _not_supplied(cx, model, param, {*values, *columns} if spec.data is None else values)
        result[param.name] = cx.scope[param.name] = value
    if cx.diagnostics:
        cx.data_faults = len(cx.diagnostics)
        raise_diagnostics(cx)
    return Arguments(result, defaults)


def _apart(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with axes of one name but two sizes told apart: the longest keeps the name (it is the rows')."""
    longest: dict[str, int] = {}
    for value in values.values():
        for axis in value.type.axes if isinstance(value, Tensor) else ():
            if isinstance(axis.size, int):
                longest[axis.name] = max(axis.size, longest.get(axis.name, 0))
    return {name: _renamed(name, value, longest) for name, value in values.items()}


def _renamed(name: str, value: Value, longest: Mapping[str, int]) -> Value:
    if not isinstance(value, Tensor) or not isinstance(value.known, Array):
        return value
    if all(axis.size == longest.get(axis.name) for axis in value.type.axes):
        return value
    axes = tuple(
        axis
        if axis.size == longest.get(axis.name)
        else replace(axis, name=name if axis.name == ROW else f"{name}_{axis.name}")
        for axis in value.known.axes
    )
    return replace(column_value(name, replace(value.known, axes=axes)), counts=value.counts, levels=value.levels)


def _default(cx: Context, param: tree.Param, defaults: dict[str, ir.Expr]) -> Value | None:
    assert param.default is not None
    if isinstance(param.default, tree.Name) and param.default.id in ("Float64", "Float32", "Real", "Int"):
        return Nothing(param.default.id)
    try:
        value = cx.expr(param.default)
    except Wrong as wrong:
        cx.report(wrong)
        return Nothing("missing")
    if isinstance(value, Nothing):
        return Absent(param.name)
    if not isinstance(value, Tensor):
        return value
    if not isinstance(value.expr, ir.Const) and not _is_unwritten(value.expr):
        defaults[param.name] = value.expr
    type_ = value.type if value.known is None else known_type(value.known)
    low, high = (value.type.low, value.type.high) if type_.rank == 0 else (type_.low, type_.high)
    typed = ir.Type(type_.element, (), type_.axes, low, high)
    return Tensor(ir.Ref(param.name, typed, data=True), value.known, value.counts, value.levels)


def _not_supplied(cx: Context, model: tree.ModelDef, param: tree.Param, values: Iterable[str]) -> None:
    hint = (
        did_you_mean(param.name, values)
        or "define it in `@data`, pass a table with a column of that name, or give it a value"
    )
    cx.report(Wrong(Diagnostic(f"the argument `{param.name}` of `{model.name}` has no value", param.span, hint)))


def _is_unwritten(expr: ir.Expr) -> bool:
    """Whether an expression holds a value that has no form in the program."""
    return any(isinstance(node, ir.Ref) and node.name == UNWRITTEN.name for node in ir.walk(expr))
