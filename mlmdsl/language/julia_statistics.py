"""Julia's reductions and statistics on data (Base, Statistics, StatsBase).

Each takes an array, a tuple or a number. `dims` reduces along those dimensions, which stay with size 1, as in Julia.
Missing entries are an error that names the rows; variances divide by n − 1 unless `corrected=false`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_values import (
    JuliaError,
    Values,
    anonymous_axes,
    as_array,
    check_present,
    complete_numbers,
    describe,
    make,
    make_array,
    real,
    whole,
)
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Extent, Value

Reduction = Callable[[Values], Values]
"""Reduces the last axis."""

MAD_TO_STD = 1.4826022185056018
"""1 / Φ⁻¹(3/4): what a median absolute deviation is multiplied with to estimate a normal standard deviation."""


# ── along dimensions ─────────────────────────────────────────────────────────────────────────────────────────────────


def dimensions(dims: Value, ndim: int, what: str) -> tuple[int, ...] | None:
    """`dims` as 0-based dimensions; None for all (`:` or not given).

    Raises:
        JuliaError: it is no whole number or tuple of these, or less than 1.
    """
    if dims is None or isinstance(dims, slice):
        return None
    items = dims if isinstance(dims, tuple) else (dims,)
    chosen = [whole(item, "`dims`") for item in items]
    if any(d < 1 for d in chosen):
        raise JuliaError(f"`{what}`: `dims` counts from 1, found {min(chosen)}")
    return tuple(sorted({d - 1 for d in chosen if d <= ndim}))


def reduce(x: Value, what: str, function: Reduction, dims: Value = None) -> Value:
    """`function` over all entries (column-major), or along `dims`."""
    array = as_array(x, what)
    check_present(array, what)
    return reduce_values(array, array.values, what, function, dims)


def reduce_values(array: Array, values: Values, what: str, function: Reduction, dims: Value) -> Value:
    """`reduce` of values along the axes of an array."""
    chosen = dimensions(dims, values.ndim, what)
    with np.errstate(all="ignore"):
        if chosen is None:
            return make(np.asarray(function(values.ravel(order="F"))))
        if chosen == (0,) and values.ndim == 2 and values.nbytes > rows.LONG:
            each = np.stack([np.asarray(function(values[:, k])) for k in range(values.shape[1])])
            return make_array(each[None, :], (Axis(ANONYMOUS, 1), array.axes[1]))
        kept = [d for d in range(values.ndim) if d not in chosen]
        along = math.prod(values.shape[d] for d in chosen)
        moved = values.transpose([*kept, *chosen]).reshape([values.shape[d] for d in kept] + [along])
        reduced = np.expand_dims(np.asarray(function(moved)), chosen)
    axes = [Axis(ANONYMOUS, 1) if d in chosen else axis for d, axis in enumerate(array.axes)]
    return make_array(reduced, axes)


def _reduce_numbers(x: Value, what: str, function: Reduction, dims: Value = None) -> Value:
    """`reduce` of numbers."""
    array = as_array(x, what)
    return reduce_values(array, complete_numbers(array, what), what, function, dims)


def _whole_or_error(function: Callable[..., Values], what: str, values: Values) -> Values:
    """A sum or product of the last axis; past 64 bits whole numbers are an error."""
    if values.dtype.kind == "i" and np.any(np.abs(function(values, axis=-1, dtype=np.float64)) >= 2.0**63):
        raise JuliaError(f"`{what}`: the whole number does not fit in 64 bits", "use floats: `float.(x)`")
    return function(values, axis=-1)


def total(x: Value, *, dims: Value = None) -> Value:
    """`sum(x; dims)`."""
    return _reduce_numbers(x, "sum", partial(_whole_or_error, np.sum, "sum"), dims)


def product(x: Value, *, dims: Value = None) -> Value:
    """`prod(x; dims)`."""
    return _reduce_numbers(x, "prod", partial(_whole_or_error, np.prod, "prod"), dims)


def _means(values: Values) -> Values:
    """Means of the last axis; NaN where it is empty."""
    return np.asarray(np.true_divide(values.sum(axis=-1, dtype=np.float64), values.shape[-1]))


def _variances(values: Values, corrected: bool = True) -> Values:
    """Σ (x − x̄)² / (n − 1) of the last axis, NaN where n < 2; dividing by n unless corrected."""
    means = _means(values)[..., None]

    def squares(part: Values) -> Values:
        return np.asarray(((part - means) ** 2).sum(axis=-1))

    summed = rows.total(squares, values) if values.ndim == 1 else squares(values)
    return np.asarray(np.true_divide(summed, values.shape[-1] - corrected))


def mean(x: Value, *, dims: Value = None) -> Value:
    """`mean(x; dims)`; NaN of nothing."""
    return _reduce_numbers(x, "mean", _means, dims)


def var(x: Value, *, dims: Value = None, corrected: Value = True) -> Value:
    """`var(x; dims, corrected=true)` = Σ (x − x̄)² / (n − 1)."""
    return _reduce_numbers(x, "var", partial(_variances, corrected=_flag(corrected, "corrected")), dims)


def std(x: Value, *, dims: Value = None, corrected: Value = True) -> Value:
    """`std(x; dims, corrected=true)`, the root of `var`."""
    divided = _flag(corrected, "corrected")
    return _reduce_numbers(x, "std", lambda values: np.asarray(np.sqrt(_variances(values, divided))), dims)


def _flag(value: Value, name: str) -> bool:
    """A keyword that is true or false."""
    if not isinstance(value, bool):
        raise JuliaError(f"`{name}` is true or false, found {describe(value)}")
    return value


def _not_empty(values: Values, what: str) -> Values:
    """The values, refusing an empty last axis."""
    if values.shape[-1] == 0:
        raise JuliaError(f"`{what}` of an empty array")
    return values


def median(x: Value, *, dims: Value = None) -> Value:
    """`median(x; dims)`: the middle value, or the mean of the two; NaN where an entry is."""
    return _reduce_numbers(x, "median", _medians, dims)


def _medians(values: Values) -> Values:
    return np.asarray(np.median(rows.copied(_not_empty(values, "median")), axis=-1, overwrite_input=True))


def mad(x: Value, *, center: Value = None, normalize: Value = True) -> Value:
    """`mad(x; center=median(x), normalize=true)` = median |x − center|, × 1.4826… when normalised (StatsBase)."""
    values = _not_empty(complete_numbers(x, "mad").ravel(), "mad")
    middle = _medians(values) if center is None else real(center, "`center`")
    with np.errstate(all="ignore"):
        deviation = float(_medians(rows.mapped(lambda part: np.abs(part - middle), [values])))
    return deviation * MAD_TO_STD if _flag(normalize, "normalize") else deviation


def quantile(x: Value, p: Value, *, sorted: Value = False) -> Value:
    """`quantile(x, p)`, p a number or a vector: linear between order statistics (type 7), Julia's default.

    Raises:
        JuliaError: x is empty or holds NaN; a p outside [0, 1].
    """
    _flag(sorted, "sorted")
    values = _not_empty(complete_numbers(x, "quantile").ravel(), "quantile")
    chances = complete_numbers(p, "quantile")
    if np.isnan(values).any():
        raise JuliaError("`quantile` of an array that holds NaN")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise JuliaError(f"`quantile` needs probabilities between 0 and 1, found {describe(p)}")
    with np.errstate(all="ignore"):
        floats = rows.converted(values, np.float64)
        found = np.quantile(rows.copied(floats), chances, overwrite_input=True)
    if not isinstance(p, Array | tuple):
        return float(found[0])
    return make_array(found, p.axes if isinstance(p, Array) else None)


def _extreme(function: Callable[..., Any], what: str, x: Value, dims: Value) -> Value:
    """The least or the greatest entry; the greatest code of levels knows its axis."""
    result = reduce(x, what, lambda values: np.asarray(function(_not_empty(values, what), axis=-1)), dims)
    levels = x.levels if isinstance(x, Array) else None
    if what == "maximum" and levels is not None and isinstance(result, int) and result == levels.size:
        return Extent(levels, result)
    return result


def minimum(x: Value, *, dims: Value = None) -> Value:
    """`minimum(x; dims)`."""
    return _extreme(np.min, "minimum", x, dims)


def maximum(x: Value, *, dims: Value = None) -> Value:
    """`maximum(x; dims)`."""
    return _extreme(np.max, "maximum", x, dims)


def extrema(x: Value) -> tuple[Value, ...]:
    """`extrema(x)` → (minimum, maximum)."""
    return minimum(x), maximum(x)


def _accumulate(function: Callable[..., Values], what: str, x: Value, dims: Value) -> Value:
    """A running sum or product along a dimension; a matrix needs `dims`."""
    array = as_array(x, what)
    values = complete_numbers(array, what)
    if dims is None and array.ndim > 1:
        raise JuliaError(f"`{what}` of {describe(array)} needs `dims`", f"{what}(x; dims=1) runs down the columns")
    chosen = dimensions(dims if dims is not None else 1, array.ndim, what) or ()
    if values.dtype.kind == "i" and chosen:
        floats = function(values.astype(np.float64), axis=chosen[0])
        if np.any(np.abs(floats) >= 2.0**63):
            raise JuliaError(f"`{what}`: the whole number does not fit in 64 bits", "use floats: `float.(x)`")
    with np.errstate(all="ignore"):
        return make_array(function(values, axis=chosen[0]) if chosen else values, array.axes)


def cumsum(x: Value, *, dims: Value = None) -> Value:
    """`cumsum(x; dims)`."""
    return _accumulate(np.cumsum, "cumsum", x, dims)


def cumprod(x: Value, *, dims: Value = None) -> Value:
    """`cumprod(x; dims)`."""
    return _accumulate(np.cumprod, "cumprod", x, dims)


# ── truths ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _truth_reduction(function: Callable[..., Any], what: str) -> Callable[..., Value]:
    """`any all count` of true and false."""

    def apply(x: Value, *, dims: Value = None) -> Value:
        array = as_array(x, what)
        if array.values.dtype != bool and array.values.size:
            raise JuliaError(f"`{what}` needs true and false, found {describe(x)}", f"compare first: `{what}(x .> 0)`")
        return reduce(array, what, lambda values: np.asarray(function(values.astype(bool), axis=-1)), dims)

    apply.__doc__ = f"`{what}(x; dims)` of true and false."
    return apply


any_of = _truth_reduction(np.any, "any")
all_of = _truth_reduction(np.all, "all")
count = _truth_reduction(np.sum, "count")


# ── covariance, softmax ──────────────────────────────────────────────────────────────────────────────────────────────


def _observations(x: Value, what: str) -> tuple[Values, tuple[Axis, ...]]:
    """Numbers with observations in rows, and the axes of the columns."""
    array = as_array(x, what)
    values = complete_numbers(array, what).astype(np.float64)
    if values.ndim > 2:
        raise JuliaError(f"`{what}` needs a vector or a matrix, found {describe(x)}")
    return values.reshape(values.shape[0], math.prod(values.shape[1:])), array.axes[1:] or anonymous_axes([1])


def cov(x: Value, y: Value = None, *, corrected: Value = True) -> Value:
    """`cov(X)` → the K×K matrix of the columns' covariances; `cov(x, y)`; `cov(x)` of a vector is its variance."""
    divided = _flag(corrected, "corrected")
    a, rows = _observations(x, "cov")
    b, columns = (a, rows) if y is None else _observations(y, "cov")
    if a.shape[0] != b.shape[0]:
        raise JuliaError(f"`cov` needs two arrays of one length, found {a.shape[0]} and {b.shape[0]}")
    with np.errstate(all="ignore"):
        left, right = a - _means(a.T), b - _means(b.T)
        values = np.asarray(np.true_divide(left.T @ right, a.shape[0] - divided))
    scalar = all(not isinstance(part, Array) or part.ndim == 1 for part in (x, y))
    return float(values[0, 0]) if scalar else make_array(values, (*rows, *columns))


