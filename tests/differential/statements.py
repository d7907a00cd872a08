"""Statements, and the model: the reference that compiled programs are held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from mlmdsl.language import tree
from tests.differential.densities import Distribution
from tests.differential.interpreter import Interpreter, Returned, Scope, defined
from tests.differential.operators import binary, broadcast, truth
from tests.differential.values import (
    MISSING,
    Unsupported,
    collected,
    elements,
    fail,
    getindex,
    is_array,
    located,
    product_of,
    setindex,
    stored,
    write,
)


@dataclass
class Outcome:
    """What a model computes: the log density, the magnitude of its terms, and what `:=` tracks."""

    terms: list[float] = field(default_factory=list)
    tracked: dict[str, Any] = field(default_factory=dict)

    @property
    def log_density(self) -> float:
        """The sum over all `~` and `@addlogprob!`."""
        return math.fsum(self.terms) if all(map(math.isfinite, self.terms)) else sum(self.terms)

    @property
    def magnitude(self) -> float:
        """The sum of the terms' sizes, which rounding errors are measured by."""
        return sum(map(abs, self.terms))


def reference(spec: tree.Spec, arguments: Mapping[str, Any], values: Mapping[str, Any]) -> Outcome:
    """Run the first model of a spec with arguments and values of its parameters by name.

    Raises:
        JuliaError: what Julia would raise.
        Unsupported: the program uses what this interpreter does not know.
    """
    machine = Machine(spec, arguments, values)
    machine.model(spec.models[0], arguments)
    return machine.outcome


