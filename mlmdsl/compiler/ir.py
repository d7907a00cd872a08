"""The intermediate representation: what a model means, free of the author's way of writing it.

    Model  = name, arguments, [Node], returned
    Node   = Let(name, value, tracked) | Sample(site, target, dist, axes, observed) | Factor(value)
           | SetIndex(name, index, value) | Loop(variable, range, [Node]) | Branch(condition, [Node], [Node])
           | Collapsed(target, effects, terms, rows, observed, scale, groups)   a likelihood, its effects integrated out
    Dist   = family, arguments (Expr or Dist), plates, event axes
    Expr   = Const | Numbers(runs) | Ref | Counter(axis, start)    the value of a loop variable along its axis
           | Map(op, args)                         elementwise, with Julia's broadcasting: this is every dotted operator
           | Contract(a, b)                        the last axis of a against the first of b: `*` of matrices, `⋅`
           | Gather(x, index)                      x[…]: each axis of x is kept, sliced, picked from or walked by a loop
           | Permute(x, order)                     a transpose
           | Lift(x, axes)                         loop axes become the leading axes of an array: a comprehension
           | Call(function, args, options)         a row of the function table that is none of these
           | Stack(items) | Sequence(…)            a vector of scalars; a comprehension that runs one after another
    Type   = element + loop axes + array axes + bounds

**Two kinds of axes.** A loop or comprehension whose iterations are independent gives its variable a *loop axis*: every
value computed from it has that axis, united by name, and the loop is gone. *Array axes* are Julia's dimensions, in
Julia's order. A value of type `real (i) [k]` is, for every i of a loop, a vector along k; emission lays it out as a
tensor of shape (i, k).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from mlmdsl.language.source import Span
from mlmdsl.language.types import Axis

Element = Literal["real", "int", "bool", "text", "any"]


@dataclass(frozen=True)
class Type:
    """What a value is: its element, the loop axes it varies along, its array axes, and bounds that hold for certain."""

    element: Element = "real"
    loops: tuple[Axis, ...] = ()
    axes: tuple[Axis, ...] = ()
    low: float = -inf
    high: float = inf

    @property
    def rank(self) -> int:
        """The number of array axes: 0 for a scalar."""
        return len(self.axes)

    @property
    def is_scalar(self) -> bool:
        """One number, the same in every iteration."""
        return not self.axes and not self.loops

    def __str__(self) -> str:
        loops = f" ({', '.join(axis.name for axis in self.loops)})" if self.loops else ""
        axes = f" [{', '.join(f'{axis.name}={axis.size}' for axis in self.axes)}]" if self.axes else ""
        bounds = "" if (self.low, self.high) == (-inf, inf) else f" in {self.low:g}..{self.high:g}"
        return f"{self.element}{loops}{axes}{bounds}"


LARGEST_EXACT = 2.0**53
"""The whole numbers up to here are floating-point numbers; larger ones stay whole numbers in a program."""


def is_large(type_: Type) -> bool:
    """Whether a type has whole numbers that floating point would round."""
    return type_.element == "int" and (LARGEST_EXACT <= type_.high < inf or -inf < type_.low <= -LARGEST_EXACT)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Const:
    """A number, or nothing more than one."""

    value: int | float | bool
    type: Type


@dataclass(frozen=True)
class Ref:
    """A name of the spec: an argument (`data`) or what a statement before defined."""

    name: str
    type: Type
    data: bool = False


@dataclass(frozen=True)
class Counter:
    """`start + 0, 1, …` along a loop axis: the value of a vectorised loop's variable."""

    axis: Axis
    start: Expr
    step: Expr
    type: Type


@dataclass(frozen=True)
class Map:
    """An elementwise operation; array axes align from the first (Julia's broadcasting), loop axes by name."""

    op: str
    args: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True)
class Contract:
    """Σ over the last array axis of `a` and the first of `b`, which are one axis."""

    a: Expr
    b: Expr
    type: Type


