"""Julia's literals of data, and what its loops walk over: elements, rows, columns, indices, pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product as pairs

import numpy as np

from mlmdsl.language.julia_arrays import reshape, vcat
from mlmdsl.language.julia_columns import hcat
from mlmdsl.language.julia_indexing import flat
from mlmdsl.language.julia_values import (
    JuliaError,
    as_array,
    check_size,
    collect_scalars,
    describe,
    make,
    make_array,
    vector,
    whole,
)
from mlmdsl.language.types import MISSING, Array, Value

# ── literals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def vector_literal(items: Sequence[Value]) -> Value:
    """`[a, b, …]`: a vector of scalars; a vector of anything else is a tuple here."""
    if all(not isinstance(item, Array | tuple) for item in items):
        return collect_scalars(items, "[…]")
    return tuple(items)


def matrix_literal(rows: Sequence[Sequence[Value]]) -> Array:
    """`[a b; c d]`: each row side by side, the rows below one another."""
    return vcat(*(hcat(*row, stretch=False) for row in rows))


# ── walking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def elements(x: Value) -> tuple[Value, ...]:
    """What a loop over x meets: the entries, down the columns first; a number is met once."""
    if isinstance(x, tuple):
        return x
    array = flat(as_array(x, "a loop"))
    entries: list[Value] = array.values.tolist()
    if array.missing is not None:
        entries = [MISSING if gone else entry for entry, gone in zip(entries, array.missing, strict=True)]
    return tuple(entries)


def collect(x: Value) -> Value:
    """`collect(x)`: an array as it is; a tuple of scalars as a vector."""
    return vector_literal(x) if isinstance(x, tuple) else as_array(x, "collect")


def eachrow(x: Value) -> tuple[Value, ...]:
    """`eachrow(A)` → a tuple of vectors."""
    array = as_array(x, "eachrow")
    if array.ndim > 2:
        raise JuliaError(f"`eachrow` needs a matrix, found {describe(x)}")
    wide = array if array.ndim == 2 else reshape(array, slice(None), 1)
    masks = [None] * wide.values.shape[0] if wide.missing is None else list(wide.missing)
    return tuple(make(row, wide.axes[1:], mask) for row, mask in zip(wide.values, masks, strict=True))


def eachcol(x: Value) -> tuple[Value, ...]:
    """`eachcol(A)` → a tuple of vectors, each named by its column's label."""
    array = as_array(x, "eachcol")
    if array.ndim > 2:
        raise JuliaError(f"`eachcol` needs a matrix, found {describe(x)}")
    wide = array if array.ndim == 2 else reshape(array, slice(None), 1)
    names = wide.axes[1].labels or (None,) * wide.values.shape[1]
    masks = [None] * wide.values.shape[1] if wide.missing is None else list(wide.missing.T)
    columns = zip(wide.values.T, masks, names, strict=True)
    return tuple(replace(make_array(v, wide.axes[:1], mask), name=name) for v, mask, name in columns)


def eachindex(x: Value) -> Array:
    """`eachindex(x)`: 1…length(x), along the axis of x."""
    array = as_array(x, "eachindex")
    indices = np.arange(1, array.values.size + 1)
    return make_array(indices, array.axes if array.ndim == 1 else None)


def axes_of(x: Value, d: Value = None) -> Value:
    """`axes(x)` → a tuple of 1…size; `axes(x, d)` one of them."""
    array = as_array(x, "axes")
    ranges = tuple(make_array(np.arange(1, n + 1), (a,)) for n, a in zip(array.values.shape, array.axes, strict=True))
    if d is None:
        return ranges
    dimension = whole(d, "the dimension of `axes`")
    if dimension < 1:
        raise JuliaError(f"`axes`: dimensions count from 1, found {dimension}")
    return ranges[dimension - 1] if dimension <= len(ranges) else vector(np.arange(1, 2))


def enumerate_of(x: Value) -> tuple[Value, ...]:
    """`enumerate(x)` → ((1, x₁), (2, x₂), …)."""
    return tuple((k, entry) for k, entry in enumerate(elements(x), start=1))


def zip_of(*items: Value) -> tuple[Value, ...]:
    """`zip(x, y, …)` → ((x₁, y₁), …), as long as the shortest."""
    return tuple(zip(*map(elements, items), strict=False))


def product_of(*items: Value) -> tuple[Value, ...]:
    """The iterations of `for i in x, j in y`: the last varies fastest."""
    parts = [elements(item) for item in items]
    check_size([len(part) for part in parts], "a loop")
    return tuple(pairs(*parts))
