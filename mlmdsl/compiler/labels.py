"""Groups are met by label, never by place: what indexes an axis by levels, or stands beside it, must have its labels.

Columns that are numbered apart (`home = levels(home); away = levels(away)`) give one code to two groups. Where both reach
one axis, or are compared, the text means what no author wants; it is refused, and the shared numbering is offered. Codes
made by arithmetic and plain integers carry no labels, and mean what they say.

Non-Goals: axes whose labels have nothing in common, which may well be aligned on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.values import Tensor
from mlmdsl.language import tree
from mlmdsl.language.errors import listed
from mlmdsl.language.types import Array, Axis

_SHOWN = 3
_ORDERED = frozenset({"OrderedLogistic"})


def verify_index(cx: Context, base: Tensor, position: int, levels: Axis | None, item: tree.Node) -> None:
    """Refuse levels with other labels than the axis that they index, or than levels that indexed it before."""
    axis = base.type.axes[position]
    if levels is None:
        return
    if levels.apart:
        _verify_columns(cx, levels, item)
    if not levels.labels:
        return
    origin = _origin(cx, base.expr, axis)
    name = base.expr.name if isinstance(base.expr, ir.Ref) else origin
    key = axis_of(origin, position, axis)
    for known in (axis, cx.indexed_by.get(key)):
        if known is not None and known.labels and _differ(known.labels, levels.labels):
            _fail(cx, known, levels, item, f"`{name}`")
    cx.indexed_by.setdefault(key, levels)
    if not axis.labels and not (isinstance(axis.size, int) and axis.size > len(levels.labels)):
        _adopt(cx, {key, axis_of(name, position, axis)}, axis, levels.labels)


def _verify_columns(cx: Context, levels: Axis, item: tree.Node) -> None:
    """Refuse a matrix as an index whose columns are numbered apart."""
    labelled = [axis for axis in levels.apart if axis is not None and axis.labels]
    for first, second in zip(labelled, labelled[1:], strict=False):
        if _differ(first.labels or (), second.labels or ()):
            _fail(cx, first, second, item, "this index")


def share_labels(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> None:
    """The two axes that a product sums over are one: the labels of either are the labels of both.

    Levels of two columns that reach one axis without labels are refused, as where they index it.
    """
    sides = ((left, left.rank - 1), (right, 0))
    for (labelled, place), (bare, position) in (sides, sides[::-1]):
        labels, axis = labelled.type.axes[place], bare.type.axes[position]
        if not labels.labels or axis.labels or labels.size != axis.size:
            continue
        if labels.is_levels and not bare.is_data:
            verify_index(cx, bare, position, labels, node)
        else:
            cx.axis_labels.setdefault(axis.name, labels.labels)


def _origin(cx: Context, expr: ir.Expr, axis: Axis) -> str:
    """The array that an axis comes from: `z` for `s = 2 .* z`; the names of all of them where there are several."""
    found = _along(expr, axis)
    if len(found) != 1:
        return " and ".join(sorted(found)) or axis.name
    (name,) = found
    made = next((node.value for node in cx.nodes if isinstance(node, ir.Let) and node.name == name), None)
    return name if made is None or not _along(made, axis) - {name} else _origin(cx, made, axis)


def _along(expr: ir.Expr, axis: Axis) -> set[str]:
    """The names in an expression that have an axis: of parameters where there are any, else of data."""
    refs = [ref for ref in ir.walk(expr) if isinstance(ref, ir.Ref) and axis in ref.type.axes]
    return {ref.name for ref in refs if not ref.data} or {ref.name for ref in refs}


def axis_of(name: str, position: int, axis: Axis) -> str:
    """An axis of one array: axes that no column named may share a name, as those of `filldist(d, 4, 4)` do."""
    return f"{name}[{position + 1}:{axis.name}]"


def _adopt(cx: Context, keys: set[str], axis: Axis, labels: tuple[str, ...]) -> None:
    """An axis without labels has those of its index; of several arrays each has its own."""
    found = labels[: axis.size] if isinstance(axis.size, int) else labels
    for key in sorted(keys):
        cx.axis_labels.setdefault(key, found)
    cx.axis_labels[axis.name] = found if cx.axis_labels.get(axis.name, found) == found else ()


def levels_past(levels: Axis | None, axis: Axis) -> str | None:
    """A hint for levels that go past the end of an axis: it was sized by another column, or by what occurs."""
    if levels is None or not levels.labels or not isinstance(axis.size, int) or len(levels.labels) <= axis.size:
        return None
    shown = listed(levels.labels, _SHOWN)
    return (
        f"`{levels.name}` has {len(levels.labels)} levels ({shown}), more than this axis: columns that share them are "
        "counted by `length(unique(vcat(a, b)))`, levels that do not occur by a number"
    )


def verify_compared(cx: Context, args: Sequence[Tensor], what: str, node: tree.Node) -> None:
    """Refuse to compare or join codes that number different groups."""
    coded = [arg.levels for arg in args if arg.levels is not None and arg.levels.labels]
    for first, second in zip(coded, coded[1:], strict=False):
        if _differ(first.labels or (), second.labels or ()):
            _fail(cx, first, second, node, f"`{what}`")


def verify_aligned(
    cx: Context, axes: Sequence[Axis], what: str, node: tree.Node, operands: Sequence[Tensor] = ()
) -> None:
    """Refuse axes side by side that have a label in common at different places.

    Unless all operands are data, and an axis has the names of columns: these may be paired as one likes.
    """
    labelled = [axis for axis in axes if axis.labels]
    for first, second in zip(labelled, labelled[1:], strict=False):
        if first.labels == second.labels:
            continue
        places = {label: place for place, label in enumerate(first.labels or ())}
        moved = any(places.get(label, place) != place for place, label in enumerate(second.labels or ()))
        paired = not (first.is_levels and second.is_levels) and bool(operands)
        if moved and not (paired and all(operand.is_data for operand in operands)):
            _fail(cx, first, second, node, f"`{what}`")


def side_by_side(parts: Sequence[Tensor]) -> Axis | None:
    """The levels of a matrix from those of its parts: one for all columns where they are the same, else of each."""
    columns: list[Axis | None] = []
    for part in parts:
        width = part.type.axes[1].size if part.rank == 2 else 1
        own = part.levels.apart if part.levels is not None and part.levels.apart else (part.levels,)
        columns += own if len(own) == width else own[:1] * (width if isinstance(width, int) else 1)
    if not any(columns):
        return None
    first = columns[0]
    if first is not None and all(axis == first for axis in columns):
        return first
    return Axis("", 0, apart=tuple(columns))


def selected(levels: Axis | None, base: Tensor, column: object) -> Axis | None:
    """The levels of a part of an array, of which a column is known that it lies in."""
    if levels is None or not levels.apart or base.rank != 2:
        return levels
    one = isinstance(column, int) and not isinstance(column, bool) and 1 <= column <= len(levels.apart)
    return levels.apart[column - 1] if one and isinstance(column, int) else levels


def verify_order(cx: Context, dist: ir.Dist, value: Tensor, node: tree.Node) -> None:
    """Refuse an ordered outcome whose levels nobody ordered."""
    levels = value.levels
    if levels is None or not levels.nominal or not levels.labels:
        return
    if not any(isinstance(part, ir.Dist) and part.family in _ORDERED for part in ir.walk(dist)):
        return
    order = listed([f'"{label}"' for label in levels.labels], _SHOWN)
    cx.fail_data(
        node,
        f"the outcome of {dist.family} is ordered, and nobody ordered the levels of `{levels.name}`: as text they sort "
        f"to {' < '.join(levels.labels[:_SHOWN])}{' < …' if len(levels.labels) > _SHOWN else ''}",
        f"say it in `@data`, the lowest first: `levels({levels.name}; order=[{order}])` with these in their order",
    )


def joined_levels(cx: Context, parts: Sequence[Tensor], what: str, node: tree.Node) -> Axis | None:
    """The levels of codes that are put together, where all have them."""
    verify_compared(cx, parts, what, node)
    found = [part.levels for part in parts]
    return max((axis for axis in found if axis), key=_known_size, default=None) if all(found) else None


def with_levels(value: Tensor, levels: Axis | None) -> Tensor:
    """The value as codes of these levels, in what data know of it too."""
    if levels is None:
        return value
    known = value.known
    return replace(value, known=replace(known, levels=levels) if isinstance(known, Array) else known, levels=levels)


def _known_size(axis: Axis) -> int:
    return axis.size if isinstance(axis.size, int) else -1


def _differ(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether some code means two groups; one set of labels may go further than the other."""
    return one != other and any(mine != theirs for mine, theirs in zip(one, other, strict=False))


