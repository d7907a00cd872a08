"""Julia's linear algebra on data: products, transposes, diagonals, solutions. Axes pass along where they survive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlmdsl.language.julia_values import (
    JuliaError,
    Values,
    as_array,
    as_numbers,
    check_size,
    complete_numbers,
    describe,
    elementwise,
    make,
    make_array,
    real,
    whole,
)
from mlmdsl.language.types import ANONYMOUS, MISSING, Array, Axis, Value


def _numbers(value: Value, what: str) -> Values:
    """The numbers of a vector or matrix without missing entries."""
    if not isinstance(value, Array) or value.ndim > 2:
        raise JuliaError(f"`{what}` needs a vector or a matrix, found {describe(value)}")
    return complete_numbers(value, what)


def _matrix(value: Value, what: str) -> tuple[Array, Values]:
    """A matrix and its numbers."""
    values = _numbers(value, what)
    if values.ndim != 2 or not isinstance(value, Array):
        raise JuliaError(f"`{what}` needs a matrix, found {describe(value)}")
    return value, values


def _square(value: Value, what: str) -> tuple[Array, Values]:
    """A square matrix of finite numbers, and these as floats."""
    array, values = _matrix(value, what)
    if values.shape[0] != values.shape[1]:
        raise JuliaError(f"`{what}` needs a square matrix, found {describe(value)}")
    return array, _finite(values, what)


def _finite(values: Values, what: str) -> Values:
    """The values as floats, refusing NaN and Inf."""
    floats = values.astype(np.float64)
    if not np.isfinite(floats).all():
        raise JuliaError(f"`{what}` of an array that holds NaN or Inf")
    return floats


def _solved(what: str, solve: Callable[..., Any], *arrays: Values) -> Any:
    """A NumPy solution, its failure in the language's words."""
    try:
        return solve(*arrays)
    except np.linalg.LinAlgError as error:
        raise JuliaError(f"`{what}`: the matrix is singular") from error


def dot(a: Value, b: Value) -> Value:
    """`a ⋅ b` = Σ aᵢ bᵢ: of numbers, or of two arrays of one length."""
    if not isinstance(a, Array) and not isinstance(b, Array):
        return elementwise(np.multiply, [as_numbers(a, "dot"), as_numbers(b, "dot")], "dot")
    x, y = as_array(a, "dot"), as_array(b, "dot")
    if x.values.size != y.values.size:
        raise JuliaError(f"`dot` needs two arrays of one length, found {describe(x)} and {describe(y)}")
    left, right = (complete_numbers(part, "dot").ravel(order="F") for part in (x, y))
    with np.errstate(all="ignore"):
        return make(np.dot(left, right))


def adjoint(a: Value) -> Value:
    """`a'`, `transpose(a)`: rows for columns; of a vector a row, of a row the vector again."""
    if a is MISSING or not isinstance(a, Array):
        as_numbers(a, "'")
        return a
    if a.ndim > 2:
        raise JuliaError(f"the transpose needs a vector or a matrix, found {describe(a)}")
    if a.adjoint:
        return Array(a.values[0], a.axes[1:], missing=None if a.missing is None else a.missing[0])
    if a.ndim == 1:
        missing = None if a.missing is None else a.missing[None]
        return Array(a.values[None], (Axis(ANONYMOUS, 1), *a.axes), missing=missing, adjoint=True)
    return Array(a.values.T, a.axes[::-1], missing=None if a.missing is None else a.missing.T)


def matrix_product(a: Array, b: Array) -> Value:
    """`a * b` of vectors and matrices: (m×k)(k) → m, (m×k)(k×n) → m×n, x' * y a number, x * y' their outer product."""
    x, y = _numbers(a, "*"), _numbers(b, "*")
    if x.ndim == 1 and y.ndim == 1:
        raise JuliaError(
            f"`*` of two vectors, {describe(a)} and {describe(b)}",
            "entry by entry it is `.*`, the scalar product `⋅` or `x' * y`, the outer product `x * y'`",
        )
    x, x_axes = (x[:, None], (a.axes[0], Axis(ANONYMOUS, 1))) if x.ndim == 1 else (x, a.axes)
    if x.shape[1] != y.shape[0]:
        hint = f"`*` needs as many columns on the left ({x.shape[1]}) as rows on the right ({y.shape[0]})"
        raise JuliaError(f"`*`: the sizes of {describe(a)} and {describe(b)} do not agree", hint)
    check_size((x.shape[0], *y.shape[1:]), "*")
    with np.errstate(all="ignore"):
        values = np.matmul(x, y)
    if a.adjoint and y.ndim == 1:
        return make(values[0])
    result = make_array(values, (x_axes[0], *b.axes[1:]))
    return Array(result.values, result.axes, adjoint=a.adjoint and y.ndim == 2)


def divide_right(a: Value, b: Array) -> Value:
    """`a / b` = a b⁻¹ for a square matrix b."""
    if not isinstance(a, Array) or b.ndim != 2 or a.ndim != 2:
        raise JuliaError(f"`/` of {describe(a)} by {describe(b)}", "entry by entry it is `./`")
    flipped = divide_left(adjoint(b), adjoint(a))
    return adjoint(flipped)


