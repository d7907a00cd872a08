"""Linear algebra: products, transposes, structured matrices, factorisations, determinants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function, known_call, with_known
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.operators import adjoint, binary, dot, tensor, transposed
from mlmdsl.compiler.parts import verify_size
from mlmdsl.compiler.values import (
    DiagonalMatrix,
    Factorization,
    OrthogonalTriangular,
    ScaledIdentity,
    Tensor,
    TupleValue,
    Value,
    describe,
)
from mlmdsl.language import tree
from mlmdsl.language.functions import Function

Keywords = Mapping[str, Value]
Rule = Callable[[Context, Function, Sequence[Value], Keywords, tree.Node], Value]


def _dot(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return dot(cx, tensor(cx, args[0], node), tensor(cx, args[1], node), node)


def _transpose(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return adjoint(cx, args[0], node)


def _square(cx: Context, value: Value, name: str, node: tree.Node) -> Tensor:
    matrix = tensor(cx, value, node)
    sizes = {axis.size for axis in matrix.type.axes if isinstance(axis.size, int)}
    if matrix.rank != 2 or len(sizes) > 1:
        cx.fail(node, f"{name} needs a square matrix, found {describe(matrix)}")
    return matrix


def _diag(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    if isinstance(args[0], DiagonalMatrix):
        return args[0].diagonal
    matrix = tensor(cx, args[0], node)
    if matrix.rank != 2:
        cx.fail(
            node,
            f"diag takes the diagonal of a matrix, found {describe(matrix)}",
            "`Diagonal(v)` makes a matrix of a vector",
        )
    type_ = ir.Type(matrix.type.element, matrix.type.loops, matrix.type.axes[:1], matrix.type.low, matrix.type.high)
    return with_known(ir.Call("diag", (matrix.expr,), type_), known_call(cx, "diag", [matrix], {}, node))


def _diagonal(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`Diagonal(v)`, `diagm(v)`: structure, written out only where nothing else is possible."""
    if isinstance(args[0], DiagonalMatrix):
        return args[0]
    vector = tensor(cx, args[0], node)
    if vector.rank == 2:
        vector = cast(Tensor, _diag(cx, row, args, keywords, node))
    if vector.rank != 1:
        cx.fail(node, f"{row.name} makes a matrix of a vector, found {describe(vector)}")
    return DiagonalMatrix(vector)


def _identity(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    verify_size(cx, tensor(cx, args[0], node), node)
    axis = cx.axis("dimension", tensor(cx, args[0], node))
    return DiagonalMatrix(Tensor(ir.Call("ones", (), ir.Type("real", (), (axis,), 1, 1))))


def _positive_definite(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`PDMat(Cholesky(L))`: L·Lᵀ; `PDMat(Σ)`: Σ itself."""
    value = args[0]
    if isinstance(value, Factorization):
        return Factorization(value.lower, matrix=True)
    if isinstance(value, DiagonalMatrix | ScaledIdentity):
        return value
    return _square(cx, value, "PDMat", node)


def _cholesky_of_factor(
    cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node
) -> Value:
    """`Cholesky(L)`: the factorisation whose lower factor is L."""
    upper = len(args) > 1 and getattr(args[1], "text", "L") in ("U", "upper")
    factor = _square(cx, args[0], "Cholesky", node)
    return Factorization(transposed(factor) if upper else factor)


def _cholesky(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    if isinstance(args[0], Factorization):
        return Factorization(args[0].lower)
    matrix = _square(cx, args[0], "cholesky", node)
    return Factorization(
        Tensor(ir.Call("cholesky", (matrix.expr,), ir.Type("real", matrix.type.loops, matrix.type.axes)))
    )


def _qr(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return OrthogonalTriangular(tensor(cx, args[0], node))


def _determinant(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """det, logdet, logabsdet, tr: of a matrix, a number."""
    if isinstance(args[0], Factorization) and row.name == "logdet":
        diagonal = _diag(cx, row, [args[0].lower], {}, node)
        from mlmdsl.language.functions import FUNCTIONS

        logs = call_function(cx, FUNCTIONS["log"], [diagonal], {}, True, node)
        return binary(cx, "*", constant(2), call_function(cx, FUNCTIONS["sum"], [logs], {}, False, node), False, node)
    matrix = _square(cx, args[0], row.name, node)
    if row.name == "logabsdet":
        signed = ir.Type("real", matrix.type.loops, low=-1, high=1)
        absolute = Tensor(ir.Call("logabsdet", (matrix.expr,), ir.Type("real", matrix.type.loops)))
        return TupleValue((absolute, Tensor(ir.Call("sign_of_det", (matrix.expr,), signed))))
    known = known_call(cx, row.name, [matrix], {}, node)
    return with_known(ir.Call(row.name, (matrix.expr,), ir.Type("real", matrix.type.loops)), known)


def _covariance(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """cor, cov: of data."""
    known = known_call(cx, row.name, args, {}, node)
    exprs = tuple(tensor(cx, arg, node).expr for arg in args)
    if not all(ir.is_data(expr) for expr in exprs):
        cx.fail(node, f"{row.name} is for data")
    axis = tensor(cx, args[0], node).type.axes[-1:]
    type_ = ir.Type("real", (), axis * 2 if len(args) == 1 else ())
    return with_known(ir.Call(row.name, exprs, type_), known)


LINEAR_ALGEBRA: dict[str, Rule] = {
    "dot": _dot,
    "transpose": _transpose,
    "adjoint": _transpose,
    "diag": _diag,
    "diagm": _diagonal,
    "Diagonal": _diagonal,
    "I": _identity,
    "PDMat": _positive_definite,
    "Cholesky": _cholesky_of_factor,
    "cholesky": _cholesky,
    "qr": _qr,
    "det": _determinant,
    "logdet": _determinant,
    "logabsdet": _determinant,
    "tr": _determinant,
    "cor": _covariance,
    "cov": _covariance,
}
"""The rules by the function's name."""
