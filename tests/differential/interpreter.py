"""Expressions and statements of the language, run one after another as Julia runs them.

Names are looked up through scopes: a function's body is one, each iteration of a loop another for the names that the loop's
body defines and no scope around it has. Everything else is a walk over the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from mlmdsl.language import tree
from tests.differential.functions import FUNCTIONS, TypeName, hcat, uninitialised, vcat
from tests.differential.operators import (
    COMPARISONS,
    NUMBERS,
    Scaling,
    adjoint,
    binary,
    broadcast,
    compare,
    divide,
    negated,
    truth,
)
from tests.differential.values import (
    ALL,
    MISSING,
    Unsupported,
    collected,
    elements,
    fail,
    getindex,
    int_range,
    is_array,
    is_number,
    length,
)

CONSTANTS: dict[str, Any] = {
    "π": 3.141592653589793, "pi": 3.141592653589793, "Inf": float("inf"), "NaN": float("nan"), "missing": MISSING,
    "nothing": None, "I": Scaling(1.0), "undef": TypeName("undef"),
    **{name: TypeName(name) for name in ("Int", "Int64", "Float64", "Bool", "Real")},
}  # fmt: skip


class Returned(Exception):
    """`return`: leaves the function."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__()


@dataclass
class Scope:
    """Names defined here, and the scope around. `own` are the names that assignment defines here."""

    own: frozenset[str]
    around: Scope | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> Scope | None:
        """The innermost scope that owns a name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.own:
            scope = scope.around
        return scope

    def read(self, name: str) -> Any:
        """The value of a name."""
        scope = self.find(name)
        if scope is None or name not in scope.values:
            fail("undefined", f"`{name}` not defined")
        return scope.values[name]

    def assign(self, name: str, value: Any) -> None:
        """Bind a name to a value."""
        (self.find(name) or self).values[name] = value


def defined(body: tuple[tree.Statement, ...]) -> set[str]:
    """The names that a body defines in its own scope; a loop's body is a scope of its own."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, tree.Return) and isinstance(statement.value, tree.Tilde | tree.Assign):
            names |= defined((statement.value,))
        if isinstance(statement, tree.Assign | tree.Tilde | tree.Track):
            target = statement.target
            whole = target.items if isinstance(target, tree.Tuple) else (target,)
            names |= {item.id for item in whole if isinstance(item, tree.Name)}
        if isinstance(statement, tree.If):
            for part in (*(branch.body for branch in statement.branches), statement.otherwise):
                names |= defined(part)
    return names


