"""Julia's functions of numbers on data, entry by entry: one row each, with the domain outside which Julia throws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_special import (
    Elementwise,
    beta,
    binomial,
    digamma_of,
    factorial,
    log1pexp,
    log_gamma,
    logbeta,
    logistic,
    logit,
    negative_gamma,
    pole,
    vectorized,
)
from mlmdsl.language.julia_values import (
    JuliaError,
    Operand,
    Values,
    aligned,
    as_array,
    as_numbers,
    as_operand,
    broadcast_axes,
    broadcast_shape,
    check_kinds,
    describe,
    elementwise,
    joint_missing,
    make,
    rows_of,
    whole,
)
from mlmdsl.language.types import ANONYMOUS, MISSING, Array, Axis, NumberType, Value


@dataclass(frozen=True)
class Rule:
    """A function of one number: its NumPy form, and where it is not defined (`bad`)."""

    function: Elementwise
    bad: Elementwise | None = None
    domain: str = ""


def _infinite(x: Values) -> Values:
    return np.asarray(np.isinf(x))


def _below(bound: float) -> Elementwise:
    return lambda x: np.asarray(x < bound)


def _outside(low: float, high: float) -> Elementwise:
    return lambda x: np.asarray((x < low) | (x > high))


UNARY: dict[str, Rule] = {
    "abs": Rule(np.abs),
    "abs2": Rule(lambda x: x * x),
    "sign": Rule(np.sign),
    "sqrt": Rule(np.sqrt, _below(0), "a number below 0"),
    "cbrt": Rule(np.cbrt),
    "exp": Rule(np.exp),
    "expm1": Rule(np.expm1),
    "log": Rule(np.log, _below(0), "a number below 0"),
    "log1p": Rule(np.log1p, _below(-1), "a number below -1"),
    "log2": Rule(np.log2, _below(0), "a number below 0"),
    "log10": Rule(np.log10, _below(0), "a number below 0"),
    "sin": Rule(np.sin, _infinite, "an infinite number"),
    "cos": Rule(np.cos, _infinite, "an infinite number"),
    "tan": Rule(np.tan, _infinite, "an infinite number"),
    "sinh": Rule(np.sinh),
    "cosh": Rule(np.cosh),
    "tanh": Rule(np.tanh),
    "asin": Rule(np.arcsin, _outside(-1, 1), "a number outside -1…1"),
    "acos": Rule(np.arccos, _outside(-1, 1), "a number outside -1…1"),
    "logistic": Rule(logistic),
    "invlogit": Rule(logistic),
    "logit": Rule(logit, _outside(0, 1), "a number outside 0…1"),
    "log1pexp": Rule(log1pexp),
    "erf": Rule(vectorized(math.erf)),
    "erfc": Rule(vectorized(math.erfc)),
    "gamma": Rule(vectorized(math.gamma), pole, "a negative whole number"),
    "loggamma": Rule(log_gamma, negative_gamma, "a number at which gamma is negative"),
    "digamma": Rule(vectorized(digamma_of), lambda x: (x <= 0) & (x == np.floor(x)), "a pole"),
    "float": Rule(lambda x: x.astype(np.float64)),
    "Float64": Rule(lambda x: x.astype(np.float64)),
    "isnan": Rule(np.isnan),
    "isinf": Rule(np.isinf),
    "isfinite": Rule(np.isfinite),
    "iszero": Rule(lambda x: np.asarray(x == 0)),
    "isodd": Rule(lambda x: np.asarray(np.mod(x, 2) == 1), lambda x: x != np.floor(x), "a number that is not whole"),
    "iseven": Rule(lambda x: np.asarray(np.mod(x, 2) == 0), lambda x: x != np.floor(x), "a number that is not whole"),
}
"""Functions of one number."""


def apply_rule(name: str, x: Value) -> Value:
    """`name(x)` of a number, or of every entry of an array."""
    rule = UNARY[name]
    return elementwise(rule.function, [as_numbers(x, name)], name, rule.bad, f"`{name}` of {rule.domain}")


def atan(y: Value, x: Value = None) -> Value:
    """`atan(y)`; `atan(y, x)`, the angle of the point (x, y)."""
    if x is None:
        return elementwise(np.arctan, [as_numbers(y, "atan")], "atan")
    return elementwise(np.arctan2, [as_numbers(y, "atan"), as_numbers(x, "atan")], "atan")


def log_of(b: Value, x: Value = None) -> Value:
    """`log(x)`; `log(b, x)`, to base b."""
    if x is None:
        return apply_rule("log", b)
    operands = [as_numbers(b, "log"), as_numbers(x, "log")]
    return elementwise(
        lambda base, v: np.log(v) / np.log(base), operands, "log", lambda p, q: (p < 0) | (q < 0), "`log` below 0"
    )


# ── rounding and conversion ──────────────────────────────────────────────────────────────────────────────────────────

_ROUNDING: dict[str, Elementwise] = {"round": np.round, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}


def _rounding(name: str) -> Callable[..., Value]:
    """`round floor ceil trunc`: of `x`, or `(Int, x)`; ties go to the even neighbour."""
    function = _ROUNDING[name]

    def apply(first: Value, second: Value = None, *, digits: Value = 0) -> Value:
        kind, x = (first, second) if isinstance(first, NumberType) else (None, first)
        if kind is None and second is not None:
            raise JuliaError(f"`{name}` takes one number, or `Int` and a number", f"`{name}(x; digits=2)`")
        places = whole(digits, "`digits`")
        if abs(places) > 300:
            raise JuliaError(f"`digits` must be between -300 and 300, found {places}")

        def rounded(v: Values) -> Values:
            if v.dtype.kind == "i" and places >= 0:
                return v
            scale = 10.0 ** abs(places)
            scaled = function(v * scale if places > 0 else v / scale)
            return np.asarray(np.where(np.isfinite(scaled), scaled / scale if places > 0 else scaled * scale, v))

        result = elementwise(rounded, [as_numbers(x, name)], name)
        return to_int(result) if kind is NumberType.INT else result

    apply.__doc__ = f"`{name}(x; digits=0)`, `{name}(Int, x)`."
    return apply


round_of, floor_of, ceil_of, trunc_of = (_rounding(name) for name in ("round", "floor", "ceil", "trunc"))


def to_int(x: Value) -> Value:
    """`Int(x)`: the whole number that x is.

    Raises:
        JuliaError: x is not whole, or past 64 bits.
    """

    def bad(v: Values) -> Values:
        return np.asarray((v != np.floor(v)) | (np.abs(v.astype(np.float64)) > 2.0**63)) & (v.dtype.kind == "f")

    def function(v: Values) -> Values:
        return np.where(np.isfinite(v), v, 0).astype(np.int64)

    hint = "round(Int, x) rounds to the nearest"
    return elementwise(function, [as_numbers(x, "Int")], "Int", bad, "`Int` of a number that is not whole", hint)


def to_bool(x: Value) -> Value:
    """`Bool(x)` of 0 and 1."""
    bad: Elementwise = lambda v: (v != 0) & (v != 1)  # noqa: E731
    return elementwise(lambda v: v != 0, [as_numbers(x, "Bool")], "Bool", bad, "`Bool` of a number that is not 0 or 1")


# ── several numbers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _folded(name: str, function: Callable[[Values, Values], Values]) -> Callable[..., Value]:
    """`max min`: of two or more numbers, or arrays entry by entry."""

    def apply(first: Value, *rest: Value) -> Value:
        result = elementwise(np.positive, [as_numbers(first, name)], name)
        for item in rest:
            result = elementwise(function, [as_numbers(result, name), as_numbers(item, name)], name)
        if not rest and isinstance(first, Array):
            raise JuliaError(f"`{name}` of one array", f"the {name}imum of its entries is `{name}imum(x)`")
        return result

    apply.__doc__ = f"`{name}(a, b, …)`."
    return apply


max_of = _folded("max", np.maximum)
min_of = _folded("min", np.minimum)


def clamp(x: Value, low: Value, high: Value) -> Value:
    """`clamp(x, low, high)`."""
    operands = [as_numbers(value, "clamp") for value in (x, low, high)]
    return elementwise(lambda v, a, b: np.where(v > b, b, np.where(v < a, a, v)), operands, "clamp")


def logaddexp(a: Value, b: Value) -> Value:
    """`logaddexp(a, b)` = log(e^a + e^b)."""
    return elementwise(np.logaddexp, [as_numbers(a, "logaddexp"), as_numbers(b, "logaddexp")], "logaddexp")


# ── choice and missing ───────────────────────────────────────────────────────────────────────────────────────────────


def ifelse(condition: Value, yes: Value, no: Value) -> Value:
    """`ifelse(condition, yes, no)`, entry by entry for arrays; both branches are numbers or both text.

    Raises:
        JuliaError: the condition is not true or false everywhere.
    """
    test = as_operand(condition, "ifelse")
    if test.missing is not None:
        where = f" ({rows_of(test.missing)})" if test.missing.ndim else ""
        raise JuliaError(f"`ifelse`: the condition is missing{where}", "coalesce.(x, false) reads missing as false")
    if test.values.dtype != bool:
        raise JuliaError(f"`ifelse` needs true or false, found {describe(condition)}")
    branches = [as_operand(value, "ifelse") for value in (yes, no)]
    check_kinds([branch.values for branch, v in zip(branches, (yes, no), strict=True) if v is not MISSING], "ifelse")
    if not test.values.ndim and not any(branch.values.ndim for branch in branches):
        return yes if bool(test.values) else no
    return _chosen([test, *branches])


def _chosen(operands: list[Operand]) -> Value:
    """Entries of the second operand where the first is true, else of the third, with their missing."""
    shape = broadcast_shape(operands, "ifelse")
    test, yes, no = (aligned(operand.values, len(shape)) for operand in operands)
    if object in (yes.dtype, no.dtype):
        yes, no = (part if part.dtype == object else np.full(part.shape, "", dtype=object) for part in (yes, no))
    masks = [joint_missing([operand], shape) for operand in operands[1:]]
    missing = None
    if any(mask is not None for mask in masks):
        gone, kept = (np.zeros((1,) * len(shape), dtype=bool) if mask is None else mask for mask in masks)
        missing = np.broadcast_to(rows.mapped(np.where, [test, gone, kept], shape), shape)
    values = np.broadcast_to(rows.mapped(np.where, [test, yes, no], shape), shape)
    return make(values, broadcast_axes(operands, shape), missing)


def ismissing(x: Value) -> Value:
    """`ismissing(x)`: of a scalar, or of every entry."""
    if not isinstance(x, Array):
        return x is MISSING
    return make(np.zeros(x.values.shape, dtype=bool) if x.missing is None else x.missing.copy(), x.axes)


def coalesce(*values: Value) -> Value:
    """`coalesce(x, y, …)`: the first that is not missing, entry by entry for arrays; missing where all are."""
    result: Value = MISSING
    for value in reversed(values):
        as_operand(value, "coalesce")
        result = value if result is MISSING else ifelse(ismissing(value), result, value)
    return result


def skipmissing(x: Value) -> Array:
    """`skipmissing(x)`: the entries that are not missing, as a vector."""
    array = as_array(x, "skipmissing")
    if array.missing is None:
        return array
    kept = array.values.ravel(order="F")[~array.missing.ravel(order="F")]
    axis = array.axes[0] if array.ndim == 1 and array.axes[0].labels is None else None
    return _rebuilt(array, kept, None if axis is None else axis.name)


def _rebuilt(array: Array, values: Values, name: str | None) -> Array:
    """A vector of some of an array's entries; its levels and categories stay."""
    axis = Axis(name or ANONYMOUS, int(values.size))
    return Array(values, (axis,), array.levels, name=array.name, categories=array.categories)


ELEMENTWISE: dict[str, Callable[..., Value]] = {
    **{name: partial(apply_rule, name) for name in UNARY},
    "log": log_of,
    "atan": atan,
    "round": round_of,
    "floor": floor_of,
    "ceil": ceil_of,
    "trunc": trunc_of,
    "Int": to_int,
    "Bool": to_bool,
    "max": max_of,
    "min": min_of,
    "clamp": clamp,
    "logaddexp": logaddexp,
    "logbeta": logbeta,
    "beta": beta,
    "factorial": factorial,
    "binomial": binomial,
    "ifelse": ifelse,
    "ismissing": ismissing,
    "coalesce": coalesce,
    "skipmissing": skipmissing,
}
"""From Julia's name to the function."""
