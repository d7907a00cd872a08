"""Special functions that NumPy lacks: logistic, gamma and its kin, factorials; by way of Python's `math`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlmdsl.language.julia_values import JuliaError, Operand, Values, as_numbers, describe, elementwise
from mlmdsl.language.types import Value

Elementwise = Callable[[Values], Values]

# ── of one number ────────────────────────────────────────────────────────────────────────────────────────────────────


def vectorized(function: Callable[[float], float]) -> Elementwise:
    """A function of Python's `math`, entry by entry; what it refuses is +Inf (a pole, an overflow)."""

    def one(x: float) -> float:
        try:
            return function(x)
        except (ValueError, ArithmeticError):
            return math.inf

    return np.vectorize(one, otypes=[np.float64])


def logistic(x: Values) -> Values:
    """1 / (1 + e^−x), without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))


def logit(p: Values) -> Values:
    """log(p / (1 − p))."""
    return np.asarray(np.log(p) - np.log1p(-p))


def log1pexp(x: Values) -> Values:
    """log(1 + e^x), without overflow."""
    return np.asarray(np.logaddexp(0.0, x))


def digamma_of(x: float) -> float:
    """ψ(x): the recurrence up to x ≥ 10, then the asymptotic series; reflection below 0 (Abramowitz & Stegun 6.3)."""
    if not math.isfinite(x):
        return math.nan if x != math.inf else x
    if x <= 0:
        return digamma_of(1 - x) - math.pi / math.tan(math.pi * x)
    shift = 0.0
    while x < 10:
        shift, x = shift - 1 / x, x + 1
    u = 1 / (x * x)
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
    return shift + math.log(x) - 1 / (2 * x) - series


log_gamma = vectorized(math.lgamma)


def pole(x: Values) -> Values:
    """Whether x is −1, −2, …: where Julia's gamma throws (0 gives Inf)."""
    return np.asarray((x < 0) & (x == np.floor(x)) & np.isfinite(x))


def negative_gamma(x: Values) -> Values:
    """Whether Γ(x) is negative, so that its logarithm is not real."""
    return np.asarray((x < 0) & (np.floor(x) % 2 != 0) & (x != np.floor(x)))


# ── of two numbers, of whole numbers ─────────────────────────────────────────────────────────────────────────────────


def logbeta(a: Value, b: Value) -> Value:
    """`logbeta(a, b)` = log Γ(a) + log Γ(b) − log Γ(a + b), for a, b > 0."""
    operands = [as_numbers(a, "logbeta"), as_numbers(b, "logbeta")]
    return elementwise(
        lambda x, y: log_gamma(x) + log_gamma(y) - log_gamma(x + y),
        operands,
        "logbeta",
        lambda x, y: (x <= 0) | (y <= 0),
        "`logbeta` of a number that is not above 0",
    )


def beta(a: Value, b: Value) -> Value:
    """`beta(a, b)` = Γ(a) Γ(b) / Γ(a + b), for a, b > 0."""
    return elementwise(np.exp, [as_numbers(logbeta(a, b), "beta")], "beta")


_NOT_A_COUNT = "of a number that is not a whole number from 0 up"


def factorial(n: Value) -> Value:
    """`factorial(n)` of a whole number 0…20."""
    bad: Elementwise = lambda v: (v < 0) | (v > 20)  # noqa: E731
    function = np.vectorize(lambda v: math.factorial(max(v, 0)), otypes=[np.int64])
    hint = "gamma(n + 1.0) goes past 20"
    return elementwise(function, [_counts(n, "factorial")], "factorial", bad, "`factorial` needs 0…20", hint)


def binomial(n: Value, k: Value) -> Value:
    """`binomial(n, k)`, the number of ways to choose k of n ≥ 0."""
    operands = [_counts(n, "binomial"), _counts(k, "binomial")]
    function = np.vectorize(_ways, otypes=[np.int64])
    bad: Callable[[Values, Values], Values] = lambda p, q: function(p, q) < 0  # noqa: E731
    return elementwise(function, operands, "binomial", bad, "`binomial` past 64 bits or below 0")


def _ways(n: int, k: int) -> int:
    """The number of ways to choose k of n; −1 where it does not fit in 64 bits (always so for 34 ≤ k ≤ n/2)."""
    n, k = int(n), int(k)
    if n < 0:
        return -1
    if not 0 <= k <= n:
        return 0
    k = min(k, n - k)
    ways = math.comb(n, k) if k < 34 else 2**63
    return ways if ways < 2**63 else -1


def _counts(value: Value, what: str) -> Operand:
    """An operand of whole numbers."""
    operand = as_numbers(value, what)
    if operand.values.dtype.kind != "i":
        raise JuliaError(f"`{what}` {_NOT_A_COUNT}: found {describe(value)}")
    return operand
