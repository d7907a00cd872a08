"""What lowering carries along: the scope, the loops around, the nodes so far, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.values import Home, Tensor, Unknown, Value
from mlmdsl.language import julia, tree
from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.source import Source, Span
from mlmdsl.language.types import Array, Axis, Scalar


class Wrong(Exception):
    """One statement cannot be lowered; caught where the statement is."""

    def __init__(self, diagnostic: Diagnostic, silent: bool = False, data: bool = False) -> None:
        self.diagnostic = diagnostic
        self.silent = silent
        self.data = data
        super().__init__(diagnostic.message)


def part(node: tree.Node, position: int) -> tree.Node:
    """The argument of a call, or the operand of an operator, that an error is about; the whole where it has none."""
    parts: tuple[tree.Node, ...] = ()
    if isinstance(node, tree.Call) and not any(isinstance(arg, tree.Splat) for arg in node.args):
        parts = node.args
    elif isinstance(node, tree.Operator | tree.Comparison):
        parts = node.operands
    return parts[position] if -len(parts) <= position < len(parts) else node


def keyword_part(node: tree.Node, name: str) -> tree.Node:
    """A keyword of a call, or the whole call where it has none of that name."""
    keywords = node.keywords if isinstance(node, tree.Call) else ()
    return next((keyword for keyword in keywords if keyword.name == name), node)


class Carried(Exception):
    """A loop's iterations are not independent: it runs one iteration after another."""


class Divided(Carried):
    """The iterations of a loop differ in form, by the data: each kind of them is lowered for itself.

    `keys` has a number for each iteration; iterations of one number are alike.
    """

    def __init__(self, axis: str, keys: npt.NDArray[np.int64]) -> None:
        self.axis = axis
        self.keys = keys
        super().__init__()


class NeedsValues(Carried):
    """The form of an iteration of a loop that runs in order depends on the data: each is lowered for itself."""


class Restart(Exception):
    """Something found inside a statement changes how it begins: `apply`, then lower the outermost statement again."""

    def __init__(self, apply: Callable[[Context], None]) -> None:
        self.apply = apply


AxisKey = tuple[str, int | str]
"""What tells an axis from any other: its name and its size."""


def key_of(axis: Axis) -> AxisKey:
    """What tells an axis from any other."""
    return axis.name, axis.size


@dataclass
class Known:
    """What the names of a program stand for, as far as data decide it."""

    values: dict[str, Scalar | Array] = field(default_factory=dict)
    lets: dict[str, ir.Expr] = field(default_factory=dict)
    ranges: dict[str, range] = field(default_factory=dict)
    """The variables of sequential loops, and what they run over."""

    def copy(self) -> Known:
        """The same, apart."""
        return Known(dict(self.values), dict(self.lets), dict(self.ranges))


@dataclass(frozen=True)
class LoopAxis:
    """A vectorised loop around: its axis, and the array axis whose indices it walks, if it is known."""

    axis: Axis
    over: Axis | None