def cor(x: Value, y: Value = None) -> Value:
    """`cor(X)`, `cor(x, y)`: covariance over the product of the standard deviations; NaN of a constant."""
    joint = cov(x, y)
    if y is None and not isinstance(joint, Array):
        return 1.0
    first, second = (_spreads(part) for part in (x, x if y is None else y))
    with np.errstate(all="ignore"):
        scale = np.outer(first, second)
        if not isinstance(joint, Array):
            return float(np.clip(np.true_divide(real(joint, "cor"), scale[0, 0]), -1, 1))
        values = np.clip(joint.values / scale, -1, 1)
    if y is None:
        np.fill_diagonal(values, 1.0)
    return make_array(values, joint.axes)


def _spreads(x: Value) -> Values:
    """Standard deviations of columns."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(_variances(_observations(x, "cor")[0].T)))


def _shifted_exp(values: Values) -> tuple[Values, Values]:
    """The greatest of the last axis, and exp(x − greatest)."""
    top = values.max(axis=-1, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0.0)
    return shift, np.exp(values - shift)


def logsumexp(x: Value, *, dims: Value = None) -> Value:
    """`logsumexp(x; dims)` = log Σ exp(xᵢ), without overflow; −Inf of nothing."""

    def function(values: Values) -> Values:
        if values.shape[-1] == 0:
            return np.full(values.shape[:-1], -np.inf)
        shift, powers = _shifted_exp(values)
        return np.asarray(np.log(powers.sum(axis=-1)) + shift[..., 0])

    return _reduce_numbers(x, "logsumexp", function, dims)


def softmax(x: Value, *, dims: Value = None) -> Value:
    """`softmax(x; dims)` = exp(xᵢ) / Σ exp(xⱼ), over all entries or along `dims`."""
    array = as_array(x, "softmax")
    values = _not_empty(complete_numbers(array, "softmax").astype(np.float64), "softmax")
    chosen = dimensions(dims, array.ndim, "softmax")
    along = tuple(range(array.ndim)) if chosen is None else chosen
    with np.errstate(all="ignore"):
        powers = np.exp(values - values.max(axis=along, keepdims=True))
        return make_array(powers / powers.sum(axis=along, keepdims=True), array.axes)