@dataclass(frozen=True)
class Keep:
    """An index that keeps the whole axis: `:`."""


@dataclass(frozen=True)
class Slice:
    """An index that keeps `start:stop` (1-based, inclusive) of the axis; both are data. With `loop`: the axis is walked by it.

    `verify`: whether it lies inside is checked as the program runs.
    """

    start: Expr
    stop: Expr
    loop: Axis | None = None
    verify: bool = False


@dataclass(frozen=True)
class Pick:
    """An index that picks: 1-based integers (or a mask of an axis) of any shape. `verify`: as that of `Slice`."""

    index: Expr
    verify: bool = False


IndexItem = Keep | Slice | Pick


@dataclass(frozen=True)
class Gather:
    """`x[index…]`, one item for each array axis of x."""

    x: Expr
    index: tuple[IndexItem, ...]
    type: Type


@dataclass(frozen=True)
class Permute:
    """The array axes of x in another order."""

    x: Expr
    order: tuple[int, ...]
    type: Type


@dataclass(frozen=True)
class Lift:
    """The loop axes named become the leading array axes."""

    x: Expr
    axes: tuple[Axis, ...]
    type: Type


@dataclass(frozen=True)
class Call:
    """A function of the table; `options` are its static settings (keywords, numbers of axes)."""

    function: str
    args: tuple[Expr, ...]
    type: Type
    options: tuple[tuple[str, int | float | bool | str | tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Stack:
    """Scalars (or arrays of one shape) as the items of a new first axis."""

    items: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True)
class Sequence:
    """A comprehension that runs one iteration after another: `variable` takes the integers of a range."""

    variable: str
    start: Expr
    stop: Expr
    step: Expr
    body: Expr
    type: Type
    condition: Expr | None = None


@dataclass(frozen=True)
class Numbers:
    """Whole numbers that lowering worked out from the data (the rows of a group), the last axis running fastest.

    They are kept as text, `1:3 7` for 1, 2, 3, 7.
    """

    runs: str
    type: Type


Expr = Const | Numbers | Ref | Counter | Map | Contract | Gather | Permute | Lift | Call | Stack | Sequence


# ── distributions ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Dist:
    """A family with arguments. `plates` are array axes along which draws are independent, `event` the axes of one draw.

    `collection`: this is a Julia array of distributions along these axes (`Normal.(μ, σ)`), not yet one distribution.
    `walked` names the plates that were loop axes: parameters may vary along those by name, along the others by position.
    `columns`: plates come after the event axes in the drawn array (`filldist` of a vector distribution).
    """

    family: str
    args: tuple[Expr | Dist | tuple[Dist, ...], ...]
    element: Element = "real"
    loops: tuple[Axis, ...] = ()
    plates: tuple[Axis, ...] = ()
    event: tuple[Axis, ...] = ()
    collection: tuple[Axis, ...] = ()
    walked: frozenset[str] = frozenset()
    columns: bool = False
    low: float = -inf
    high: float = inf
    options: tuple[tuple[str, str], ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The array axes of a draw, in Julia's order."""
        return (*self.event, *self.plates) if self.columns else (*self.plates, *self.event)


# ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Node:
    """What every statement of the IR has: where the author wrote it."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Let(Node):
    """A deterministic value; `tracked` puts it into the output."""

    name: str
    value: Expr
    tracked: bool = False


@dataclass(frozen=True, kw_only=True)
class SiteIndex:
    """The index in a site's name (`h[{t}]`, `x[2:N]`): for each axis a text, or an expression that is printed at run time."""

    items: tuple[str | Expr, ...]


@dataclass(frozen=True, kw_only=True)
class Sample(Node):
    """`target ~ dist`. `loops` are the loop axes of the statement, in the order of the target's index.

    Observed where `observed` is given; `missing` is then a mask of the entries that are latent all the same.
    A latent with an `index` is an element of the array `target`, which is updated.
    """

    target: str
    dist: Dist
    loops: tuple[Axis, ...] = ()
    site: SiteIndex | None = None
    index: tuple[IndexItem, ...] = ()
    type: Type
    observed: Expr | None = None
    missing: Expr | None = None
    defines: bool = True


@dataclass(frozen=True, kw_only=True)
class Factor(Node):
    """A term of the log density; summed over all its axes."""

    value: Expr


@dataclass(frozen=True, kw_only=True)
class SetIndex(Node):
    """`name[index] = value`: the array with some elements replaced."""

    name: str
    base: Expr
    index: tuple[IndexItem, ...]
    value: Expr
    type: Type


@dataclass(frozen=True, kw_only=True)
class Loop(Node):
    """A loop that runs one iteration after another, since a value is carried."""

    variable: str
    start: Expr
    stop: Expr
    step: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Branch(Node):
    """`if` on data."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True)
class LinearTerm:
    """scale[i] · Σ_k dense[i, k] · coefficients[k, picks…[i]]: one term of a mean; all but the coefficients are data."""

    coefficients: Expr
    dense: Expr | None
    picks: tuple[Expr, ...]
    scale: Expr | None


@dataclass(frozen=True)
class Effect:
    """A normal parameter as location + spread · u, u standard normal.

    `event`: the axis along which the spread, a factor of the covariance, mixes; without one the spread is elementwise.
    """

    name: str
    location: Expr
    spread: Expr
    axes: tuple[Axis, ...]
    event: int | None = None


@dataclass(frozen=True)
class Groups:
    """The rows in groups, by an index that is data along them: the effects of a group reach its own coefficients alone.

    For each effect and for each term (its coefficients) the position of the axis that has the groups, if any.
    """

    index: Expr
    axis: Axis
    effects: tuple[int | None, ...]
    terms: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Collapsed(Node):
    """A normal likelihood of data along `rows` with its effects integrated out; by blocks where there are `groups`."""

    target: str
    effects: tuple[Effect, ...]
    terms: tuple[LinearTerm, ...]
    rows: Axis
    observed: Expr
    scale: Expr
    known_scale: Expr | None = None
    """The part of the rows' scales that is data (meta-analysis); it multiplies `scale`."""
    groups: Groups | None = None


Statement = Let | Sample | Factor | SetIndex | Loop | Branch | Collapsed


@dataclass(frozen=True)
class Argument:
    """An argument of the model: its type, whether it indexes something, and its default as data expression (keywords)."""

    name: str
    type: Type
    keyword: bool = False
    default: Expr | None = None
    is_index: bool = False
    has_missing: bool = False


@dataclass(frozen=True)
class Model:
    """A whole model."""

    name: str
    arguments: tuple[Argument, ...]
    body: tuple[Statement, ...]
    returned: Expr | None
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Labels that axes got from use: (axis name, labels)."""


def mask_of(name: str) -> str:
    """The name of the mask of an argument's missing entries: one that no author can write."""
    return f"{name} missing"


def is_mask(name: str) -> bool:
    """Whether a name is that of a mask of missing entries."""
    return name.endswith(" missing")


def children(node: object) -> Iterator[Expr | Dist]:
    """The expressions and distributions directly below an expression, distribution, index item or statement."""
    for name in getattr(node, "__dataclass_fields__", ()):
        yield from _expressions(getattr(node, name))


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """Every statement, those inside loops and branches too, in the author's order."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
        elif isinstance(statement, Branch):
            yield from statements((*statement.then, *statement.otherwise))


def walk(node: Expr | Dist | Statement) -> Iterator[Expr | Dist | Statement]:
    """A node and every expression and distribution below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def is_data(expr: Expr) -> bool:
    """Whether an expression depends on data and constants alone."""
    return all(ref.data for ref in walk(expr) if isinstance(ref, Ref))


def _expressions(value: object) -> Iterator[Expr | Dist]:
    if isinstance(value, (Expr, Dist)):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
    elif isinstance(value, (Slice, Pick, SiteIndex, LinearTerm, Effect, Groups)):
        yield from children(value)
