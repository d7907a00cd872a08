"""The author's own functions: their bodies stand where they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from mlmdsl.compiler.comprehensions import comprehend
from mlmdsl.compiler.context import Context, Wrong, keyword_part
from mlmdsl.compiler.definitions import evaluate
from mlmdsl.compiler.dependence import names_in
from mlmdsl.compiler.values import Closure, Nothing, Tensor, TupleValue, Value, Zipped
from mlmdsl.language import tree
from mlmdsl.language.errors import did_you_mean

MAX_CALLS = 5_000
"""Calls of helper functions in a model; each is a copy of the function's body."""

MAX_NESTED_CALLS = 15
"""Helper functions that call one another."""


def inline(
    cx: Context, function: Closure, args: Sequence[Value], keywords: Mapping[str, Value], dotted: bool, node: tree.Node
) -> Value:
    """A call of a helper function."""
    if dotted and any(isinstance(arg, Tensor) and arg.rank for arg in args):
        return _each(cx, function, args, node)
    with _called(cx, function, node):
        cx.scope = _bind(cx, function, args, keywords, node)
        used = {name.id for statement in function.body for name in names_in(statement)}
        for name in sorted(set(function.params) - used):
            evaluate(cx, cx.scope[name], node)
        return _body_value(cx, function.body, function.name, node)


@contextmanager
def _called(cx: Context, function: Closure, node: tree.Node) -> Iterator[None]:
    """Inside a call: names and loops of the caller are out of sight, and the function itself cannot be called."""
    if any(body is function.body for body in cx.calls):
        cx.fail(node, f"{function.name} calls itself: a helper function cannot be recursive", "write a loop")
    cx.inlined += 1
    if cx.inlined > MAX_CALLS or len(cx.calls) >= MAX_NESTED_CALLS:
        many = f"{MAX_CALLS} calls" if cx.inlined > MAX_CALLS else f"{MAX_NESTED_CALLS} calls in one another"
        cx.fail(node, f"a model has at most {many} of helper functions", "let a function take and give whole arrays")
    saved = cx.scope, cx.drawn_names, cx.later, cx.keep_names, cx.accumulators
    cx.drawn_names, cx.later, cx.keep_names, cx.accumulators = set(), set(), 0, {}
    cx.calls.append(function.body)
    cx.frames.append((cx.scope, bool(cx.loops or cx.sequential or cx.keep_names)))
    depth = len(cx.frames)
    try:
        yield
    except Wrong as wrong:
        span = wrong.diagnostic.span
        here = span is not None and node.span.start <= span.start < node.span.end
        if here or function.scope is not None or len(cx.calls) > 1:
            raise
        line, _ = cx.source.position(node.span.start)
        message = f"{wrong.diagnostic.message} (`{function.name}` is called on line {line})"
        raise Wrong(replace(wrong.diagnostic, message=message), wrong.silent, wrong.data) from None
    finally:
        cx.calls.pop()
        del cx.frames[depth - 1 :]
        cx.scope, cx.drawn_names, cx.later, cx.keep_names, cx.accumulators = saved


def _each(cx: Context, function: Closure, args: Sequence[Value], node: tree.Node) -> Value:
    """`f.(x, y)`: f of each element; numbers are the same for all."""
    arrays = [position for position, arg in enumerate(args) if isinstance(arg, Tensor) and arg.rank]
    if any(cast(Tensor, args[position]).rank > 1 for position in arrays):
        cx.fail(node, f"`{function.name}.(…)` is for vectors here", "write the function's body with dots")
    iterable: Value = args[arrays[0]] if len(arrays) == 1 else Zipped(tuple(args[position] for position in arrays))

    def body(bound: Sequence[Value]) -> Value:
        items = [bound[0]] if len(arrays) == 1 else list(cast(TupleValue, bound[0]).items)
        filled = list(args)
        for position, item in zip(arrays, items, strict=True):
            filled[position] = item
        return inline(cx, function, filled, {}, False, node)

    return comprehend(cx, [("x", iterable)], body, node)