def divide_left(a: Value, b: Value) -> Value:
    r"""`a \ b`: the x with a x = b; the least squares solution where a is not square."""
    if not isinstance(b, Array):
        raise JuliaError(f"`\\` of {describe(a)} and {describe(b)}", "entry by entry it is `.\\`")
    (matrix, x), y = _matrix(a, "\\"), _numbers(b, "\\")
    if x.shape[0] != y.shape[0]:
        raise JuliaError(f"`\\`: {describe(a)} and {describe(b)} have different numbers of rows")
    x, y = _finite(x, "\\"), _finite(y, "\\")
    if x.shape[0] == x.shape[1]:
        values = _solved("\\", np.linalg.solve, x, y)
    else:
        values = _solved("\\", lambda p, q: np.linalg.lstsq(p, q, rcond=None)[0], x, y)
    return make_array(values, (matrix.axes[1], *b.axes[1:]))


def matrix_power(a: Value, b: Value) -> Value:
    """`A^n` of a square matrix; `A^-n` is the power of its inverse."""
    if isinstance(b, Array) or not isinstance(a, Array) or a.ndim != 2:
        raise JuliaError(f"`^` of {describe(a)} to {describe(b)}", "entry by entry it is `.^`")
    matrix, values = _square(a, "^")
    exponent = whole(b, "the power of a matrix")
    if exponent < 0:
        values = _solved("^", np.linalg.inv, values)
    with np.errstate(all="ignore"):
        result = _solved("^", np.linalg.matrix_power, values, np.asarray(abs(exponent)).item())
    if a.values.dtype.kind in "ib" and exponent >= 0 and np.abs(result).max(initial=0.0) < 2.0**53:
        result = np.round(result).astype(np.int64)
    return make_array(result, matrix.axes)


def norm(x: Value, p: Value = 2) -> float:
    """`norm(x, p=2)` = (Σ |xᵢ|^p)^(1/p) over all entries; p = Inf gives the largest |xᵢ|."""
    values = np.abs(complete_numbers(x, "norm").astype(np.float64).ravel())
    order = real(p, "the order of a norm")
    if values.size == 0:
        return 0.0
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(values, order))


def diag(x: Value) -> Array:
    """`diag(A)`: the diagonal of a matrix, as a vector."""
    matrix, values = _matrix(x, "diag")
    short = int(np.argmin(values.shape))
    return make_array(np.diagonal(values).copy(), (matrix.axes[short],))


def diagm(x: Value) -> Array:
    """`diagm(v)`, `Diagonal(v)`: the square matrix with v on its diagonal; of a matrix, what its diagonal makes."""
    array = diag(x) if isinstance(x, Array) and x.ndim == 2 else as_array(x, "Diagonal")
    values = _numbers(array, "Diagonal")
    check_size((values.size, values.size), "Diagonal")
    return make_array(np.diag(values), (array.axes[0], array.axes[0]))


def inv(x: Value) -> Value:
    """`inv(A)`, `inv(2)`.

    Raises:
        JuliaError: the matrix is not square, or singular.
    """
    if not isinstance(x, Array):
        return elementwise(lambda v: np.true_divide(1.0, v), [as_numbers(x, "inv")], "inv")
    matrix, values = _square(x, "inv")
    return make_array(_solved("inv", np.linalg.inv, values), matrix.axes[::-1])


def det(x: Value) -> Value:
    """`det(A)`."""
    if not isinstance(x, Array):
        return elementwise(np.positive, [as_numbers(x, "det")], "det")
    with np.errstate(all="ignore"):
        return float(np.linalg.det(_square(x, "det")[1]))


def logabsdet(x: Value) -> tuple[Value, ...]:
    """`logabsdet(A)` → (log |det A|, its sign)."""
    sign, logarithm = np.linalg.slogdet(_square(as_array(x, "logabsdet"), "logabsdet")[1])
    return float(logarithm), float(sign)


def logdet(x: Value) -> float:
    """`logdet(A)`.

    Raises:
        JuliaError: the determinant is negative.
    """
    sign, logarithm = np.linalg.slogdet(_square(x, "logdet")[1])
    if sign < 0:
        raise JuliaError("`logdet`: the determinant is negative")
    return float(logarithm)


def trace(x: Value) -> Value:
    """`tr(A)` = Σ aᵢᵢ."""
    _, values = _matrix(x, "tr")
    if values.shape[0] != values.shape[1]:
        raise JuliaError(f"`tr` needs a square matrix, found {describe(x)}")
    return make(np.trace(values))


def qr(x: Value) -> tuple[Value, ...]:
    """`qr(A)` → (Q, R): A = QR, Q with orthonormal columns, R upper triangular (m×k and k×n, k = min(m, n)).

    The signs are LAPACK's, which Julia uses too.
    """
    matrix, values = _matrix(x, "qr")
    q, r = np.linalg.qr(_finite(values, "qr"))
    inner = matrix.axes[1] if r.shape[0] == values.shape[1] else Axis(ANONYMOUS, r.shape[0])
    return make_array(q, (matrix.axes[0], inner)), make_array(r, (inner, matrix.axes[1]))


def triangular(x: Value, lower: bool) -> Array:
    """`LowerTriangular(A)`, `UpperTriangular(A)`: the other triangle is zero."""
    matrix, values = _matrix(x, "LowerTriangular" if lower else "UpperTriangular")
    return make_array(np.tril(values) if lower else np.triu(values), matrix.axes)


def symmetric(x: Value) -> Array:
    """`Symmetric(A)`: the upper triangle, mirrored."""
    matrix, values = _matrix(x, "Symmetric")
    if values.shape[0] != values.shape[1]:
        raise JuliaError(f"`Symmetric` needs a square matrix, found {describe(x)}")
    return make_array(np.triu(values) + np.triu(values, 1).T, matrix.axes)


def copy(x: Value) -> Value:
    """`copy(x)`, `LazyArray(x)`, `identity(x)`: the value itself."""
    return x
