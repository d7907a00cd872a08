"""Columns of data centred and rescaled: `center` and `standardize` (around missing entries), `zscore` of StatsBase."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_statistics import mean, std
from mlmdsl.language.julia_values import (
    JuliaError,
    Mask,
    Values,
    as_array,
    as_numbers,
    complete_numbers,
    describe,
    make_array,
    rows_of,
    subject,
)
from mlmdsl.language.types import Array, Value


def center(x: Value) -> Value:
    """`center(x)` = x − mean(x), each column of a matrix by itself; missing entries stay missing."""
    array = as_array(x, "center")
    values = _observed(array, "center")
    means, _ = _column_means(values, array.missing)
    return _like(array, rows.mapped(lambda part: part - means, [values]))


def standardize(x: Value) -> Value:
    """`standardize(x)` = (x − mean(x)) / std(x), each column of a matrix by itself; missing entries stay missing.

    Raises:
        JuliaError: a column is constant, or has fewer than two values.
    """
    array = as_array(x, "standardize")
    values = _observed(array, "standardize")
    means, known = _column_means(values, array.missing)
    squares = _column_sums(lambda part: (part - means) ** 2, values, array.missing)
    spread = np.sqrt(squares / np.maximum(known - 1, 1))
    _check_varies(array, values, known, spread)
    return _like(array, rows.mapped(lambda part: (part - means) / spread, [values]))


def _observed(array: Array, what: str) -> Values:
    """The numbers as floats."""
    values = rows.converted(as_numbers(array, what).values, np.float64)
    if array.ndim > 2:
        raise JuliaError(f"`{what}` needs a vector or a matrix, found {describe(array)}")
    bad = rows.mapped(lambda part: ~np.isfinite(part), [values])
    if array.missing is not None:
        bad = rows.mapped(lambda part, gone: part & ~gone, [bad, array.missing])
    if bad.any():
        raise JuliaError(f"`{what}`: {subject(array)} holds NaN or Inf ({rows_of(bad)})")
    return values


def _column_sums(function: Callable[[Values], Values], values: Values, missing: Mask | None) -> Values:
    """Σ over the observed entries of each column."""
    if missing is None:
        return np.asarray(rows.total(lambda part: function(part).sum(axis=0), values))
    return np.asarray(rows.total(lambda part, gone: np.where(gone, 0.0, function(part)).sum(axis=0), values, missing))


def _column_means(values: Values, missing: Mask | None) -> tuple[Values, Values]:
    """The mean of the observed entries of each column, and their number."""
    known = np.full(values.shape[1:], len(values)) if missing is None else np.asarray((~missing).sum(axis=0))
    return _column_sums(np.asarray, values, missing) / np.maximum(known, 1), known


def _check_varies(array: Array, values: Values, counts: Values, spread: Values) -> None:
    """Raise JuliaError for a column whose observed values are all one."""
    flat = values.reshape(values.shape[0], math.prod(values.shape[1:]))
    present = True if array.missing is None else ~array.missing.reshape(flat.shape)
    low, high = np.min(flat, 0, where=present, initial=np.inf), np.max(flat, 0, where=present, initial=-np.inf)
    for k, count in enumerate(np.ravel(counts)):
        if count < 2 or low[k] == high[k] or not float(np.ravel(spread)[k]) > 0:
            labels = array.axes[1].labels if array.ndim == 2 else None
            name = labels[k] if labels else array.name
            what = f"column `{name}`" if name else f"column {k + 1}" if array.ndim == 2 else "the argument"
            found = f"all values are {low[k]:g}" if count else "it has no values"
            raise JuliaError(f"{what} is constant ({found}) and cannot be standardized", "leave it out of the model")


def _like(array: Array, values: Values) -> Array:
    """Values in the place of an array's own: its axes, name and missing entries."""
    result = make_array(values, array.axes, array.missing)
    return Array(result.values, result.axes, missing=result.missing, name=array.name)


def zscore(x: Value, dim: Value = None) -> Value:
    """`zscore(x)` over all entries; `zscore(X, 1)` each column by itself (StatsBase, n − 1)."""
    array = as_array(x, "zscore")
    values = rows.converted(complete_numbers(array, "zscore"), np.float64)
    middle, spread = (as_array(f(array, dims=dim), "zscore").values.astype(np.float64) for f in (mean, std))
    if not np.all(spread > 0):
        name = f"column `{array.name}`" if array.name else "the argument"
        raise JuliaError(f"{name} is constant and has no z-scores", "leave it out of the model")
    return _like(array, rows.mapped(lambda part: (part - middle) / spread, [values]))
