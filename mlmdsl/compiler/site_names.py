"""Which observed sites need more than their index to have names of their own.

`y[{t}]` is another name in each iteration of a loop over `t`; `y[{g[t]}]` may be the same again, and so may the elements that
a second statement observes. Data that are observed again count again, so each observation has a site: such names get the
iteration, or the number of the statement, behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlmdsl.compiler import ir

Path = tuple[tuple[int, Literal["then", "otherwise"]], ...]


@dataclass(frozen=True)
class Suffix:
    """What stands behind a site's index: loop variables that the index does not tell apart, and the statement's number."""

    variables: tuple[str, ...] = ()
    number: int | None = None


@dataclass(frozen=True)
class _Occurrence:
    """A statement that observes elements: the loops around it, and the sides of branches that it is on."""

    node: ir.Sample
    loops: tuple[ir.Loop, ...]
    path: Path

    @property
    def items(self) -> tuple[str | ir.Expr, ...] | None:
        """What its name has between brackets; None where it has no brackets."""
        if self.node.site is not None:
            return self.node.site.items
        return tuple(ir.Ref(loop.variable, ir.Type("int")) for loop in self.loops) or None

    @property
    def unmoved(self) -> tuple[str, ...]:
        """Variables of loops that no item follows by itself."""
        followed = {_variable(item) for item in self.items or ()}
        return tuple(loop.variable for loop in self.loops if loop.variable not in followed)


def site_suffixes(body: Sequence[ir.Statement]) -> dict[int, Suffix]:
    """The suffixes that observed sites need, by the `id` of their statements."""
    earlier: dict[str, list[_Occurrence]] = {}
    found: dict[int, Suffix] = {}
    for each in _occurrences(body, (), ()):
        others = earlier.setdefault(each.node.target, [])
        again = any(not _apart(each, other) for other in others)
        others.append(each)
        if each.unmoved or again:
            found[id(each.node)] = Suffix(each.unmoved, len(others) if again else None)
    return found


def _occurrences(body: Sequence[ir.Statement], loops: tuple[ir.Loop, ...], path: Path) -> Iterator[_Occurrence]:
    for node in body:
        if isinstance(node, ir.Sample) and node.observed is not None and node.missing is None:
            yield _Occurrence(node, loops, path)
        elif isinstance(node, ir.Loop):
            yield from _occurrences(node.body, (*loops, node), path)
        elif isinstance(node, ir.Branch):
            yield from _occurrences(node.then, loops, (*path, (id(node), "then")))
            yield from _occurrences(node.otherwise, loops, (*path, (id(node), "otherwise")))


def _apart(one: _Occurrence, other: _Occurrence) -> bool:
    """Whether two statements never give one name to two sites."""
    mine, theirs = one.items, other.items
    if mine is None or theirs is None:
        return (mine is None) != (theirs is None)
    if len(mine) != len(theirs) or len(one.unmoved) != len(other.unmoved):
        return True
    if any(_differ(a, one, b, other) for a, b in zip(mine, theirs, strict=True)):
        return True
    same = mine == theirs and one.loops == other.loops
    return same and any(a[0] == b[0] and a[1] != b[1] for a, b in zip(one.path, other.path, strict=False))


def _differ(a: str | ir.Expr, one: _Occurrence, b: str | ir.Expr, other: _Occurrence) -> bool:
    """Whether two items of an index are never the same text."""
    if isinstance(a, str) and isinstance(b, str):
        return a != b
    mine, theirs = _span(a, one.loops), _span(b, other.loops)
    return mine is not None and theirs is not None and (mine[1] < theirs[0] or theirs[1] < mine[0])


def _span(item: str | ir.Expr, loops: tuple[ir.Loop, ...]) -> tuple[float, float] | None:
    """The least and the greatest value of an item, if they are known."""
    if isinstance(item, str):
        return (int(item), int(item)) if item.lstrip("-").isdigit() else None
    if isinstance(item, ir.Ref):
        loop = next((loop for loop in loops if loop.variable == item.name), None)
        ends = (loop.start, loop.stop) if loop is not None else ()
        values = [end.value for end in ends if isinstance(end, ir.Const)]
        return (min(values), max(values)) if len(values) == 2 else None
    if (
        isinstance(item, ir.Map)
        and item.op in ("+", "-")
        and len(item.args) == 2
        and isinstance(item.args[1], ir.Const)
    ):
        inner, by = _span(item.args[0], loops), item.args[1].value * (1 if item.op == "+" else -1)
        return None if inner is None else (inner[0] + by, inner[1] + by)
    return None


def _variable(item: str | ir.Expr) -> str | None:
    """The name that an item follows, another value of the one giving another of the other."""
    if isinstance(item, ir.Ref):
        return item.name
    if isinstance(item, ir.Map) and item.op in ("+", "-"):
        moving = [arg for arg in item.args if not isinstance(arg, ir.Const)]
        return _variable(moving[0]) if len(moving) == 1 else None
    return None
