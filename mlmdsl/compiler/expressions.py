"""Expressions of the author's, one function a kind of node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.application import items_of, lower_call, named_value
from mlmdsl.compiler.calls import call_function, elementwise_call
from mlmdsl.compiler.comprehensions import comprehension, gathered
from mlmdsl.compiler.context import Carried, Context, Divided, Wrong
from mlmdsl.compiler.elementwise import constant, elementwise, verify_condition
from mlmdsl.compiler.indexing import index
from mlmdsl.compiler.operators import adjoint, binary, tensor, transposed, unary
from mlmdsl.compiler.parts import asks_missing, divide_by_truth, settled_condition
from mlmdsl.compiler.references import viewed
from mlmdsl.compiler.special import special_call
from mlmdsl.compiler.values import (
    Absent,
    Builtin,
    Closure,
    Draw,
    Factorization,
    Nothing,
    OrthogonalTriangular,
    RangeValue,
    Rows,
    ScaledIdentity,
    Tensor,
    Text,
    TupleValue,
    TypeName,
    Value,
    describe,
)
from mlmdsl.language import tree
from mlmdsl.language.elsewhere import written_here
from mlmdsl.language.errors import did_you_mean
from mlmdsl.language.functions import CONSTANTS, FUNCTIONS
from mlmdsl.language.types import Array, Symbol


def lower_expression(cx: Context, node: tree.Expression) -> Value:
    """The value of an expression."""
    return _RULES[type(node)](cx, node)


def _number(cx: Context, node: tree.Number) -> Value:
    return constant(node.value)


def _text(cx: Context, node: tree.String | tree.Symbol) -> Value:
    return Text(Symbol(node.value) if isinstance(node, tree.Symbol) else node.value)


def _name(cx: Context, node: tree.Name) -> Value:
    value = cx.scope.get(node.id)
    if isinstance(value, Absent):
        cx.fail(
            node,
            f"`{node.id}` is missing: it has no value before its `~`",
            f"supply `{node.id}`, or do not use it in the priors",
        )
    if value is not None:
        return Rows(value, 0) if node.id in cx.vectors and isinstance(value, Tensor) else value
    if node.id in CONSTANTS:
        return constant(CONSTANTS[node.id])
    if node.id == "I":
        return ScaledIdentity(constant(1.0))
    found = named_value(node.id)
    if found is not None:
        return found
    if node.id in cx.later:
        cx.fail(node, f"`{node.id}` is used before its `~` or `=`", "move the statement that defines it up")
    if cx.columns:
        known = [key for key in cx.scope if key not in cx.functions and key != "nrow()"]
        cx.fail(
            node,
            f"{cx.columns} has no column `{node.id}`",
            did_you_mean(node.id, known) or f"its columns: {', '.join(known[:12])}",
        )
    values = [name for name, value in cx.scope.items() if not isinstance(value, Closure)]
    candidates = [*values, *cx.later, *CONSTANTS]
    return cast(
        Value, cx.fail(node, f"unknown name `{node.id}`", written_here(node.id) or did_you_mean(node.id, candidates))
    )


def _operator(cx: Context, node: tree.Operator) -> Value:
    values = [cx.expr(operand) for operand in node.operands]
    if len(values) == 1:
        return unary(cx, node.op, values[0], node.dotted, node)
    if node.op in ("%", "÷"):
        name = "rem" if node.op == "%" else "div"
        return elementwise_call(cx, FUNCTIONS[name], [tensor(cx, value, node) for value in values], node.dotted, node)
    if node.op == "^" and _is_negative_literal(node.operands[1]):
        values[0] = _as_real(cx, values[0], node)
    return binary(cx, node.op, values[0], values[1], node.dotted, node)


def _is_negative_literal(node: tree.Expression) -> bool:
    """Whether an exponent is a negative whole number as written: Julia then raises the inverse, so that `2^-1` is 0.5."""
    return (
        isinstance(node, tree.Operator)
        and (node.op, len(node.operands)) == ("-", 1)
        and isinstance(node.operands[0], tree.Number)
        and isinstance(node.operands[0].value, int)
    )


def _as_real(cx: Context, value: Value, node: tree.Node) -> Value:
    if not isinstance(value, Tensor) or value.type.element == "real":
        return value
    return elementwise_call(cx, FUNCTIONS["float"], [value], True, node)


def _comparison(cx: Context, node: tree.Comparison) -> Value:
    values = [
        cx.scope[operand.id]
        if isinstance(operand, tree.Name) and isinstance(cx.scope.get(operand.id), Absent)
        else cx.expr(operand)
        for operand in node.operands
    ]
    result: Value | None = None
    for op, dotted, left, right in zip(node.ops, node.dotted, values, values[1:], strict=False):
        part = _compare(cx, op, dotted, left, right, node)
        result = part if result is None else binary(cx, "&&", result, part, True, node)
    return cast(Value, result)


def _compare(cx: Context, op: str, dotted: bool, left: Value, right: Value, node: tree.Node) -> Value:
    if isinstance(right, Nothing) or isinstance(left, Nothing):
        same = isinstance(left, Nothing | Absent) and isinstance(right, Nothing | Absent)
        return constant(same if op in ("==", "===") else not same)
    if isinstance(left, Text) and isinstance(right, Text):
        return constant((left.text == right.text) == (op in ("==", "===")))
    op = {"===": "==", "!==": "!="}.get(op, op)
    if op == "in" and not dotted:
        return _member(cx, left, right, node)
    sides = [_comparable(cx, side, node) for side in (left, right)]
    return elementwise(cx, op, sides, dotted, node)


def _member(cx: Context, left: Value, right: Value, node: tree.Node) -> Value:
    """`x in (a, b)`, `x ∈ xs`: whether x equals an item."""
    items = list(right.items) if isinstance(right, TupleValue) else [right]
    found: Value = constant(False)
    for item in items:
        numbers = tensor(cx, _compare(cx, "==", True, left, item, node), node)
        same = call_function(cx, FUNCTIONS["any"], [numbers], {}, False, node) if numbers.rank else numbers
        found = (
            same if isinstance(found, Tensor) and found.known is False else binary(cx, "||", found, same, True, node)
        )
    return found


def _comparable(cx: Context, value: Value, node: tree.Node) -> Tensor:
    if isinstance(value, Text):
        return Tensor(ir.Call("text", (), ir.Type("text"), (("text", value.text),)), value.text)
    return tensor(cx, value, node)


def _logical(cx: Context, node: tree.Logical) -> Value:
    left = tensor(cx, cx.expr(node.left), node)
    if isinstance(left.known, bool) and not node.dotted and left.known == (node.op == "||"):
        return constant(left.known)
    with cx.branch(left, node.op == "&&"):
        right = tensor(cx, cx.expr(node.right), node)
    return elementwise(cx, node.op, [left, right], node.dotted, node)


def _not(cx: Context, node: tree.Not) -> Value:
    value = cx.expr(node.operand)
    if isinstance(value, Builtin | Closure) and not node.dotted:
        return _negated(cx, node)
    return elementwise(cx, "!", [tensor(cx, value, node)], node.dotted, node)


def _negated(cx: Context, node: tree.Not) -> Closure:
    """`!f`: the function that says the opposite."""
    item = tree.Name(id="x", span=node.span)
    call = tree.Call(function=node.operand, args=(item,), keywords=(), dotted=False, span=node.span)
    body = tree.ExpressionStatement(value=replace(node, operand=call), span=node.span)
    return Closure("this function", ("x",), (), (body,), dict(cx.scope), (), len(cx.frames), frozenset(cx.iterating))


def _ternary(cx: Context, node: tree.Ternary) -> Value:
    condition = tensor(cx, cx.expr(node.condition), node)
    verify_condition(cx, condition, "? :", node.condition)
    condition = settled_condition(cx, condition, node.condition)
    if isinstance(condition.known, bool):
        return cx.expr(node.then if condition.known else node.otherwise)
    if condition.type.loops and asks_missing(condition.expr):
        divide_by_truth(cx, condition, node.condition)
    try:
        return _chosen(cx, condition, node)
    except Divided:
        raise
    except (Wrong, Carried):
        if condition.type.loops:
            divide_by_truth(cx, condition, node.condition)
        raise


def _chosen(cx: Context, condition: Tensor, node: tree.Ternary) -> Value:
    """A value by a condition that differs from iteration to iteration, or that parameters decide."""
    with cx.branch(condition, True):
        then = cx.expr(node.then)
    with cx.branch(condition, False):
        otherwise = cx.expr(node.otherwise)
    return choose(cx, condition, then, otherwise, node)


def choose(cx: Context, condition: Tensor, then: Value, otherwise: Value, node: tree.Node) -> Value:
    """One of two values by a condition that data or parameters decide."""
    if isinstance(then, Draw) or isinstance(otherwise, Draw):
        cx.fail(
            node, "`? :` between distributions needs a condition known from the data", "choose between their parameters"
        )
    args = [condition, tensor(cx, then, node), tensor(cx, otherwise, node)]
    return elementwise_call(cx, FUNCTIONS["ifelse"], args, True, node)


def _range(cx: Context, node: tree.Range) -> Value:
    start, stop = tensor(cx, cx.expr(node.start), node), tensor(cx, cx.expr(node.stop), node)
    step = tensor(cx, cx.expr(node.step), node) if node.step else constant(1)
    for end in (start, stop, step):
        if end.rank:
            cx.fail(node, f"the ends of a range are numbers, found {describe(end)}")
    return RangeValue(start, stop, step)


def _index(cx: Context, node: tree.Index) -> Value:
    base = cx.expr(node.base)
    found = index(cx, base, node.indices, node)
    return viewed(found, base) if node.view else found


def _end(cx: Context, node: tree.End) -> Value:
    if not cx.ends:
        cx.fail(node, "`end` stands only inside an index")
    return cx.ends[-1]


def _colon(cx: Context, node: tree.Colon) -> Value:
    return cast(Value, cx.fail(node, "`:` alone stands only inside an index"))


def _field(cx: Context, node: tree.Field) -> Value:
    base = node.base
    if isinstance(base, tree.Name) and base.id not in cx.scope and base.id[:1].isupper() and base.id not in cx.later:
        return cx.expr(tree.Name(id=node.name, span=node.span))
    value = cx.expr(base)
    if isinstance(value, Factorization):
        return _factor(cx, value, node)
    if isinstance(value, OrthogonalTriangular) and node.name in ("Q", "R"):
        matrix = value.matrix
        axes = matrix.type.axes if node.name == "Q" else (matrix.type.axes[1],) * 2
        return Tensor(ir.Call(f"qr_{node.name}", (matrix.expr,), ir.Type("real", matrix.type.loops, axes)))
    if isinstance(value, TupleValue) and value.names and node.name in value.names:
        return value.items[value.names.index(node.name)]
    return cast(
        Value,
        cx.fail(
            node,
            f"{describe(value)} has no field `{node.name}`",
            "a Cholesky factorisation has L and U, a QR one Q and R",
        ),
    )


def _factor(cx: Context, value: Factorization, node: tree.Field) -> Value:
    if node.name == "L":
        return value.lower
    if node.name in ("U", "UL"):
        return transposed(value.lower)
    if node.name == "chol":
        return Factorization(value.lower)
    if node.name == "mat":
        return tensor(cx, Factorization(value.lower, matrix=True), node)
    return cast(
        Value, cx.fail(node, f"a Cholesky factorisation has no field `{node.name}`", "its factors are `L` and `U`")
    )


def _adjoint(cx: Context, node: tree.Adjoint) -> Value:
    return adjoint(cx, cx.expr(node.operand), node)


def stack(cx: Context, items: Sequence[Tensor], node: tree.Node) -> Tensor:
    """Numbers as a vector."""
    if not items:
        return Tensor(ir.Call("zeros", (), ir.Type("real", (), (cx.axis("of_0", constant(0)),))))
    axis = cx.axis(f"of_{len(items)}", constant(len(items)))
    loops = cx.loop_axes(item.type for item in items)
    low, high = min(item.type.low for item in items), max(item.type.high for item in items)
    elements = {item.type.element for item in items}
    kinds: dict[str, ir.Element] = {"bool": "bool", "text": "text"}
    whole: ir.Element = "int" if elements <= {"int", "bool"} else "real"
    element = kinds.get(next(iter(elements)), whole) if len(elements) == 1 else whole
    known: object = None
    if all(item.known is not None and not item.type.loops for item in items):
        from mlmdsl.language import julia

        known = julia.vector_literal([item.known for item in items])
    type_ = ir.Type(element, loops, (axis,), low, high)
    return Tensor(ir.Stack(tuple(item.expr for item in items), type_), known if isinstance(known, Array) else None)


def _vector(cx: Context, node: tree.VectorLiteral) -> Value:
    values = [cx.expr(item) for item in node.items]
    if node.concatenate and any(not isinstance(value, Tensor) or value.rank for value in values):
        return special_call(cx, FUNCTIONS["vcat"], values, {}, False, node)
    if not values:
        return stack(cx, [], node)
    if len(values) == 1 and isinstance(values[0], RangeValue) and node.concatenate:
        return call_function(cx, FUNCTIONS["collect"], values, {}, False, node)
    return gathered(cx, values, node)


def _matrix(cx: Context, node: tree.MatrixLiteral) -> Value:
    rows = [[tensor(cx, cx.expr(item), node) for item in row] for row in node.rows]
    if any(item.rank for row in rows for item in row):
        joined = [special_call(cx, FUNCTIONS["hcat"], row, {}, False, node) for row in rows]
        return joined[0] if len(joined) == 1 else special_call(cx, FUNCTIONS["vcat"], joined, {}, False, node)
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        cx.fail(node, f"the rows of a matrix have one length, found {' and '.join(map(str, sorted(widths)))}")
    parts = [stack(cx, row, node) for row in rows]
    axis = cx.axis(f"of_{len(rows)}", constant(len(rows)))
    loops = cx.loop_axes(part.type for part in parts)
    bounds = [(part.type.low, part.type.high) for part in parts]
    type_ = ir.Type("real", loops, (axis, parts[0].type.axes[0]), min(b[0] for b in bounds), max(b[1] for b in bounds))
    return Tensor(ir.Stack(tuple(part.expr for part in parts), type_))


def _tuple(cx: Context, node: tree.Tuple) -> Value:
    return TupleValue(tuple(value for item in node.items for value in items_of(cx, item)), node.names)


def _lambda(cx: Context, node: tree.Lambda) -> Value:
    body = (tree.ExpressionStatement(value=node.body, span=node.span),)
    params = tuple(param.id for param in node.params)
    return Closure("this function", params, (), body, dict(cx.scope), (), len(cx.frames), frozenset(cx.iterating))


def _generator(cx: Context, node: tree.Generator) -> Value:
    return comprehension(cx, node)


def _splat(cx: Context, node: tree.Splat) -> Value:
    return cast(Value, cx.fail(node, "`...` stands only among the arguments of a call"))


def _type_apply(cx: Context, node: tree.TypeApply) -> Value:
    name = node.base.id if isinstance(node.base, tree.Name) else "Array"
    return TypeName(name)


_RULES: dict[type, Callable[[Context, Any], Value]] = {
    tree.Number: _number,
    tree.Boolean: _number,
    tree.String: _text,
    tree.Symbol: _text,
    tree.Name: _name,
    tree.Operator: _operator,
    tree.Comparison: _comparison,
    tree.Logical: _logical,
    tree.Not: _not,
    tree.Ternary: _ternary,
    tree.Range: _range,
    tree.Call: lower_call,
    tree.Colon: _colon,
    tree.End: _end,
    tree.Index: _index,
    tree.Field: _field,
    tree.Adjoint: _adjoint,
    tree.VectorLiteral: _vector,
    tree.MatrixLiteral: _matrix,
    tree.Tuple: _tuple,
    tree.Comprehension: comprehension,
    tree.Generator: _generator,
    tree.Lambda: _lambda,
    tree.Splat: _splat,
    tree.TypeApply: _type_apply,
}
