"""Where in its array an element is drawn or observed: the items of its index, and the site's name that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.along import values_along
from mlmdsl.compiler.context import Context, LoopAxis, key_of
from mlmdsl.compiler.indexing import lower_items
from mlmdsl.compiler.python_text import runs_of
from mlmdsl.compiler.values import Tensor, Value, describe, describe_type
from mlmdsl.language import tree
from mlmdsl.language.types import Axis


def target_name(target: tree.Expression) -> str | None:
    """The variable on the left of a `~`, if there is one."""
    if isinstance(target, tree.Name):
        return target.id
    if isinstance(target, tree.Index) and isinstance(target.base, tree.Name):
        return target.base.id
    return None


@dataclass(frozen=True)
class Place:
    """Where in an array an element is drawn: its items, and the array axes of the whole."""

    items: tuple[ir.IndexItem, ...]
    axes: tuple[Axis, ...]
    complete: bool


def find_place(cx: Context, node: tree.Tilde, dist: ir.Dist, base: Value | None, target: tree.Index) -> Place:
    """The place that `x[i, :] ~ d` means, in an array that may have no length yet."""
    if isinstance(base, Tensor) and base.rank != len(target.indices):
        cx.fail(
            node.target,
            f"{describe(base)} takes {base.rank} {'index' if base.rank == 1 else 'indices'}, found {len(target.indices)}",
        )
    free = list(dist.axes)
    items: list[ir.IndexItem] = []
    axes: list[Axis] = []
    walked: list[str] = []
    whole = True
    for position, index in enumerate(target.indices):
        item, axis = _element_item(cx, node, base, position, index, free)
        items.append(item)
        axes.append(axis)
        loop = item.loop if isinstance(item, ir.Slice) else None
        if loop is not None:
            walked.append(loop.name)
        whole = whole and (isinstance(item, ir.Keep) or (loop is not None and _covers(item, axis)))
    if free:
        cx.fail(
            node,
            f"the two sides of `~` do not fit: this is a distribution of {describe_type(ir.Type(axes=dist.axes))}",
            f"write `:` for each axis that is drawn at once: `{target_name(node.target)}[i, :] ~ …`",
        )
    around = [loop.axis.name for loop in cx.loops]
    if sorted(set(around) - set(walked)):
        cx.fail(
            node, f"`{target_name(target)}` would be drawn anew in each iteration", "index it by each loop's variable"
        )
    return Place(tuple(items), tuple(axes), whole and not cx.sequential and len(walked) == len(set(walked)))


def _covers(item: ir.IndexItem, axis: Axis) -> bool:
    """Whether a walk covers all of an axis."""
    return (
        isinstance(item, ir.Slice)
        and item.loop is not None
        and isinstance(item.start, ir.Const)
        and item.start.value == 1
        and item.loop.size == axis.size
    )


def _element_item(
    cx: Context, node: tree.Tilde, base: Value | None, position: int, index: tree.Expression, free: list[Axis]
) -> tuple[ir.IndexItem, Axis]:
    """One index of the target, and the array axis it lies on."""
    known = base.type.axes[position] if isinstance(base, Tensor) else None
    if isinstance(index, tree.Colon):
        if not free:
            cx.fail(index, "`:` needs a distribution of a vector on the right of `~`")
        drawn = free.pop(0)
        if (
            known is not None
            and isinstance(known.size, int)
            and isinstance(drawn.size, int)
            and known.size != drawn.size
        ):
            cx.fail(node, f"the two sides of `~` do not fit: length {known.size} and length {drawn.size}")
        return ir.Keep(), drawn
    if isinstance(base, Tensor):
        return lower_items(cx, base, [*_colons(position, index), index])[-1].item, cast(Axis, known)
    return _unsized_item(cx, node, index)


def _colons(position: int, index: tree.Expression) -> list[tree.Expression]:
    """`:` for each axis before a position."""
    return [tree.Colon(span=index.span) for _ in range(position)]


def _unsized_item(cx: Context, node: tree.Tilde, index: tree.Expression) -> tuple[ir.IndexItem, Axis]:
    """An index into an array whose length only the loops around tell."""
    value = cx.expr(index)
    expr = value.expr if isinstance(value, Tensor) else None
    loop = next((loop for loop in cx.loops if isinstance(expr, ir.Counter) and loop.axis == expr.axis), None)
    if (
        loop is None
        or not isinstance(expr, ir.Counter)
        or not isinstance(expr.start, ir.Const)
        or expr.start.value != 1
    ):
        name = target_name(node.target)
        cx.fail(index, f"`{name}` has no length yet", f"write `{name} = Vector{{Float64}}(undef, n)` before")
    axis = _array_axis(cx, loop)
    return ir.Slice(expr.start, expr.start, loop.axis), axis


def _array_axis(cx: Context, loop: LoopAxis) -> Axis:
    """The array axis that a loop walks."""
    if loop.over is not None and loop.over.size == loop.axis.size:
        cx.axis_sizes.setdefault(key_of(loop.over), cx.axis_sizes[key_of(loop.axis)])
        return loop.over
    return loop.axis


def site_index(cx: Context, target: tree.Expression, value: Tensor) -> ir.SiteIndex | None:
    """The index in an observed site's name: none where the whole is observed."""
    expr = value.expr
    if not isinstance(target, tree.Index) or not isinstance(expr, ir.Gather):
        return None
    axes = expr.x.type.axes
    if all(isinstance(item, ir.Keep) or _covers(item, axis) for item, axis in zip(expr.index, axes, strict=True)):
        return None
    return site_of_items(cx, expr.index, axes)


