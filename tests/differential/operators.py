"""Julia's operators and broadcasting on the values of `values.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.differential.values import MISSING, Array, Row, collected, elements, fail, is_array, is_number, scalar


@dataclass(frozen=True)
class Scaling:
    """`λ * I`."""

    factor: float


def wrapped(value: Any) -> Any:
    """An integer as the 64 bits that Julia keeps of it."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return (value + 2**63) % 2**64 - 2**63
    return value


def divide(a: Any, b: Any) -> float:
    """`a / b` of numbers."""
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def power(a: Any, b: Any) -> Any:
    """`a ^ b` of numbers; an integer's negative power is a domain error, as where the exponent is no literal."""
    if isinstance(a, int) and isinstance(b, int):
        return wrapped(int(a) ** b) if b >= 0 else fail("domain", f"{a} ^ {b} of integers")
    if a < 0 and b != int(b):
        fail("domain", f"{a} ^ {b}")
    if a == 0 and b < 0:
        return math.inf
    try:
        return float(a) ** b
    except OverflowError:
        return math.inf


def quotient(a: Any, b: Any) -> Any:
    """`a ÷ b`, towards zero."""
    if b == 0:
        fail("divide", "integer division by zero") if isinstance(a, int) and isinstance(b, int) else None
        return divide(a, b)
    result = abs(a) // abs(b)
    return result if (a < 0) == (b < 0) else -result


def remainder(a: Any, b: Any) -> Any:
    """`a % b`, with the sign of a."""
    if isinstance(a, int) and isinstance(b, int):
        return int(a) - int(b) * int(quotient(a, b))
    return math.fmod(a, b) if b != 0 else math.nan


def modulus(a: Any, b: Any) -> Any:
    """`mod(a, b)`, with the sign of b."""
    if b == 0:
        return fail("divide", "division by zero") if isinstance(a, int) and isinstance(b, int) else math.nan
    return a % b


NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: wrapped(a + b),
    "-": lambda a, b: wrapped(a - b),
    "*": lambda a, b: wrapped(a * b),
    "/": divide,
    "\\": lambda a, b: divide(b, a),
    "^": power,
    "÷": quotient,
    "%": remainder,
    "⋅": lambda a, b: wrapped(a * b),
}
"""Operators of two numbers."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: equal(a, b),
    "!=": lambda a, b: not equal(a, b),
    "===": lambda a, b: a is b if is_array(a) else (type(a) is type(b) and equal(a, b)),
    "!==": lambda a, b: a is not b if is_array(a) else (type(a) is not type(b) or not equal(a, b)),
    "in": lambda a, b: any(equal(a, item) for item in elements(b)),
}
"""Comparisons of two values."""


def equal(a: Any, b: Any) -> bool:
    """`a == b`: of arrays, the same shape and equal elements."""
    if is_array(a) and is_array(b):
        return a.shape == b.shape and all(equal(x, y) for x, y in zip(elements(a), elements(b), strict=True))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return not (is_array(a) or is_array(b)) and bool(a == b)


def compare(op: str, a: Any, b: Any) -> bool:
    """A comparison; only numbers have an order."""
    if op in ("<", "<=", ">", ">=") and not (is_number(a) and is_number(b)):
        fail("type", f"no method matching {op}({type(a).__name__}, {type(b).__name__})")
    return COMPARISONS[op](a, b)


def binary(op: str, a: Any, b: Any) -> Any:
    """`a op b` without a dot."""
    if is_number(a) and is_number(b):
        return NUMBERS[op](a, b)
    if isinstance(a, Scaling) or isinstance(b, Scaling):
        return scaling(op, a, b)
    if op in ("+", "-") and is_array(a) and is_array(b):
        if a.shape != b.shape:
            fail("dimension", f"dimensions must match: {a.shape} {op} {b.shape}")
        return broadcast(NUMBERS[op], [a, b])
    if op == "*" and (is_number(a) or is_number(b)) and (is_array(a) or is_array(b)):
        return broadcast(NUMBERS["*"], [a, b])
    if op == "/" and is_array(a) and is_number(b):
        return broadcast(divide, [a, b])
    if op == "⋅":
        return dot(a, b)
    if op == "*" and is_array(a) and is_array(b):
        return product(a, b)
    return fail("type", f"no method matching {op}({type(a).__name__}, {type(b).__name__})")


def scaling(op: str, a: Any, b: Any) -> Any:
    """Operators with `I`."""
    if op == "*" and isinstance(a, Scaling) and is_number(b):
        return Scaling(a.factor * b)
    if op == "*" and isinstance(b, Scaling) and (is_number(a) or is_array(a)):
        return Scaling(a * b.factor) if is_number(a) else broadcast(NUMBERS["*"], [a, b.factor])
    if op in ("+", "-") and is_array(a) and isinstance(b, Scaling) and a.ndim == 2 and a.shape[0] == a.shape[1]:
        return a + (1 if op == "+" else -1) * b.factor * np.eye(a.shape[0])
    return fail("type", f"no method matching {op} with I")


def dot(a: Any, b: Any) -> Any:
    """`dot(a, b)`."""
    if is_number(a) and is_number(b):
        return a * b
    if not (is_array(a) and is_array(b)):
        fail("type", "dot of an array and a number")
    if a.size != b.size:
        fail("dimension", f"dot of {a.shape} and {b.shape}")
    return total(x * y for x, y in zip(elements(a), elements(b), strict=True))


def total(values: Any) -> Any:
    """A sum, of integers exact."""
    items = list(values)
    return math.fsum(items) if any(isinstance(item, float) for item in items) else wrapped(sum(items))


def product(a: Array, b: Array) -> Any:
    """`a * b` of arrays: a row times a vector is a number, two vectors have no product."""
    if a.ndim == 1 and b.ndim == 1:
        fail("type", "no method matching *(::Vector, ::Vector)")
    left = a.reshape(-1, 1, order="F") if a.ndim == 1 else a
    right = b.reshape(-1, 1, order="F") if b.ndim == 1 else b
    if left.shape[1] != right.shape[0]:
        fail("dimension", f"product of {a.shape} and {b.shape}")
    shape = (left.shape[0], right.shape[1])
    items = [dot(np.asarray(left[i]), np.asarray(right[:, j])) for j in range(shape[1]) for i in range(shape[0])]
    if isinstance(a, Row) and b.ndim == 1:
        return items[0]
    result = collected(items, shape[:1] if b.ndim == 1 else shape)
    return result.view(Row) if isinstance(a, Row) and b.ndim == 2 and not isinstance(b, Row) else result


def broadcast(function: Callable[..., Any], args: list[Any]) -> Any:
    """`function.(args…)`: axes are lined up from the first, those of size 1 are stretched."""
    given = [collected(arg) if isinstance(arg, tuple) else arg for arg in args]
    rank = max((arg.ndim for arg in given if is_array(arg)), default=0)
    if rank == 0:
        return function(*given)
    wide = [arg.reshape(arg.shape + (1,) * (rank - arg.ndim), order="F") if is_array(arg) else arg for arg in given]
    try:
        shape = np.broadcast_shapes(*[arg.shape for arg in wide if is_array(arg)])
    except ValueError:
        fail("dimension", f"arrays could not be broadcast: {[np.shape(arg) for arg in given]}")
    columns = [
        [scalar(item) for item in list(np.broadcast_to(np.asarray(arg), shape).ravel(order="F"))]
        if is_array(arg)
        else [arg] * int(np.prod(shape))
        for arg in wide
    ]
    result = collected([function(*items) for items in zip(*columns, strict=True)], shape)
    rows = [arg for arg in given if is_array(arg)]
    return result.view(Row) if all(isinstance(arg, Row) for arg in rows) else result


def adjoint(value: Any) -> Any:
    """`x'`: shares the elements."""
    if is_number(value):
        return value
    if not is_array(value):
        fail("type", f"no adjoint of {type(value).__name__}")
    if isinstance(value, Row):
        return value.view(np.ndarray).reshape(-1, order="F")
    return value.reshape(1, -1).view(Row) if value.ndim == 1 else value.T


def negated(value: Any) -> Any:
    """`-x`."""
    if is_number(value):
        return wrapped(-value)
    if isinstance(value, Scaling):
        return Scaling(-value.factor)
    return broadcast(lambda x: wrapped(-x), [value]) if is_array(value) else fail("type", "no method matching -")


def truth(value: Any) -> bool:
    """A condition, which is a Bool."""
    if value is MISSING or not isinstance(value, bool):
        fail("type", f"non-boolean ({type(value).__name__}) used in boolean context")
    return bool(value)