def _bind(
    cx: Context, function: Closure, args: Sequence[Value], keywords: Mapping[str, Value], node: tree.Node
) -> dict[str, Value]:
    scope = dict(_captured(cx, function) if function.scope is not None else cx.functions)
    defaults = dict(function.defaults)
    names = function.params
    positional = len(names) - len(function.keyword_names)
    if len(args) > positional:
        cx.fail(node, f"{function.name} takes {positional} argument{'s' if positional != 1 else ''}, found {len(args)}")
    for name, value in zip(names, args, strict=False):
        scope[name] = value
    for name, value in keywords.items():
        if name not in function.keyword_names:
            offered = did_you_mean(name, function.keyword_names)
            cx.fail(keyword_part(node, name), f"{function.name} has no keyword `{name}`", offered)
        scope[name] = value
    for name in (*names[len(args) : positional], *(key for key in function.keyword_names if key not in keywords)):
        if name not in defaults:
            cx.fail(node, f"{function.name} needs a value for `{name}`")
        saved, cx.scope = cx.scope, scope
        scope[name] = cx.expr(defaults[name])
        cx.scope = saved
    return scope


def _captured(cx: Context, function: Closure) -> dict[str, Value]:
    """What a lambda's body may refer to: the variables around it, as they are now."""
    scopes = [*(scope for scope, _ in cx.frames[:-1]), cx.frames[-1][0]] if cx.frames else [cx.scope]
    own = function.scope or {}
    if function.frame >= len(scopes):
        return own
    now = scopes[function.frame]
    return {name: value if name in function.fixed else now.get(name, value) for name, value in own.items()}


def _body_value(cx: Context, body: tuple[tree.Statement, ...], name: str, node: tree.Node) -> Value:
    """What a body returns: `return e`, or the last expression."""
    from mlmdsl.compiler.statements import lower_statement

    for position, statement in enumerate(body):
        last = position == len(body) - 1
        if isinstance(statement, tree.Tilde | tree.AddLogProb):
            cx.fail(
                statement,
                "a helper function draws nothing: `~` stands only in a @model",
                "let it return the distribution",
            )
        if isinstance(statement, tree.Return):
            return _returned(cx, statement)
        if isinstance(statement, tree.If):
            value = _conditional(cx, statement, body[position + 1 :], name, node)
            if value is not None:
                return value
            continue
        if isinstance(statement, tree.ExpressionStatement) and last:
            return cx.expr(statement.value)
        lower_statement(cx, statement)
        if last and isinstance(statement, tree.Assign) and isinstance(statement.target, tree.Name):
            return cx.scope[statement.target.id]
    return Nothing("nothing")


def _returned(cx: Context, statement: tree.Return) -> Value:
    value = statement.value
    if value is None:
        return Nothing("nothing")
    if isinstance(value, tree.Tilde):
        cx.fail(value, "a helper function draws nothing: `~` stands only in a @model")
    if isinstance(value, tree.Assign):
        return cx.expr(value.value)
    return cx.expr(value)


def _conditional(
    cx: Context, statement: tree.If, rest: tuple[tree.Statement, ...], name: str, node: tree.Node
) -> Value | None:
    """`if` in a helper: the branch that data decide, else both values and a choice between them."""
    from mlmdsl.compiler.expressions import choose
    from mlmdsl.compiler.operators import tensor
    from mlmdsl.compiler.statements import lower_statement

    for position, branch in enumerate(statement.branches):
        condition = tensor(cx, cx.expr(branch.condition), branch)
        if condition.known is False:
            continue
        if condition.known is True:
            if _returns(branch.body) or not rest:
                return _ends(cx, (*branch.body, *rest), name, node)
            _run(cx, branch.body)
            return None
        if not _returns(branch.body) and rest:
            lower_statement(cx, replace(statement, branches=statement.branches[position:]))
            return None
        others = statement.branches[position + 1 :]
        otherwise = (replace(statement, branches=others), *rest) if others else (*statement.otherwise, *rest)
        with cx.branch(condition, True):
            then = _ends(cx, branch.body, name, node)
        with cx.branch(condition, False):
            rest_value = _ends(cx, otherwise, name, node)
        return choose(cx, condition, then, rest_value, branch)
    if _returns(statement.otherwise) or not rest:
        return _ends(cx, (*statement.otherwise, *rest), name, node)
    _run(cx, statement.otherwise)
    return None


def _ends(cx: Context, body: tuple[tree.Statement, ...], name: str, node: tree.Node) -> Value:
    saved = dict(cx.scope)
    value = _body_value(cx, body, name, node)
    cx.scope.clear()
    cx.scope.update(saved)
    return value


def _run(cx: Context, body: tuple[tree.Statement, ...]) -> None:
    from mlmdsl.compiler.statements import lower_statement

    for statement in body:
        lower_statement(cx, statement)


def _returns(body: tuple[tree.Statement, ...]) -> bool:
    return any(isinstance(statement, tree.Return) for statement in body)
