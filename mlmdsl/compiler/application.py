"""Calls as the author writes them: what the name stands for, the arguments with their splats, and the call of any value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mlmdsl.compiler.calls import call_function, elementwise_call
from mlmdsl.compiler.combinators import combine
from mlmdsl.compiler.comprehensions import comprehension
from mlmdsl.compiler.context import Context, keyword_part
from mlmdsl.compiler.elementwise import LOGICAL
from mlmdsl.compiler.families import family_draw
from mlmdsl.compiler.indexing import index
from mlmdsl.compiler.nested import unfilled
from mlmdsl.compiler.operators import binary, tensor, unary
from mlmdsl.compiler.references import viewed
from mlmdsl.compiler.special import special_call
from mlmdsl.compiler.values import (
    Absent,
    Builtin,
    Closure,
    FamilyName,
    Nothing,
    OperatorFunction,
    ScaledIdentity,
    Tensor,
    Text,
    TupleValue,
    TypeName,
    Value,
    describe,
)
from mlmdsl.language import tree
from mlmdsl.language.distributions import COMBINATORS, DISTRIBUTIONS
from mlmdsl.language.elsewhere import not_supported, written_here
from mlmdsl.language.errors import did_you_mean
from mlmdsl.language.functions import CONSTANTS, FUNCTIONS, TYPE_NAMES

NOTHINGS = frozenset({"missing", "nothing", "undef"})
OPERATOR_NAMES = frozenset({"+", "-", "*", "/", "\\", "^", "%", "÷", "⋅"}) | LOGICAL - {"&&", "||"}
_SPELLINGS = {"≤": "<=", "≥": ">=", "≠": "!=", "∈": "in", "===": "==", "!==": "!="}


def named_value(name: str) -> Value | None:
    """What a name of the language stands for."""
    if name in NOTHINGS:
        return Nothing(name)
    if name in DISTRIBUTIONS or name in COMBINATORS:
        return FamilyName(name)
    if name in FUNCTIONS and name not in ("Float64", "Int", "Vector", "Matrix", "Array"):
        return Builtin(FUNCTIONS[name])
    if name in TYPE_NAMES:
        return TypeName(name)
    plain = _SPELLINGS.get(name.removeprefix("."), name.removeprefix("."))
    return OperatorFunction(plain, dotted=plain != name and name[0] == ".") if plain in OPERATOR_NAMES else None


def lower_call(cx: Context, node: tree.Call) -> Value:
    """`f(args; keywords)`, with the forms that are no plain call: `ismissing`, `view`, a generator, `hcat(xs...)`."""
    if _is_name(node.function, ("ismissing", "coalesce")) and node.args:
        return _of_missing(cx, node)
    if isinstance(node.function, tree.Name) and node.function.id == "view" and "view" not in cx.scope and node.args:
        base = cx.expr(node.args[0])
        return viewed(index(cx, base, node.args[1:], node), base)
    if len(node.args) == 1 and isinstance(node.args[0], tree.Splat) and _is_name(node.function, ("hcat", "vcat")):
        joined = [_callee(cx, node.function), cx.expr(node.args[0].operand)]
        return call_function(cx, FUNCTIONS["reduce"], joined, {}, False, node)
    nested = unfilled(cx, node)
    if nested is not None:
        return nested
    function = _callee(cx, node.function)
    if _is_generator_call(node):
        argument = cast(tree.Generator, node.args[-1])
        args = [*(cx.expr(arg) for arg in node.args[:-1]), comprehension(cx, argument)]
    else:
        args = [value for arg in node.args for value in items_of(cx, arg)]
    keywords = {keyword.name: cx.expr(keyword.value) for keyword in node.keywords}
    return call_value(cx, function, args, keywords, node.dotted, node)


def _is_name(node: tree.Expression, names: Sequence[str]) -> bool:
    return isinstance(node, tree.Name) and node.id in names


def _of_missing(cx: Context, node: tree.Call) -> Value:
    """`ismissing(x)`, `coalesce(x, y)`: an argument that was not supplied is `missing` as a whole."""
    values = []
    for arg in node.args:
        value = cx.scope.get(arg.id) if isinstance(arg, tree.Name) else None
        values.append(value if isinstance(value, Absent | Nothing) else cx.expr(arg))
    return call_function(cx, FUNCTIONS[cast(tree.Name, node.function).id], values, {}, node.dotted, node)


def _is_generator_call(node: tree.Call) -> bool:
    return bool(node.args) and isinstance(node.args[-1], tree.Generator)


def items_of(cx: Context, node: tree.Expression) -> Sequence[Value]:
    """The values that one argument, or one item of a tuple, stands for."""
    if isinstance(node, tree.Splat):
        value = cx.expr(node.operand)
        if not isinstance(value, TupleValue):
            return _spread(cx, value, node)
        return value.items
    if isinstance(node, tree.Colon):
        return [Text(":")]
    return [cx.expr(node)]


def _spread(cx: Context, value: Value, node: tree.Splat) -> Sequence[Value]:
    """The items of a vector whose length is known."""
    length = value.rank and value.type.axes[0].size if isinstance(value, Tensor) else None
    if not isinstance(value, Tensor) or value.rank != 1 or not isinstance(length, int):
        cx.fail(node, f"`...` spreads a tuple or a vector of a known length, found {describe(value)}")
    return [index(cx, value, [tree.Number(value=k + 1, span=node.span)], node) for k in range(length)]


def _callee(cx: Context, node: tree.Expression) -> Value:
    """What is called: a function by name (`Turing.filldist` is `filldist`), a type, or a value."""
    if isinstance(node, tree.Field):
        base = node.base
        if isinstance(base, tree.Name) and base.id not in cx.scope and base.id[:1].isupper():
            return _callee(cx, tree.Name(id=node.name, span=node.span))
    if isinstance(node, tree.TypeApply):
        return _callee(cx, node.base)
    if isinstance(node, tree.Name) and (node.id not in cx.scope or isinstance(cx.scope[node.id], Tensor)):
        if node.id in FUNCTIONS:
            return Builtin(FUNCTIONS[node.id])
        if (
            node.id not in cx.scope
            and node.id not in DISTRIBUTIONS
            and node.id not in COMBINATORS
            and node.id not in CONSTANTS
            and named_value(node.id) is None
        ):
            candidates = [
                *FUNCTIONS,
                *DISTRIBUTIONS,
                *COMBINATORS,
                *(k for k, v in cx.scope.items() if isinstance(v, Closure) and v.body not in cx.calls),
            ]
            refused = not_supported(node.id)
            if refused is not None:
                cx.fail(node, *refused)
            hint = written_here(node.id) or did_you_mean(node.id, candidates)
            cx.fail(node, f"unknown function or distribution `{node.id}`", hint)
    return cx.expr(node)


def _apply_operator(
    cx: Context, function: OperatorFunction, args: Sequence[Value], dotted: bool, node: tree.Node
) -> Value:
    """Call an operator that is a value: `+` and `*` of any number of values, the others of two, `-` and `!` of one."""
    op = function.op
    if len(args) == 1 and op in ("+", "-", "!", "*"):
        return args[0] if op == "*" else unary(cx, op, args[0], dotted, node)
    if len(args) < 2 or (len(args) > 2 and op not in ("+", "*")) or op == "!":
        cx.fail(node, f"`{op}` takes {'one value' if op == '!' else 'two values'}, found {len(args)}")
    result = args[0]
    for arg in args[1:]:
        if op in ("%", "÷"):
            pair = [tensor(cx, result, node), tensor(cx, arg, node)]
            result = elementwise_call(cx, FUNCTIONS["rem" if op == "%" else "div"], pair, dotted, node)
        else:
            result = binary(cx, op, result, arg, dotted, node)
    return result


def call_value(
    cx: Context, function: Value, args: Sequence[Value], keywords: Mapping[str, Value], dotted: bool, node: tree.Node
) -> Value:
    """Call a value."""
    if isinstance(function, Builtin):
        return call_function(cx, function.row, args, keywords, dotted, node)
    if isinstance(function, FamilyName):
        if function.name in COMBINATORS:
            return combine(cx, function.name, args, keywords, dotted, node)
        if keywords:
            unknown = next(iter(keywords))
            cx.fail(
                keyword_part(node, unknown),
                f"{function.name} takes no keyword `{unknown}`",
                "its parameters are positional",
            )
        return family_draw(cx, function.name, args, dotted, node)
    if isinstance(function, OperatorFunction):
        return _apply_operator(cx, function, args, dotted or function.dotted, node)
    if isinstance(function, Closure):
        from mlmdsl.compiler.inline import inline

        return inline(cx, function, args, keywords, dotted, node)
    if isinstance(function, Tensor) and len(args) == 1:
        cx.fail(node, f"{describe(function)} is not a function", "write `*` to multiply, `[i]` to index")
    if isinstance(function, ScaledIdentity):
        return special_call(cx, FUNCTIONS["I"], args, {}, False, node)
    return cast(Value, cx.fail(node, f"{describe(function)} is not a function"))
