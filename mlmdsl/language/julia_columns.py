"""What an `@data` block does with columns: levels, dummies, lags and matrices of columns, their labels kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_arrays import concatenated
from mlmdsl.language.julia_values import (
    MAX_COLUMNS,
    JuliaError,
    Values,
    as_array,
    check_present,
    check_size,
    describe,
    make_array,
    whole,
)
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Value


def named(x: Value, name: str) -> Value:
    """The value with a name for labels, where it has none; scalars and tuples as they are."""
    return replace(x, name=name) if isinstance(x, Array) and x.name is None else x


# ── levels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def levels(*columns: Value) -> Array:
    """`levels(c)`: the 1-based level of each row; `levels(a, b)`: of each combination that occurs, labelled `a:b`.

    Levels sort: numbers by value, text by code point, a pandas Categorical in its own order. Only levels that occur
    count. The result's `levels` axis is named after the column (`a:b`) and labelled.

    Raises:
        JuliaError: no column, columns of different lengths, missing entries (with their rows).
    """
    if not columns:
        raise JuliaError("`levels` needs a column")
    coded = [_one(column) for column in columns]
    if len(coded) == 1:
        return coded[0]
    if len({array.values.size for array in coded}) > 1:
        raise JuliaError(f"`levels` needs columns of one length, found {' and '.join(map(describe, columns))}")
    axes = [array.levels or Axis(ANONYMOUS, 0) for array in coded]
    codes, labels = coded[0].values, list(axes[0].labels or ())
    for array, axis in zip(coded[1:], axes[1:], strict=True):
        codes, labels = _crossed(codes, labels, array.values, axis.labels or ())
    name = ":".join(axis.name or str(k + 1) for k, axis in enumerate(axes))
    return _coded(codes, _unlike(labels), name, coded[0].axes)


def _crossed(codes: Values, labels: Sequence[str], more: Values, their: Sequence[str]) -> tuple[Values, list[str]]:
    """The codes and labels of the combinations that occur, in the order of the first, then the second."""
    width = len(their)
    pairs = rows.mapped(lambda one, other: (one - 1) * width + other - 1, [codes, more])
    found, crossed = rows.encoded(pairs)
    return crossed, [f"{labels[pair // width]}:{their[pair % width]}" for pair in found.tolist()]


def _one(column: Value) -> Array:
    """The levels of one column."""
    if not isinstance(column, Array) or column.ndim != 1:
        raise JuliaError(f"`levels` needs a column, found {describe(column)}")
    check_present(column, "levels")
    found, codes = rows.encoded(column.values)
    labels = [_label(value) for value in found.tolist()]
    name = column.name or ANONYMOUS
    if column.levels is not None:
        known = column.levels.labels or tuple(str(k + 1) for k in range(int(column.levels.size)))
        labels, name = [known[int(k) - 1] for k in found], column.levels.name
    elif column.categories is not None:
        places = {category: k for k, category in enumerate(column.categories)}
        order = np.argsort([places[label] for label in labels], kind="stable")
        place = np.argsort(order) + 1
        labels, codes = [labels[k] for k in order], rows.mapped(lambda part: place[part - 1], [codes])
    return _coded(codes, labels, name, column.axes)


def _label(value: Any) -> str:
    """A level as a label: Julia's way of printing it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _coded(codes: Values, labels: Sequence[str], name: str, axes: tuple[Axis, ...]) -> Array:
    """Codes along rows, with the axis of their levels."""
    axis = Axis(name, len(labels), tuple(labels))
    return Array(rows.converted(codes, np.int64), axes, levels=axis, name=name or None)


def _unlike(labels: Sequence[str]) -> list[str]:
    """Labels, with `_2`, `_3` … after one that came before."""
    given: dict[str, int] = {}
    for label in labels:
        candidate, k = label, given.get(label, 0)
        while candidate in given:
            k += 1
            candidate = f"{label}_{k + 1}"
        given[label] = k
        given.setdefault(candidate, 0)
    return list(given)


def interaction(*columns: Value) -> Array:
    """`interaction(a, b)`: `levels(a, b)`."""
    if len(columns) < 2:
        raise JuliaError("`interaction` needs two columns or more", "the levels of one column are `levels(c)`")
    return levels(*columns)


def dummies(column: Value, *, drop: Value = None) -> Array:
    """`dummies(c; drop=nothing)`: an N×L matrix, 1.0 where the row has the column's level, else 0.0.

    Its second axis is named after the column and labelled with its levels. `drop` leaves a level out: its name, its
    value, or its place (`1`, `:first`, `:last`).

    Raises:
        JuliaError: missing entries, a level to drop that is not there.
    """
    coded = levels(column)
    axis = coded.levels or Axis(ANONYMOUS, 0, ())
    labels = axis.labels or ()
    kept = np.arange(1, len(labels) + 1)
    if drop is not None:
        dropped = _dropped(drop, labels, axis.name)
        labels = labels[:dropped] + labels[dropped + 1 :]
        kept = np.delete(kept, dropped)
    shape = (coded.values.size, len(labels))
    check_size(shape, "dummies", MAX_COLUMNS)
    codes = coded.values[:, None]
    values = rows.mapped(lambda part: (part == kept).astype(np.float64), [codes], shape)
    return make_array(values, (*coded.axes, Axis(axis.name, len(labels), labels)))


def _dropped(drop: Value, labels: tuple[str, ...], name: str) -> int:
    """The 0-based place of the level to leave out."""
    text = _label(drop)
    if text in labels:
        return labels.index(text)
    places: dict[Value, int] = {"first": 0, "last": len(labels) - 1}
    place = places.get(drop) if isinstance(drop, str) else drop - 1 if isinstance(drop, int) else None
    if place is None or isinstance(drop, bool) or not 0 <= place < len(labels):
        shown = ", ".join(labels[:20]) + (", …" if len(labels) > 20 else "")
        raise JuliaError(f"`{name or 'the column'}` has no level `{drop}` to drop", f"its levels are {shown}")
    return place


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
    parts = [_columns(item) for item in items]
    lengths = {part.values.shape[0] for part, item in zip(parts, items, strict=True) if isinstance(item, Array)}
    if len(lengths) > 1 or (lengths and not stretch and any(p.values.shape[0] not in lengths for p in parts)):
        raise JuliaError(f"`hcat` needs as many rows in each part, found {' and '.join(map(describe, items))}")
    n = next(iter(lengths), 1)
    parts = [part if isinstance(item, Array) else _stretched(part, n) for part, item in zip(parts, items, strict=True)]
    values, missing = concatenated(parts, 1, "hcat")
    named_rows = [p.axes[0] for p, item in zip(parts, items, strict=True) if isinstance(item, Array)]
    row = max(named_rows, key=lambda axis: axis.name != ANONYMOUS, default=Axis(ANONYMOUS, n))
    labels = _labels(items, parts)
    return make_array(values, (row, Axis(_common_name(items), values.shape[1], labels)), missing)


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
    return tuple(_unlike(_told_apart(labels, axes)))


def _scalar_labels(items: Sequence[Value], parts: Sequence[Array]) -> list[str | None]:
    """For each column the text of the scalar that fills it, or None."""
    texts: list[str | None] = []
    for item, part in zip(items, parts, strict=True):
        text = _label(item) if isinstance(item, int | float | str) else None
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