def site_of_items(cx: Context, items: Sequence[ir.IndexItem], axes: Sequence[Axis]) -> ir.SiteIndex:
    """The index in the name of a site at a place."""
    return ir.SiteIndex(items=tuple(_site_item(cx, item, axis) for item, axis in zip(items, axes, strict=True)))


def _site_item(cx: Context, item: ir.IndexItem, axis: Axis) -> str | ir.Expr:
    if isinstance(item, ir.Keep) or _covers(item, axis):
        return ":"
    if isinstance(item, ir.Slice):
        first = item.start.value if isinstance(item.start, ir.Const) else None
        if item.loop is not None and first is not None and isinstance(item.loop.size, int):
            return f"{first}:{int(first) + item.loop.size - 1}"
        if first is not None and isinstance(item.stop, ir.Const):
            return f"{first}:{item.stop.value}"
        return "part"
    if isinstance(item.index, ir.Const):
        return str(item.index.value)
    return item.index if item.index.type.is_scalar else _picked(cx, item.index)


def _picked(cx: Context, index: ir.Expr) -> str:
    """The places that an index picks: all of them where they are few, else the first, the last and how many."""
    found = values_along(cx, index)
    if found is None or not found.values.size:
        return "picked"
    places = (np.flatnonzero(found.values) + 1 if found.values.dtype == bool else found.values).ravel().tolist()
    text = runs_of(places).replace(" ", "+")
    return text if len(text) <= _SHOWN else f"{places[0]}…{places[-1]} ({len(places)})"


_SHOWN = 40


def lower_items_of(cx: Context, base: Tensor, target: tree.Index) -> list[ir.IndexItem]:
    """The items of an assigned element."""
    if base.rank != len(target.indices):
        cx.fail(
            target,
            f"{describe(base)} takes {base.rank} {'index' if base.rank == 1 else 'indices'}, found {len(target.indices)}",
        )
    return [position.item for position in lower_items(cx, base, target.indices)]


def placed_items(cx: Context, base: Tensor, items: Sequence[ir.IndexItem]) -> list[LoopAxis] | None:
    """The loops around in the order of the items, where these walk all of an array once; else None."""
    by_name = {loop.axis.name: loop for loop in cx.loops}
    places = []
    for item, axis in zip(items, base.type.axes, strict=True):
        if not isinstance(item, ir.Slice) or item.loop is None or not _covers(item, axis):
            return None
        places.append(by_name[item.loop.name])
    return places if len({place.axis.name for place in places}) == len(by_name) == len(places) else None