@dataclass
class Context:
    """The state of one lowering. `lower` is the function for expressions; set once, by expressions.py."""

    source: Source
    lower: Callable[[Context, tree.Expression], Value]
    scope: dict[str, Value] = field(default_factory=dict)
    nodes: list[ir.Statement] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    loops: list[LoopAxis] = field(default_factory=list)
    sequential: list[str] = field(default_factory=list)
    axis_sizes: dict[AxisKey, ir.Expr] = field(default_factory=dict)
    """The size of each axis as an expression, by its name and size: two axes of one name may differ in length."""
    axis_order: dict[str, int] = field(default_factory=dict)
    axis_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    indexed_by: dict[str, Axis] = field(default_factory=dict)
    """The levels that indexed an axis first."""
    given: set[tuple[str, object]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    frames: list[tuple[dict[str, Value], bool]] = field(default_factory=list)
    """The scopes of the callers around, and whether each call stands in a loop, a branch or a comprehension."""
    bodies: list[tuple[tree.Statement, ...]] = field(default_factory=list)
    """The bodies of the sequential loops around."""
    copies: list[tuple[Home, Home]] = field(default_factory=list)
    """Arrays that are one in Julia and two in the program."""
    parameters: set[Home] = field(default_factory=set)
    """The arrays that a `~` gave their value."""
    iterating: tuple[str, ...] = ()
    """The names that loops around give a value."""
    places: dict[str, str] = field(default_factory=dict)
    """Names of the program whose value a sequential loop or a branch changes, and the author's names for them."""
    drawn: set[str] = field(default_factory=set)
    ends: list[Value] = field(default_factory=list)
    depth: int = 0
    data_faults: int = 0
    """How many of the diagnostics blame the data."""
    in_model: bool = False
    """Whether this is the body of a model, or the default of a keyword: not the `@data` block."""
    data_only: bool = False
    """Whether this evaluates data, so that comprehensions have values and not only a form."""
    columns: str = ""
    """The table whose columns the scope holds, while a `@data` block is evaluated."""
    returned: Value | None = None
    accumulators: dict[str, int] = field(default_factory=dict)
    """Names that vectorised loops around only add to, and how many loops were around before those."""
    branch_names: dict[str, str] = field(default_factory=dict)
    """Names that the branches of an `if` define, and the one name that all of them give to each."""
    vectors: set[str] = field(default_factory=set)
    """Names, in the author's spelling, of vectors of vectors that are kept as the rows of a matrix."""
    computed: set[str] = field(default_factory=set)
    """Names, in the author's spelling, that had a value computed from the data when a `~` drew them."""
    drawn_names: set[str] = field(default_factory=set)
    """Names, in the author's spelling, that a `~` gave their value."""
    functions: dict[str, Value] = field(default_factory=dict)
    arguments: frozenset[str] = frozenset()
    """Names of the model's arguments that were supplied: data."""
    incomplete: frozenset[str] = frozenset()
    """Those of them with missing entries."""
    known_arguments: dict[str, Scalar | Array] = field(default_factory=dict)
    """The values of the arguments, and the masks of those with missing entries, by their names in the program."""
    later: set[str] = field(default_factory=set)
    """Names that a statement further down defines."""
    unrolled: tuple[int, ...] = ()
    """Which item the loops over tuples around are at: their bodies are lowered once for each."""
    parted: int = 0
    """Above 0 where the iterations of one kind are lowered: what cannot be vectorised there is lowered one by one."""
    guards: list[tuple[Tensor, bool]] = field(default_factory=list)
    """The conditions that decide whether what is lowered is reached, and what each must be."""
    known: Known = field(default_factory=Known)
    """What the names of the program stand for, as far as data decide it."""
    bound: bool = False
    """Whether the data are there."""
    calls: list[tuple[tree.Statement, ...]] = field(default_factory=list)
    """The bodies of the helper functions that are being called."""
    inlined: int = 0
    """How many calls of helper functions there were."""
    keep_names: int = 0
    """Above 0 inside a sequential loop or branch, where an assignment overwrites."""

    def fail(self, where: tree.Node | Span, message: str, hint: str | None = None) -> NoReturn:
        """Give up the statement with an error at a place."""
        span = where if isinstance(where, Span) else where.span
        raise Wrong(Diagnostic(message, span, hint))

    def fail_data(self, where: tree.Node, message: str, hint: str | None = None) -> NoReturn:
        """Give up the statement since the data are wrong."""
        raise Wrong(Diagnostic(message, where.span, hint), data=True)

    def report(self, wrong: Wrong) -> None:
        """Keep an error, once for each place."""
        if not wrong.silent and all(
            (known.span, known.message) != (wrong.diagnostic.span, wrong.diagnostic.message)
            for known in self.diagnostics
        ):
            self.diagnostics.append(wrong.diagnostic)
            self.data_faults += wrong.data

    def expr(self, node: tree.Expression) -> Value:
        """The value of an expression."""
        if self.depth > 150:
            self.fail(node, "this expression is nested too deeply", "name its parts in statements of their own")
        self.depth += 1
        try:
            value = self.lower(self, node)
        except julia.JuliaError as error:
            self.fail(node, error.message, error.hint)
        finally:
            self.depth -= 1
        if isinstance(value, Unknown):
            raise Wrong(Diagnostic("", node.span), silent=True)
        return value

    @contextmanager
    def branch(self, condition: Tensor, taken: bool) -> Iterator[None]:
        """Lower what is reached only where a condition holds, or does not."""
        self.guards.append((condition, taken))
        try:
            yield
        finally:
            self.guards.pop()

    def fresh(self, name: str) -> str:
        """A name like this one that nothing has yet."""
        candidate, number = name, 1
        while candidate in self.names:
            number += 1
            candidate = f"{name}_{number}"
        self.names.add(candidate)
        return candidate

    def axis(self, name: str, size: Tensor) -> Axis:
        """The axis that an integer counts, or a new one of that size."""
        if size.counts is not None:
            return size.counts
        known = size.known if isinstance(size.known, int) else None
        text = known if known is not None else size_text(size.expr)
        axis, number = Axis(name, text), 1
        sizes = {known: expr for (known, _), expr in self.axis_sizes.items()}
        while sizes.get(axis.name, size.expr) != size.expr:
            number += 1
            axis = Axis(f"{name}_{number}", text)
        self.axis_sizes[key_of(axis)] = size.expr
        return axis

    def loop_axes(self, types: Iterable[ir.Type]) -> tuple[Axis, ...]:
        """The loop axes of several values, united by name, outermost first."""
        union = {axis.name: axis for type_ in types for axis in type_.loops}
        return tuple(sorted(union.values(), key=lambda axis: self.axis_order[axis.name]))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo everything if what is tried here cannot be done."""
        saved = (
            dict(self.scope),
            list(self.nodes),
            list(self.diagnostics),
            list(self.loops),
            dict(self.axis_sizes),
            dict(self.axis_labels),
            dict(self.indexed_by),
            set(self.given),
            set(self.names),
            set(self.drawn),
            list(self.sequential),
            self.depth,
            list(self.ends),
            set(self.drawn_names),
            self.keep_names,
            self.accumulators,
            self.returned,
            dict(self.places),
            self.unrolled,
            self.parted,
            self.known.copy(),
            list(self.copies),
            list(self.bodies),
            list(self.frames),
        )
        outside = [(scope, dict(scope)) for scope, _ in self.frames]
        try:
            yield
        except Exception:
            (
                self.scope,
                self.nodes,
                self.diagnostics,
                self.loops,
                self.axis_sizes,
                self.axis_labels,
                self.indexed_by,
                self.given,
                self.names,
                self.drawn,
                self.sequential,
                self.depth,
                self.ends,
                self.drawn_names,
                self.keep_names,
                self.accumulators,
                self.returned,
                self.places,
                self.unrolled,
                self.parted,
                self.known,
                self.copies,
                self.bodies,
                self.frames,
            ) = saved
            for scope, before in outside:
                scope.clear()
                scope.update(before)
            raise


def size_text(expr: ir.Expr) -> str:
    """The text of a size that is not known yet; equal sizes have equal texts."""
    if isinstance(expr, ir.Ref):
        return expr.name
    if isinstance(expr, ir.Const):
        return str(expr.value)
    if isinstance(expr, ir.Map):
        return f" {expr.op} ".join(size_text(arg) for arg in expr.args)
    if isinstance(expr, ir.Call):
        return f"{expr.function}({', '.join(size_text(arg) for arg in expr.args)})"
    return "?"
