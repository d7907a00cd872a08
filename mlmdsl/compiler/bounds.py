"""Interval arithmetic: the bounds that a value keeps for certain, from those of its operands.

Used to see that a scale is positive and that a drawn value lies in a support; never a guess: where nothing is certain the
bounds are infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, isinf, isnan

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-inf, inf)


def bounds_of(op: str, operands: Sequence[Bounds]) -> Bounds:
    """The bounds of an operator's value."""
    if len(operands) == 1:
        low, high = operands[0]
        return (-high, -low) if op == "-" else (low, high)
    rule = _RULES.get(op)
    low, high = rule(operands[0], operands[1]) if rule else EVERYTHING
    return (-inf if isnan(low) else low), (inf if isnan(high) else high)


def bounds_of_power(base: Bounds, exponent: float | None) -> Bounds:
    """The bounds of `base ^ exponent`; `exponent` is None where it is not a constant."""
    low, high = base
    if exponent is not None and exponent > 0 and exponent % 2 == 0:
        smallest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        return _power(smallest, exponent), _power(max(abs(low), abs(high)), exponent)
    if low < 0:
        return EVERYTHING
    if exponent is None or exponent < 0:
        return 0.0, inf
    return _power(low, exponent), _power(high, exponent)


def bounds_of_exp(bounds: Bounds) -> Bounds:
    """The bounds of `exp(x)`."""
    low, high = bounds
    return (0.0 if low < -700 else exp(min(low, 700.0))), (inf if high > 700 else exp(high))


def interval_text(bounds: Bounds) -> str:
    """Bounds as an error shows them."""
    low, high = bounds
    if bounds == EVERYTHING:
        return "all real numbers"
    return f"{'−∞' if low == -inf else f'{low:g}'} … {'∞' if high == inf else f'{high:g}'}"


def union(bounds: Sequence[Bounds]) -> Bounds:
    """Bounds that hold for each of several values."""
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _power(value: float, exponent: float) -> float:
    try:
        return float(value**exponent)
    except OverflowError:
        return inf


def _add(a: Bounds, b: Bounds) -> Bounds:
    return a[0] + b[0], a[1] + b[1]


def _subtract(a: Bounds, b: Bounds) -> Bounds:
    return a[0] - b[1], a[1] - b[0]


def _multiply(a: Bounds, b: Bounds) -> Bounds:
    corners = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(corners), max(corners)


def _divide(a: Bounds, b: Bounds) -> Bounds:
    if b[0] < 0 < b[1] or b == (0, 0):
        return EVERYTHING
    corners = [x / y for x in a for y in b if y != 0 and not (isinf(x) and isinf(y))]
    if 0 in b:
        corners += [x * (inf if b[1] > 0 else -inf) for x in a if x != 0]
    if any(isinf(x) for x in a) and any(isinf(y) for y in b):
        corners += [0.0]
    corners = [corner for corner in corners if not isnan(corner)]
    if 0 in a or isinf(b[0]) or isinf(b[1]):
        corners += [0.0]
    return (min(corners), max(corners)) if corners else EVERYTHING


_RULES = {"+": _add, "-": _subtract, "*": _multiply, "/": _divide}