class Interpreter:
    """Runs bodies; `functions` are the author's helper functions."""

    def __init__(self, functions: dict[str, tree.FunctionDef]) -> None:
        self.functions = functions
        self.ends: list[int] = []

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def value(self, node: Any, scope: Scope) -> Any:
        """The value of an expression."""
        method: Callable[[Any, Scope], Any] | None = getattr(self, f"of_{type(node).__name__.lower()}", None)
        if method is None:
            raise Unsupported(type(node).__name__)
        return method(node, scope)

    def of_number(self, node: tree.Number, scope: Scope) -> Any:
        return node.value

    def of_boolean(self, node: tree.Boolean, scope: Scope) -> bool:
        return node.value

    def of_name(self, node: tree.Name, scope: Scope) -> Any:
        if scope.find(node.id) is not None:
            return scope.read(node.id)
        if node.id in self.functions:
            return partial(self.call_helper, self.functions[node.id])
        if node.id in NUMBERS:
            return partial(binary, node.id)
        if node.id in COMPARISONS:
            return partial(compare, node.id)
        known = CONSTANTS.get(node.id, FUNCTIONS.get(node.id, FUNCTIONS))
        return fail("undefined", f"`{node.id}` not defined") if known is FUNCTIONS else known

    def of_operator(self, node: tree.Operator, scope: Scope) -> Any:
        values = [self.value(operand, scope) for operand in node.operands]
        if len(values) == 1:
            return (broadcast(negated, values) if node.dotted else negated(values[0])) if node.op == "-" else values[0]
        exponent = node.operands[1]
        if node.op == "^" and isinstance(exponent, tree.Operator) and isinstance(exponent.operands[0], tree.Number):
            values = [broadcast(float, [values[0]]), values[1]]  # Julia's `x^-1` is `inv(x)`
        operation = partial(binary, node.op)
        return broadcast(operation, values) if node.dotted else operation(*values)

    def of_comparison(self, node: tree.Comparison, scope: Scope) -> Any:
        result: Any = True
        left = self.value(node.operands[0], scope)
        for op, dotted, operand in zip(node.ops, node.dotted, node.operands[1:], strict=True):
            right = self.value(operand, scope)
            step = broadcast(partial(compare, op), [left, right]) if dotted else compare(op, left, right)
            result = broadcast(lambda a, b: a and b, [result, step]) if is_array(step) else result and step
            if result is False:
                return False
            left = right
        return result

    def of_logical(self, node: tree.Logical, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        if node.dotted:
            join = (lambda a, b: a and b) if node.op == "&&" else (lambda a, b: a or b)
            return broadcast(join, [left, self.value(node.right, scope)])
        if truth(left) is (node.op == "||"):
            return left
        return truth(self.value(node.right, scope))

    def of_not(self, node: tree.Not, scope: Scope) -> Any:
        value = self.value(node.operand, scope)
        return broadcast(lambda x: not truth(x), [value]) if node.dotted else not truth(value)

    def of_ternary(self, node: tree.Ternary, scope: Scope) -> Any:
        chosen = node.then if truth(self.value(node.condition, scope)) else node.otherwise
        return self.value(chosen, scope)

    def of_range(self, node: tree.Range, scope: Scope) -> Any:
        step = 1 if node.step is None else self.value(node.step, scope)
        return int_range(self.value(node.start, scope), step, self.value(node.stop, scope))

    def of_call(self, node: tree.Call, scope: Scope) -> Any:
        if isinstance(node.function, tree.TypeApply):
            return self.uninitialised(node, scope)
        function = self.value(node.function, scope)
        args: list[Any] = []
        for arg in node.args:
            spread = isinstance(arg, tree.Splat)
            value = self.value(arg.operand if isinstance(arg, tree.Splat) else arg, scope)
            args += list(elements(value)) if spread else [value]
        keywords = {keyword.name: self.value(keyword.value, scope) for keyword in node.keywords}
        if isinstance(function, TypeName):
            function = FUNCTIONS[str(function)] if len(args) == 1 else fail("type", f"no constructor {function}")
        if not callable(function):
            fail("type", f"objects of type {type(function).__name__} are not callable")
        try:
            if node.dotted:
                return broadcast(partial(function, **keywords), args)
            return function(*args, **keywords)
        except TypeError as error:
            return fail("type", f"no method matching: {error}")

    def uninitialised(self, node: tree.Call, scope: Scope) -> Any:
        assert isinstance(node.function, tree.TypeApply)
        kind, whole = node.function.params[0], self.value(node.args[-1], scope)
        if is_array(whole):
            return collected(elements(whole), whole.shape)
        sizes = [self.value(arg, scope) for arg in node.args[1:]]
        if isinstance(kind, tree.Name) and kind.id == "Int":
            return FUNCTIONS["zeros"](TypeName("Int"), *sizes)
        return uninitialised(None, *sizes)

    def of_index(self, node: tree.Index, scope: Scope) -> Any:
        base = self.value(node.base, scope)
        return getindex(base, self.indices(base, node, scope))

    def indices(self, base: Any, node: tree.Index, scope: Scope) -> list[Any]:
        """The values of indices, `end` being the last place of its axis."""
        found = []
        for place, index in enumerate(node.indices):
            whole = len(node.indices) == 1
            shape = base.shape if is_array(base) else (length(base),)
            self.ends.append(length(base) if whole else shape[place] if place < len(shape) else 1)
            found.append(ALL if isinstance(index, tree.Colon) else self.value(index, scope))
            self.ends.pop()
        return found

    def of_end(self, node: tree.End, scope: Scope) -> int:
        return self.ends[-1]

    def of_colon(self, node: tree.Colon, scope: Scope) -> slice:
        return ALL

    def of_adjoint(self, node: tree.Adjoint, scope: Scope) -> Any:
        return adjoint(self.value(node.operand, scope))

    def of_vectorliteral(self, node: tree.VectorLiteral, scope: Scope) -> Any:
        items: list[Any] = []
        for item in node.items:
            value = self.value(item.operand if isinstance(item, tree.Splat) else item, scope)
            items += list(elements(value)) if isinstance(item, tree.Splat) else [value]
        return vcat(*items) if node.concatenate else collected(items)

    def of_matrixliteral(self, node: tree.MatrixLiteral, scope: Scope) -> Any:
        return vcat(*[hcat(*[self.value(item, scope) for item in row]) for row in node.rows])

    def of_tuple(self, node: tree.Tuple, scope: Scope) -> Any:
        values = tuple(self.value(item, scope) for item in node.items)
        return values if node.names is None else dict(zip(node.names, values, strict=True))

    def of_field(self, node: tree.Field, scope: Scope) -> Any:
        if isinstance(node.base, tree.Name) and node.base.id in ("Turing", "Base", "Distributions"):
            return self.of_name(tree.Name(id=node.name, span=node.span), scope)
        base = self.value(node.base, scope)
        return base[node.name] if isinstance(base, dict) and node.name in base else fail("type", "no such field")

    def of_comprehension(self, node: tree.Comprehension, scope: Scope) -> Any:
        items = list(self.generated(node, scope))
        if not items and self.is_whole(node.body, node, scope):
            return np.zeros([0] * (1 if node.condition is not None else len(node.iterators)), dtype=np.int64)
        if len(node.iterators) == 1 or node.condition is not None:
            return self.shaped(node, items, scope)
        sizes = [length(self.value(iterator.iterable, scope)) for iterator in node.iterators]
        return collected(items, tuple(sizes))

    def is_whole(self, body: tree.Expression, node: tree.Comprehension, scope: Scope) -> bool:
        """Whether Julia infers that a comprehension without items is one of whole numbers."""
        if isinstance(body, tree.Number):
            return isinstance(body.value, int)
        if isinstance(body, tree.Operator):
            return body.op in ("+", "-", "*") and all(self.is_whole(part, node, scope) for part in body.operands)
        if not isinstance(body, tree.Name):
            return False
        for iterator in node.iterators:
            if body.id in {target.id for target in iterator.targets}:
                over = self.value(iterator.iterable, scope)
                return is_array(over) and over.dtype == np.int64
        return scope.find(body.id) is not None and type(scope.read(body.id)) is int

    def shaped(self, node: tree.Comprehension, items: list[Any], scope: Scope) -> Any:
        """A comprehension over a matrix has its shape."""
        over = self.value(node.iterators[0].iterable, scope) if node.condition is None else None
        return collected(items, over.shape if is_array(over) and over.ndim == 2 else None)

    def of_generator(self, node: tree.Generator, scope: Scope) -> Any:
        return self.of_comprehension(
            tree.Comprehension(body=node.body, iterators=node.iterators, condition=node.condition, span=node.span),
            scope,
        )

    def generated(self, node: tree.Comprehension | tree.Generator, scope: Scope) -> Iterator[Any]:
        """The values of a comprehension's body, its first iterator fastest."""
        for inner in self.iterations(tuple(reversed(node.iterators)), scope):
            if node.condition is None or truth(self.value(node.condition, inner)):
                yield self.value(node.body, inner)

    def iterations(
        self, iterators: tuple[tree.Iterator, ...], scope: Scope, own: frozenset[str] = frozenset()
    ) -> Iterator[Scope]:
        """A scope for each iteration, the last iterator fastest."""
        if not iterators:
            yield scope
            return
        first, *rest = iterators
        names = [target.id for target in first.targets]
        for item in elements(self.value(first.iterable, scope)):
            inner = Scope(frozenset(names) | (frozenset() if rest else own), scope)
            values = list(elements(item)) if first.destructured else [item]
            if len(values) < len(names):
                fail("bounds", f"{len(values)} values for {len(names)} names")
            inner.values = dict(zip(names, values, strict=False))
            yield from self.iterations(tuple(rest), inner, own)

    def of_lambda(self, node: tree.Lambda, scope: Scope) -> Any:
        names = [param.id for param in node.params]

        def call(*args: Any) -> Any:
            if len(args) != len(names):
                fail("type", f"no method with {len(args)} arguments")
            inner = Scope(frozenset(names), scope, dict(zip(names, args, strict=True)))
            return self.value(node.body, inner)

        return call

    # ── functions of the author ──────────────────────────────────────────────────────────────────────────────────────

    def call_helper(self, function: tree.FunctionDef, *args: Any, **keywords: Any) -> Any:
        """What a helper function returns."""
        names = {param.name for param in (*function.params, *function.keywords)}
        scope = Scope(frozenset(names | defined(function.body)))
        for place, param in enumerate(function.params):
            missing = place >= len(args)
            if missing and param.default is None:
                fail("type", f"no method {function.name} with {len(args)} arguments")
            scope.values[param.name] = self.value(param.default, scope) if missing else args[place]
        if len(args) > len(function.params):
            fail("type", f"no method {function.name} with {len(args)} arguments")
        for param in function.keywords:
            given = param.name in keywords
            scope.values[param.name] = keywords[param.name] if given else self.value(param.default, scope)
        return self.returned(function.body, scope)

    def returned(self, body: tuple[tree.Statement, ...], scope: Scope) -> Any:
        """What a body returns: by `return`, or its last expression."""
        try:
            return self.run(body, scope)
        except Returned as left:
            return left.value

    def run(self, body: tuple[tree.Statement, ...], scope: Scope) -> Any:
        """Run statements; the value of the last."""
        raise NotImplementedError


__all__ = ["Interpreter", "Returned", "Scope", "defined", "divide", "is_number"]