class Machine(Interpreter):
    """An interpreter of a model: it adds up log densities, and gives parameters their values."""

    def __init__(self, spec: tree.Spec, arguments: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        super().__init__({function.name: function for function in spec.functions})
        self.arguments, self.values = arguments, values
        self.outcome = Outcome()

    def model(self, model: tree.ModelDef, arguments: Mapping[str, Any]) -> None:
        """Run a model's body."""
        params = (*model.params, *model.keywords)
        scope = Scope(frozenset({param.name for param in params} | defined(model.body) | drawn_arrays(model.body)))
        for param in params:
            if param.name in arguments:
                value = arguments[param.name]
                scope.values[param.name] = np.array(value, order="F") if is_array(value) else value
            elif param.default is not None:
                scope.values[param.name] = self.value(param.default, scope)
            else:
                scope.values[param.name] = MISSING
        self.returned(model.body, scope)

    def run(self, body: tuple[tree.Statement, ...], scope: Scope) -> Any:
        result: Any = None
        for statement in body:
            result = getattr(self, f"run_{type(statement).__name__.lower()}")(statement, scope)
        return result

    def run_expressionstatement(self, node: tree.ExpressionStatement, scope: Scope) -> Any:
        return self.value(node.value, scope)

    def run_return(self, node: tree.Return, scope: Scope) -> None:
        value = node.value
        if isinstance(value, tree.Tilde | tree.Assign):
            raise Returned(self.run((value,), scope))
        raise Returned(None if value is None else self.value(value, scope))

    def run_addlogprob(self, node: tree.AddLogProb, scope: Scope) -> None:
        value = self.value(node.value, scope)
        if is_array(value):
            fail("type", "@addlogprob! of an array")
        self.outcome.terms.append(float(value))

    def run_if(self, node: tree.If, scope: Scope) -> Any:
        for branch in node.branches:
            if truth(self.value(branch.condition, scope)):
                return self.run(branch.body, scope)
        return self.run(node.otherwise, scope)

    def run_for(self, node: tree.For, scope: Scope) -> None:
        own = {name for name in defined(node.body) if scope.find(name) is None}
        for inner in self.iterations(node.iterators, scope, frozenset(own)):
            self.run(node.body, inner)

    # ── assignment ───────────────────────────────────────────────────────────────────────────────────────────────────

    def run_track(self, node: tree.Track, scope: Scope) -> Any:
        value = self.value(node.value, scope)
        self.store(node.target, value, scope)
        if isinstance(node.target, tree.Name):
            self.outcome.tracked[node.target.id] = np.array(value)
        return value

    def run_assign(self, node: tree.Assign, scope: Scope) -> Any:
        if node.dotted:
            return self.store_elements(node, scope)
        value = self.value(node.value, scope)
        if node.op is not None:
            value = binary(node.op, self.value(node.target, scope), value)
        if isinstance(node.target, tree.Tuple):
            items = list(elements(value))
            if len(items) < len(node.target.items):
                fail("bounds", f"{len(items)} values for {len(node.target.items)} names")
            for target, item in zip(node.target.items, items, strict=False):
                self.store(target, item, scope)
        else:
            self.store(node.target, value, scope)
        return value

    def store(self, target: tree.Expression, value: Any, scope: Scope) -> None:
        """`target = value`."""
        if isinstance(target, tree.Name):
            scope.assign(target.id, value)
        elif isinstance(target, tree.Index):
            base = self.value(target.base, scope)
            setindex(base, value, self.indices(base, target, scope))
        else:
            raise Unsupported(f"assignment to {type(target).__name__}")

    def store_elements(self, node: tree.Assign, scope: Scope) -> Any:
        """`target .= value`, `target .+= value`: into the elements of the array that is there."""
        value = self.value(node.value, scope)
        if node.op is not None:
            value = broadcast(partial(binary, node.op), [self.value(node.target, scope), value])
        is_index = isinstance(node.target, tree.Index)
        base = self.value(node.target.base if isinstance(node.target, tree.Index) else node.target, scope)
        if not is_array(base):
            fail("type", "`.=` into what is no array")
        if isinstance(node.target, tree.Index):
            source, places = located(base, self.indices(base, node.target, scope))
        else:
            source, places = base, [np.arange(size) for size in base.shape]
        shape = tuple(size for place in places for size in np.shape(place))
        if not shape and is_index:
            fail("type", "`.=` into a number")
        blank = collected([0] * math.prod(shape), shape)
        wide = broadcast(lambda _, item: item, [blank, value]) if math.prod(shape) else blank
        if wide.shape != shape:
            fail("dimension", f"{np.shape(value)} into {shape}")
        write(source, places, [stored(source, item) for item in elements(wide)])
        return base

    # ── ~ ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_tilde(self, node: tree.Tilde, scope: Scope) -> Any:
        law = self.value(node.distribution, scope)
        if node.dotted:
            return self.each_drawn(node, law, scope)
        if not isinstance(law, Distribution):
            fail("type", "the right side of `~` is no distribution")
        return self.drawn(node.target, law, scope)

    def each_drawn(self, node: tree.Tilde, law: Any, scope: Scope) -> None:
        """`target .~ d`: each element of an array that is there."""
        base = self.value(node.target, scope)
        if not is_array(base):
            fail("type", "`.~` of what is no array")
        if is_array(law) and law.shape != base.shape:
            fail("dimension", f"`.~` of {base.shape} and {law.shape}")
        laws = list(elements(law)) if is_array(law) else [law] * base.size
        for each, at in zip(laws, product_of([np.arange(size) for size in base.shape]), strict=True):
            indices = [tree.Number(value=place + 1, span=node.span) for place in at]
            self.drawn(tree.Index(base=node.target, indices=tuple(indices), span=node.span), each, scope)

    def drawn(self, target: tree.Expression, law: Distribution, scope: Scope) -> Any:
        """`target ~ d`: observed if it is data, else a parameter that gets its value."""
        name = base_name(target)
        observed = name is None or name in self.arguments
        value = self.value(target, scope) if observed else MISSING
        if value is MISSING:
            value = self.parameter(target, scope)
            self.store(target, value, scope)
        if np.shape(value) != law.shape:
            fail("dimension", f"a value of {np.shape(value)} of {law.name} of {law.shape}")
        self.outcome.terms.append(law.logpdf(value))
        return value

    def parameter(self, target: tree.Expression, scope: Scope) -> Any:
        """The value given for a parameter, or for the elements of one."""
        name = base_name(target)
        if name is None or name not in self.values:
            raise Unsupported(f"no value for {name}")
        given = self.values[name]
        if not isinstance(target, tree.Index):
            return np.array(given, order="F") if is_array(given) else given
        if scope.find(name) is None or name not in (scope.find(name) or scope).values:
            scope.assign(name, np.full(np.shape(given), np.nan, order="F"))
        base = self.value(target.base, scope)
        return getindex(given, self.indices(base, target, scope))


def drawn_arrays(body: tuple[tree.Statement, ...]) -> set[str]:
    """The names of arrays whose elements are drawn: they need not be made before (Turing wants that they are)."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, tree.Tilde) and isinstance(statement.target, tree.Index):
            names.add(base_name(statement.target) or "")
        elif isinstance(statement, tree.For):
            names |= drawn_arrays(statement.body)
        elif isinstance(statement, tree.If):
            for part in (*(branch.body for branch in statement.branches), statement.otherwise):
                names |= drawn_arrays(part)
    return names


def base_name(target: tree.Expression) -> str | None:
    """The name that a `~` is about: `x` of `x[i]`."""
    while isinstance(target, tree.Index):
        target = target.base
    return target.id if isinstance(target, tree.Name) else None
