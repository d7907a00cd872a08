r"""Julia's operators on data: + - * / \ ^ ⋅ % ÷, comparisons, && || !, each with its dotted form.

Without a dot `*` is the matrix product, `+` needs equal shapes, and a number does not add to a vector; with a dot every
operator goes entry by entry. What Julia refuses is refused here, and the form that works is offered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.julia_linear import adjoint, divide_left, divide_right, dot, matrix_power, matrix_product
from mlmdsl.language.julia_values import (
    JuliaError,
    Mask,
    Operand,
    Values,
    aligned,
    as_array,
    as_numbers,
    as_operand,
    broadcast_axes,
    broadcast_shape,
    describe,
    elementwise,
    make,
)
from mlmdsl.language.types import MISSING, Array, Missing, Value

_OVERFLOW = "the whole number does not fit in 64 bits"


# ── arithmetic, entry by entry ───────────────────────────────────────────────────────────────────────────────────────


def _exact(function: Callable[[Values, Values], Values], op: str, a: Value, b: Value) -> Value:
    """`+ - *` entry by entry: whole numbers stay whole, and one past 64 bits is an error."""
    operands = [as_numbers(a, op), as_numbers(b, op)]
    if any(operand.values.dtype.kind == "f" for operand in operands):
        return elementwise(function, operands, op)

    def overflows(x: Values, y: Values) -> Values:
        return np.asarray(np.abs(function(x.astype(float), y.astype(float))) >= 2.0**63)

    return elementwise(function, operands, op, overflows, _OVERFLOW, "write one of the numbers as a float: `2.0`")


def _quotient(a: Value, b: Value) -> Value:
    """`a ./ b`: always a float; division by zero is ±Inf or NaN."""
    return elementwise(np.true_divide, [as_numbers(a, "/"), as_numbers(b, "/")], "/")


def power(a: Value, b: Value, literal: bool = False) -> Value:
    """`a .^ b`. `literal`: b is a whole number as the author wrote it, so that `2^-1` is 0.5 (Julia's literal power).

    Raises:
        JuliaError: a whole number to a negative power; a negative float to a power that is not whole; overflow.
    """
    base, exponent = as_numbers(a, "^"), as_numbers(b, "^")
    if exponent.values.dtype.kind != "i":
        complaint = "`^` of a negative number to a power that is not whole"
        return elementwise(np.power, [_floats(base), exponent], "^", _no_real_power, complaint)
    if base.values.dtype.kind == "f" or (literal and (exponent.values < 0).all()):
        return elementwise(np.power, [_floats(base), _floats(exponent)], "^")
    _refuse(_negative_power, base, exponent, "`^` of a whole number to a negative power", "use a float base: `2.0^p`")
    return elementwise(_whole_power, [base, exponent], "^", _power_overflows, _OVERFLOW, "use a float base: `2.0^p`")


def _refuse(bad: Callable[..., Values], a: Operand, b: Operand, complaint: str, hint: str) -> None:
    """Raise JuliaError where `bad` holds."""
    elementwise(lambda x, y: np.broadcast_arrays(x, y)[0], [a, b], "^", bad, complaint, hint)


def _floats(operand: Operand) -> Operand:
    """The operand with float values."""
    return Operand(rows.converted(operand.values, np.float64), operand.axes, operand.missing)


def _no_real_power(x: Values, y: Values) -> Values:
    return np.asarray((x < 0) & np.isfinite(x) & np.isfinite(y) & (y != np.floor(y)))


def _negative_power(x: Values, y: Values) -> Values:
    return np.asarray((y < 0) & (np.abs(x) != 1))


def _power_overflows(x: Values, y: Values) -> Values:
    return np.asarray(np.abs(np.power(x.astype(float), y.astype(float))) >= 2.0**63)


def _whole_power(x: Values, y: Values) -> Values:
    """x^y in whole numbers; of (±1)^−n only the parity of n counts."""
    return np.asarray(np.power(x, np.where(y < 0, y % 2, y)))


def _by_zero(x: Values, y: Values) -> Values:
    return np.asarray((y == 0) & (x.dtype.kind == "i") & (y.dtype.kind == "i"))


def _truncated(x: Values, y: Values) -> Values:
    """x ÷ y, rounded toward zero."""
    if x.dtype.kind == "i" and y.dtype.kind == "i":
        safe = np.where(y == 0, 1, y)
        return np.asarray((x - np.fmod(x, safe)) // safe)
    return np.asarray(np.where(np.isinf(x / y), np.trunc(x / y), np.round((x - np.fmod(x, y)) / y)))


def _remainder(function: Callable[[Values, Values], Values], x: Values, y: Values) -> Values:
    safe = np.where(_by_zero(x, y), 1, y)
    return np.asarray(function(x, safe))


def quotient_function(op: str, function: Callable[[Values, Values], Values]) -> Callable[[Value, Value], Value]:
    """`÷ rem mod fld`: whole numbers stay whole, and a whole number divided by 0 is an error."""

    def apply(a: Value, b: Value) -> Value:
        return elementwise(function, [as_numbers(a, op), as_numbers(b, op)], op, _by_zero, f"`{op}` by zero")

    return apply


div = quotient_function("÷", _truncated)
rem = quotient_function("%", partial(_remainder, np.fmod))
mod = quotient_function("mod", partial(_remainder, np.mod))
fld = quotient_function("fld", partial(_remainder, np.floor_divide))


def mod1(a: Value, b: Value) -> Value:
    """`mod1(a, b)`: mod, but in 1…b."""
    return _exact(np.add, "+", mod(_exact(np.subtract, "-", a, 1), b), 1)


_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": partial(_exact, np.add, "+"),
    "-": partial(_exact, np.subtract, "-"),
    "*": partial(_exact, np.multiply, "*"),
    "/": _quotient,
    "\\": lambda a, b: _quotient(b, a),
    "^": power,
    "%": rem,
    "÷": div,
    "⋅": partial(_exact, np.multiply, "*"),
}


# ── comparison and logic, entry by entry ─────────────────────────────────────────────────────────────────────────────

_COMPARISONS: dict[str, Callable[[Values, Values], Values]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def compare(op: str, a: Value, b: Value) -> Value:
    """`a .== b` and its kin: true/false entry by entry; text compares with text."""
    x, y = as_operand(a, op), as_operand(b, op)
    mixed = (x.values.dtype == object) != (y.values.dtype == object) and MISSING not in (a, b)
    if mixed and op not in ("==", "!="):
        raise JuliaError(f"`{op}` compares {describe(a)} with {describe(b)}")
    if mixed:
        return elementwise(lambda p, q: np.full(np.broadcast_shapes(p.shape, q.shape), op == "!="), [x, y], op)
    return elementwise(lambda p, q: np.asarray(_COMPARISONS[op](p, q), dtype=bool), [x, y], op)


def _truths(value: Value, op: str) -> Operand:
    """An operand of true and false, or missing."""
    operand = as_operand(value, op)
    if operand.values.dtype != bool and value is not MISSING:
        raise JuliaError(f"`{op}` needs true or false, found {describe(value)}")
    return Operand(operand.values.astype(bool) & ~_mask(operand), operand.axes, operand.missing)


def _mask(operand: Operand) -> Mask:
    """The operand's mask of missing entries, all false where it has none."""
    return np.zeros(operand.values.shape, dtype=bool) if operand.missing is None else operand.missing


def logical(op: str, a: Value, b: Value) -> Value:
    """`.&` (op `&&`) and `.|` (op `||`) with missing as the unknown truth: `false .& missing` is false."""
    x, y = _truths(a, op), _truths(b, op)
    shape = broadcast_shape([x, y], op)
    (p, p_missing), (q, q_missing) = ((aligned(o.values, len(shape)), aligned(_mask(o), len(shape))) for o in (x, y))
    settled, other = (p | q, False) if op == "||" else ((~p & ~p_missing) | (~q & ~q_missing), True)
    unknown = (p_missing | q_missing) & ~settled
    values = settled if op == "||" else ~settled & other
    return make(np.asarray(values), broadcast_axes([x, y], shape), np.asarray(unknown))


def xor(a: Value, b: Value) -> Value:
    """`xor(a, b)` of true and false."""
    return elementwise(np.logical_xor, [_truths(a, "xor"), _truths(b, "xor")], "xor")


# ── without a dot ────────────────────────────────────────────────────────────────────────────────────────────────────


def _sum_of_shapes(op: str, a: Value, b: Value) -> Value:
    """`a + b`, `a - b`: two numbers, or two arrays of one shape."""
    arrays = [isinstance(value, Array) for value in (a, b)]
    if any(arrays) and not all(arrays):
        left, right = describe(a), describe(b)
        raise JuliaError(f"`{op}` between {left} and {right}", f"with a dot it goes entry by entry: `.{op}`")
    if isinstance(a, Array) and isinstance(b, Array) and a.values.shape != b.values.shape:
        raise JuliaError(f"`{op}` needs two arrays of one shape, found {describe(a)} and {describe(b)}")
    return _keep_adjoint(_ARITHMETIC[op](a, b), a, b)


def _keep_adjoint(result: Value, *parts: Value) -> Value:
    """A row vector where every array that it was made from is one."""
    arrays = [part for part in parts if isinstance(part, Array)]
    if isinstance(result, Array) and arrays and all(array.adjoint for array in arrays):
        return Array(result.values, result.axes, missing=result.missing, adjoint=True)
    return result


def _product(a: Value, b: Value) -> Value:
    """`a * b`: scaling, or the matrix product."""
    if isinstance(a, Array) and isinstance(b, Array):
        return matrix_product(a, b)
    return _keep_adjoint(_ARITHMETIC["*"](a, b), a, b)


def _division(a: Value, b: Value) -> Value:
    """`a / b`: by a number, or by a square matrix."""
    if isinstance(b, Array):
        return divide_right(a, b)
    return _keep_adjoint(_quotient(a, b), a)


def _left_division(a: Value, b: Value) -> Value:
    r"""`a \ b`: the solution x of a x = b, by least squares where a is not square."""
    return divide_left(a, b) if isinstance(a, Array) else _division(b, a)


def _power(a: Value, b: Value, literal: bool = False) -> Value:
    """`a ^ b`: of numbers, or of a square matrix to a whole power."""
    if isinstance(a, Array) or isinstance(b, Array):
        return matrix_power(a, b)
    return power(a, b, literal)


def _whole_quotient(op: str, a: Value, b: Value) -> Value:
    """`a % b`, `a ÷ b` of numbers."""
    if isinstance(a, Array) or isinstance(b, Array):
        raise JuliaError(f"`{op}` between {describe(a)} and {describe(b)}", f"with a dot: `.{op}`")
    return _ARITHMETIC[op](a, b)


_UNDOTTED: dict[str, Callable[[Value, Value], Value]] = {
    "+": partial(_sum_of_shapes, "+"),
    "-": partial(_sum_of_shapes, "-"),
    "*": _product,
    "/": _division,
    "\\": _left_division,
    "^": _power,
    "⋅": dot,
    "%": partial(_whole_quotient, "%"),
    "÷": partial(_whole_quotient, "÷"),
}


def _equal(a: Value, b: Value) -> Value:
    """`a == b` of whole values: arrays of one shape with equal entries, missing where that cannot be known."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_equal(p, q) is True for p, q in zip(a, b, strict=True))
    if not isinstance(a, Array) and not isinstance(b, Array):
        return compare("==", a, b) if _comparable(a) and _comparable(b) else a is b
    if a is MISSING or b is MISSING:
        return MISSING
    if not isinstance(a, Array) or not isinstance(b, Array) or a.values.shape != b.values.shape:
        return False
    entries = as_array(compare("==", a, b), "==")
    mask = _mask(as_operand(entries, "=="))
    if not np.all(entries.values.astype(bool) | mask):
        return False
    return MISSING if mask.any() else True


def _comparable(value: Value) -> bool:
    return isinstance(value, int | float | str | Missing)


def identical(a: Value, b: Value) -> bool:
    """`a === b`: of one type and equal; `missing === missing` and `NaN === NaN` are true."""
    if isinstance(a, Array) or isinstance(b, Array):
        return a is b
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    whole = isinstance(a, int) and isinstance(b, int) and isinstance(a, bool) == isinstance(b, bool)
    return (whole or type(a) is type(b)) and a == b


def contains(a: Value, b: Value) -> Value:
    """`a in b`: whether a is an entry of b; missing where that cannot be known."""
    if isinstance(b, tuple):
        answers = [_equal(a, item) for item in b]
        return True if True in answers else MISSING if MISSING in answers else False
    if isinstance(a, Array | tuple):
        return False
    answer = compare("==", a, as_array(b, "in"))
    if not isinstance(answer, Array):
        return answer
    if bool(answer.values.any()):
        return True
    return MISSING if answer.missing is not None else False


def _compare_whole(op: str, a: Value, b: Value) -> Value:
    """A comparison without a dot."""
    if op in ("===", "!=="):
        return identical(a, b) == (op == "===")
    if op == "in":
        return contains(a, b)
    if op in ("==", "!="):
        equal = _equal(a, b)
        return MISSING if equal is MISSING else (equal is True) == (op == "==")
    if isinstance(a, Array) or isinstance(b, Array):
        raise JuliaError(f"`{op}` between {describe(a)} and {describe(b)}", f"with a dot: `.{op}`")
    return compare(op, a, b)


def _logical_whole(op: str, a: Value, b: Value) -> Value:
    """`a && b`, `a || b` of two truths that are both known already."""
    if not isinstance(a, bool):
        dotted = ".&" if op == "&&" else ".|"
        raise JuliaError(f"`{op}` needs true or false, found {describe(a)}", f"entry by entry it is `{dotted}`")
    return b if a == (op == "&&") else a


# ── the two entry points ─────────────────────────────────────────────────────────────────────────────────────────────


def operator(op: str, a: Value, b: Value, dotted: bool = False, literal: bool = False) -> Value:
    r"""`a op b`, or `a .op b` with `dotted`.

    Args:
        op: one of + - * / \ ^ ⋅ % ÷ == != < <= > >= === !== in && ||.
        literal: the right operand of `^` is a whole number as the author wrote it: `2^-1` is 0.5, and `p = -1; 2^p` an
            error, as in Julia.

    Raises:
        JuliaError: shapes, kinds or values that Julia refuses; the hint names the form that works.
    """
    if op in ("&&", "||"):
        return logical(op, a, b) if dotted else _logical_whole(op, a, b)
    if op in ("===", "!==", "in") or (op in _COMPARISONS and not dotted):
        return _compare_whole(op, a, b)
    if op in _COMPARISONS:
        return compare(op, a, b)
    if op not in _ARITHMETIC:
        raise JuliaError(f"there is no operator `{op}`")
    if op == "^":
        return (power if dotted else _power)(a, b, literal)
    return (_ARITHMETIC if dotted else _UNDOTTED)[op](a, b)


def unary(op: str, a: Value, dotted: bool = False) -> Value:
    """`-a`, `+a`, `!a`, `a'`; `!` of an array needs its dot.

    Raises:
        JuliaError: text for `-`, anything but true and false for `!`.
    """
    if op == "'":
        return adjoint(a)
    if op == "!":
        if isinstance(a, Array) and not dotted:
            raise JuliaError(f"`!` needs true or false, found {describe(a)}", "entry by entry it is `.!`")
        return elementwise(np.logical_not, [_truths(a, "!")], "!")
    if op not in ("+", "-"):
        raise JuliaError(f"there is no operator `{op}`")
    sign = np.negative if op == "-" else np.positive
    return _keep_adjoint(elementwise(sign, [as_numbers(a, op)], op), a)
