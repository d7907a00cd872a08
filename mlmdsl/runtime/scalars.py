"""Arithmetic of Python's own numbers where Python refuses and Julia has an answer: division by zero, and powers of it."""

from __future__ import annotations

from math import copysign, inf, isnan, nan


def quotient(a: float, b: float) -> float:
    """a / b; ±Inf where b is 0 and a is not, NaN for 0 / 0."""
    try:
        return a / b
    except ZeroDivisionError:
        return nan if a == 0 or isnan(a) else copysign(inf, a) * copysign(1.0, b)


def power(a: float, b: float) -> float:
    """a ^ b; ±Inf where a is 0 and b negative (−Inf for −0.0 to an odd power)."""
    try:
        return float(a**b) if b < 0 else a**b
    except ZeroDivisionError:
        return copysign(inf, a) if b % 2 == 1 else inf
