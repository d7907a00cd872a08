"""What an `@data` block does with columns: lags, and matrices of columns, their labels kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_arrays import concatenated
from mlmdsl.language.julia_levels import label_of, unlike
from mlmdsl.language.julia_values import (
    JuliaError,
    Values,
    as_array,
    check_readable,
    describe,
    make_array,
    whole,
)
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Value


def named(x: Value, name: str) -> Value:
    """The value with a name for labels, where it has none; scalars and tuples as they are."""
    return replace(x, name=name) if isinstance(x, Array) and x.name is None else x


# ── columns and matrices ─────────────────────────────────────────────────────────────────────────────────────────────


def lag(column: Value, k: Value = 1) -> Array:
    """`lag(c, k=1)`: the value k rows before; the first k are missing (a negative k looks ahead)."""
    if not isinstance(column, Array) or column.ndim != 1:
        raise JuliaError(f"`lag` needs a column, found {describe(column)}")
    n = int(column.values.size)
    shift = max(min(whole(k, "the lag"), n), -n)
    gone = np.zeros(n, dtype=bool) if column.missing is None else column.missing
    result = make_array(_shifted(column.values, shift), column.axes, _shifted(gone, shift, True))
    return replace(result, levels=column.levels, name=column.name, categories=column.categories)


def _shifted(values: Values, shift: int, blank: Any = None) -> Values:
    """The values `shift` rows further down; the rows that none comes to hold `blank`, or anything."""
    n = len(values)
    result = rows.empty((n,), values.dtype)
    result[max(shift, 0) : n + min(shift, 0)] = values[max(-shift, 0) : n - max(shift, 0)]
    edge = slice(0, shift) if shift >= 0 else slice(n + shift, n)
    result[edge] = values[edge] if blank is None else blank
    return result


def hcat(*items: Value, stretch: bool = True) -> Array:
    """`hcat(1, x, X)`, `[x y]`, `Matrix(a, b, c)`: side by side; a scalar fills a column.

    Columns are labelled with the vectors' names, the labels of matrices, the text of scalars (`1`), else `x2` (their
    place), as soon as any has a label. Labels that occur twice get the axis in front (`cheese=A`), or a number.

    Raises:
        JuliaError: parts with different numbers of rows, text beside numbers.
    """
    if not items:
        raise JuliaError("`hcat` needs at least one column")
    items = tuple(as_array(item, "hcat") if isinstance(item, tuple) else item for item in items)
    check_readable(items)
    parts = [_columns(item) for item in items]
    lengths = {part.values.shape[0] for part, item in zip(parts, items, strict=True) if isinstance(item, Array)}
    if len(lengths) > 1 or (lengths and not stretch and any(p.values.shape[0] not in lengths for p in parts)):
        raise JuliaError(f"`hcat` needs as many rows in each part, found {' and '.join(map(describe, items))}")
    n = next(iter(lengths), 1)
    parts = [part if isinstance(item, Array) else _stretched(part, n) for part, item in zip(parts, items, strict=True)]
    values, missing = concatenated(parts, 1, "hcat")
    named_rows = [p.axes[0] for p, item in zip(parts, items, strict=True) if isinstance(item, Array)]
    row = max(named_rows, key=lambda axis: axis.name != ANONYMOUS, default=Axis(ANONYMOUS, n))
    left_out = ", ".join(part.axes[1].dropped for part in parts if part.axes[1].dropped) or None
    columns = Axis(_common_name(items), values.shape[1], _labels(items, parts), dropped=left_out)
    return make_array(values, (row, columns), missing)


def _columns(item: Value) -> Array:
    """A part as a matrix."""
    array = as_array(item, "hcat")
    if array.ndim > 2:
        raise JuliaError(f"`hcat` needs vectors and matrices, found {describe(item)}")
    if array.ndim == 2:
        return array
    missing = None if array.missing is None else array.missing[:, None]
    return make_array(array.values[:, None], (array.axes[0], Axis(ANONYMOUS, 1)), missing)


def _stretched(part: Array, n: int) -> Array:
    """A scalar's column, n rows long."""
    missing = None if part.missing is None else np.broadcast_to(part.missing, (n, 1))
    return Array(
        np.broadcast_to(part.values, (n, part.values.shape[1])), (Axis(ANONYMOUS, n), part.axes[1]), missing=missing
    )


def _common_name(items: Sequence[Value]) -> str:
    """The name of the columns' axis: that of the one matrix given, else none."""
    only = items[0] if len(items) == 1 else None
    return only.axes[1].name if isinstance(only, Array) and only.ndim == 2 else ANONYMOUS


def _labels(items: Sequence[Value], parts: Sequence[Array]) -> tuple[str, ...] | None:
    """A label for every column, or None where no part has a name or labels."""
    found: list[str | None] = []
    axes: list[str] = []
    for item, part in zip(items, parts, strict=True):
        own = part.axes[1].labels
        width = part.values.shape[1]
        found.extend(own or [item.name if isinstance(item, Array) else None] * width)
        axes.extend([part.axes[1].name if own else ANONYMOUS] * width)
    if all(label is None for label in found):
        return None
    scalars = _scalar_labels(items, parts)
    labels = [label or text or f"x{k + 1}" for k, (label, text) in enumerate(zip(found, scalars, strict=True))]
    return tuple(unlike(_told_apart(labels, axes)))


def _scalar_labels(items: Sequence[Value], parts: Sequence[Array]) -> list[str | None]:
    """For each column the text of the scalar that fills it, or None."""
    texts: list[str | None] = []
    for item, part in zip(items, parts, strict=True):
        text = label_of(item) if isinstance(item, int | float | str) else None
        texts.extend([text] * part.values.shape[1])
    return texts


def _told_apart(labels: Sequence[str], axes: Sequence[str]) -> list[str]:
    """Labels that occur twice with the name of their axis in front."""
    counts = Counter(labels)
    both = zip(labels, axes, strict=True)
    return [f"{axis}={label}" if counts[label] > 1 and axis != ANONYMOUS else label for label, axis in both]


def matrix_of(*items: Value) -> Array:
    """`Matrix(a, b, c)`: columns side by side; `Matrix(A)` is A."""
    return hcat(*items)