def _fail(cx: Context, known: Axis, other: Axis, node: tree.Node, where: str) -> None:
    mine, theirs = known.labels or (), other.labels or ()
    place = next(k for k, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b)
    only = [
        f"only `{axis.name}` has {listed(extra, _SHOWN, quoted=True)}"
        for axis, extra in ((known, _without(mine, theirs)), (other, _without(theirs, mine)))
        if extra
    ]
    names = (
        known.name if known.name != other.name else "the one",
        other.name if known.name != other.name else "the other",
    )
    detail = f": {' and '.join(only)}" if only and known.name != other.name else ""
    cx.fail(
        node,
        f"two numberings of groups meet at {where}: {place + 1} is `{mine[place]}` by {_quoted(names[0])} "
        f"and `{theirs[place]}` by {_quoted(names[1])}{detail}",
        _remedy(known.name, other.name),
    )


def _remedy(one: str, other: str) -> str:
    if one == other or not one or not other:
        return "number both by one `levels(…)` in `@data`"
    columns = f"{one}, {other}"
    return (
        f"number them together in `@data`: `{columns} = levels({columns}; shared=true)`, "
        f"and count them by `length(unique(vcat({columns})))`; or let each index an effect of its own"
    )


def _quoted(name: str) -> str:
    return name if name.startswith("the ") else f"`{name}`"


def _without(labels: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    known = set(others)
    return [label for label in labels if label not in known]
