"""Loops whose iterations differ in form by the data: the iterations of each kind are a loop of their own.

`if ismissing(y[i])` makes two loops of one, groups of unequal sizes (`y[id .== j]`) one for each size. What cannot be
vectorised so, or carries a value, is lowered once for each iteration, the loop's variable being a number then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.along import Along, values_along
from mlmdsl.compiler.context import Carried, Context, Divided, NeedsValues
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.python_text import runs_of
from mlmdsl.compiler.values import RangeValue, Tensor
from mlmdsl.language import tree
from mlmdsl.language.julia_values import MAX_ENTRIES
from mlmdsl.language.types import Array, Axis

MOST_ONE_BY_ONE = 20_000
"""The most iterations that are lowered one by one."""


def numbers_tensor(values: npt.NDArray[np.int64], axes: Sequence[Axis]) -> Tensor:
    """Whole numbers of the data as a value of the program."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    type_ = ir.Type("int", (), tuple(axes), low, high)
    return Tensor(ir.Numbers(runs_of(values.ravel().tolist()), type_), Array(values, tuple(axes)))


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def settled_condition(cx: Context, condition: Tensor, node: tree.Node) -> Tensor:
    """A condition with the value that it has in every iteration, where the data show that it has one.

    Raises:
        Wrong: it is `missing` somewhere.
    """
    if condition.known is not None or not condition.is_data:
        return condition
    found = truth_along(cx, condition, node)
    if found is None or not found.values.size or found.values.dtype != bool:
        return condition
    first = bool(found.values.flat[0])
    return constant(first) if (found.values == first).all() else condition


def asks_missing(expr: ir.Expr) -> bool:
    """Whether a condition is about missing entries."""
    return any(isinstance(node, ir.Ref) and node.data and ir.is_mask(node.name) for node in ir.walk(expr))


def truth_along(cx: Context, condition: Tensor, node: tree.Node) -> Along | None:
    """The truth values of a condition of data in every iteration; None where they are not known."""
    found = values_along(cx, condition.expr) if condition.is_data and not condition.rank else None
    if found is not None and found.missing is not None and found.missing.any():
        row = np.argwhere(found.missing)[0]
        where = f" in iteration {', '.join(str(int(k) + 1) for k in row)}" if row.size else ""
        cx.fail_data(node, f"this condition is missing{where}, neither true nor false", "ask `ismissing(…)` first")
    return found


def divide_by_truth(cx: Context, condition: Tensor, node: tree.Node) -> None:
    """Have the loop around run in parts by a condition of data, where its values are known.

    Raises:
        Divided: they are, and they differ.
    """
    found = truth_along(cx, condition, node)
    if found is not None and found.loops:
        divide(found)


def divide(found: Along) -> None:
    """Have the outermost loop along which values differ run in parts, each with one value.

    Raises:
        Divided: unless all values are equal.
    """
    for position, name in enumerate(found.loops):
        slices = np.moveaxis(found.values, position, 0)
        flat = slices.reshape(slices.shape[0], -1)
        if (flat != flat[:1]).any():
            if len(flat) > _MOST_DIVIDED:
                raise Carried
            single = flat.shape[1] == 1
            raise Divided(name, np.unique(flat[:, 0] if single else flat, axis=0, return_inverse=True)[1].ravel())


_MOST_DIVIDED = 10**7
"""The most iterations of a loop that is run in parts."""


def kinds_of(keys: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The 0-based iterations of each kind, the kinds in the order in which they first appear."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    kinds = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return sorted(kinds, key=lambda places: int(places[0]))


def verify_size(cx: Context, size: Tensor, node: tree.Node) -> None:
    """Refuse a size for which there is no memory."""
    if isinstance(size.known, int) and size.known > MAX_ENTRIES:
        cx.fail(node, f"a size of {size.known:,} is too large: at most {MAX_ENTRIES:,}")


def settled_size(cx: Context, size: Tensor, node: tree.Node) -> Tensor:
    """A size with the value that it has in every iteration.

    Raises:
        Divided, NeedsValues: it has not one value in all of them. Wrong: its values are not known.
    """
    if not size.is_data or size.known is not None:
        return size
    if cx.known_arguments and any(isinstance(ref, ir.Ref) and ref.name in cx.sequential for ref in ir.walk(size.expr)):
        raise NeedsValues
    if not size.type.loops:
        return size
    found = values_along(cx, size.expr)
    if found is None or found.values.dtype.kind != "i" or not found.values.size:
        cx.fail(node, "a size that differs from one iteration to the next needs data that are known here",
                "bind the data: `--data FILE`")  # fmt: skip
    divide(found)
    return constant(int(found.values.flat[0]))


# ── indices whose number differs from iteration to iteration ─────────────────────────────────────────────────────────


def mask_along(cx: Context, mask: Tensor) -> Tensor | None:
    """A mask that varies along loops as the positions that it marks, as many in every iteration; None where not known.

    Raises:
        Divided: not as many in every iteration.
    """
    found = values_along(cx, mask.expr) if mask.is_data else None
    if found is None or found.missing is not None or found.rank != 1 or not found.loops:
        return None
    counts = Along(found.values.sum(-1), None, found.loops)
    divide(counts)
    marked = np.nonzero(found.values)[-1].reshape(*counts.values.shape, -1) + 1
    return _picks_along(mask.type.loops, found.loops, marked)


def range_along(cx: Context, value: RangeValue) -> Tensor | None:
    """A range whose ends vary along loops as positions, as many in every iteration; None where not known.

    Raises:
        Divided: not as many in every iteration.
    """
    ends = [values_along(cx, end.expr) if end.is_data else None for end in (value.start, value.stop)]
    if any(end is None or end.missing is not None or end.values.dtype.kind != "i" for end in ends):
        return None
    start, stop = (cast(Along, end) for end in ends)
    loops = cx.loop_axes([value.start.type, value.stop.type])
    names = tuple(axis.name for axis in loops)
    first, last = np.broadcast_arrays(*(_along_all(end, names) for end in (start, stop)))
    counts = Along(np.maximum(last - first + 1, 0), None, names)
    divide(counts)
    length = int(counts.values.flat[0]) if counts.values.size else 0
    return _picks_along(loops, names, first[..., None] + np.arange(length))


def _along_all(found: Along, names: Sequence[str]) -> npt.NDArray[Any]:
    """Values along all the loops named."""
    shape = [found.values.shape[found.loops.index(name)] if name in found.loops else 1 for name in names]
    return found.values.transpose([found.loops.index(name) for name in names if name in found.loops]).reshape(shape)


def _picks_along(loops: Sequence[Axis], names: Sequence[str], positions: npt.NDArray[np.int64]) -> Tensor:
    """Positions along loops and one array axis, as a part of a table of them."""
    by_name = {axis.name: axis for axis in loops}
    length = positions.shape[-1]
    part = Axis(f"part_of_{length}", length)
    walked = [by_name[name] for name in names]
    rows = [Axis(f"{axis.name} in order", axis.size) for axis in walked]
    table = numbers_tensor(np.ascontiguousarray(positions), (*rows, part))
    one = constant(1).expr
    items: tuple[ir.IndexItem, ...] = (*(ir.Slice(one, one, axis) for axis in walked), ir.Keep())
    type_ = ir.Type("int", tuple(walked), (part,), table.type.low, table.type.high)
    return Tensor(ir.Gather(table.expr, items, type_))
