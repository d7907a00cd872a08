"""Operators: Julia's meaning of `+ - * / \\ ^ ⋅`, comparisons and logic, dotted and not, on every kind of value.

Undotted operators are linear algebra (`*` of matrices is their product), dotted ones are elementwise with broadcasting
from the first axis. Structured matrices (`λI`, `Diagonal(v)`, `PDMat`) are never built where their structure says more.
"""

from __future__ import annotations

from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context, part
from mlmdsl.compiler.elementwise import (
    LOGICAL,
    constant,
    elementwise,
    known_tensor,
    known_type,
    known_value,
    verify_numbers,
)
from mlmdsl.compiler.labels import share_labels, verify_aligned
from mlmdsl.compiler.references import viewed
from mlmdsl.compiler.values import (
    DiagonalMatrix,
    Draw,
    Factorization,
    Nested,
    RangeValue,
    RowVector,
    ScaledIdentity,
    Tensor,
    Value,
    describe,
)
from mlmdsl.language import julia, tree
from mlmdsl.language.types import Array, Axis


def tensor(cx: Context, value: Value, node: tree.Node) -> Tensor:
    """A value as numbers: structured matrices of a known size are written out."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, RowVector):
        return _row_matrix(value)
    if isinstance(value, DiagonalMatrix):
        axis = value.diagonal.type.axes[0]
        type_ = ir.Type("real", value.diagonal.type.loops, (axis, axis))
        return Tensor(ir.Call("diagm", (value.diagonal.expr,), type_))
    if isinstance(value, Factorization) and value.matrix:
        return contract(cx, value.lower, transposed(value.lower), node)
    if isinstance(value, Nested):
        return lifted(value.item, (value.axis,))
    if isinstance(value, RangeValue):
        from mlmdsl.compiler.indexing import range_tensor

        return range_tensor(cx, value, node)
    return cast(Tensor, cx.fail(node, f"expected numbers, found {describe(value)}"))


def transposed(value: Tensor) -> Tensor:
    """The transpose of a matrix."""
    type_ = value.type
    swapped = ir.Type(type_.element, type_.loops, type_.axes[::-1], type_.low, type_.high)
    known = julia.DATA_FUNCTIONS["transpose"](value.known) if isinstance(value.known, Array) else None
    return Tensor(ir.Permute(value.expr, (1, 0), swapped), known if isinstance(known, Array) else None)


def lifted(value: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Loop axes as leading array axes."""
    type_ = value.type
    names = {axis.name for axis in axes}
    rest = tuple(axis for axis in type_.loops if axis.name not in names)
    new = ir.Type(type_.element, rest, (*axes, *type_.axes), type_.low, type_.high)
    return Tensor(ir.Lift(value.expr, axes, new), levels=value.levels)


def adjoint(cx: Context, value: Value, node: tree.Node) -> Value:
    """`x'`."""
    if isinstance(value, RowVector):
        return value.vector
    if isinstance(value, DiagonalMatrix | ScaledIdentity) or (isinstance(value, Factorization) and value.matrix):
        return value
    numbers = tensor(cx, value, node)
    if numbers.rank == 0:
        return numbers
    if numbers.rank == 1:
        return RowVector(numbers)
    if numbers.rank == 2:
        return viewed(transposed(numbers), numbers)
    return cast(Value, cx.fail(node, f"`'` transposes a vector or a matrix, found {describe(numbers)}"))


def binary(cx: Context, op: str, left: Value, right: Value, dotted: bool, node: tree.Node) -> Value:
    """`left op right`."""
    if isinstance(left, Draw) or isinstance(right, Draw):
        from mlmdsl.compiler.combinators import affine

        return affine(cx, op, left, right, dotted, node)
    if dotted or op in LOGICAL:
        return elementwise(cx, op, [tensor(cx, left, part(node, 0)), tensor(cx, right, part(node, 1))], dotted, node)
    structured = _structured(cx, op, left, right, node)
    if structured is not None:
        return structured
    return _numeric(cx, op, tensor(cx, left, part(node, 0)), tensor(cx, right, part(node, 1)), node)


def unary(cx: Context, op: str, operand: Value, dotted: bool, node: tree.Node) -> Value:
    """`-x`, `+x`, `!x`."""
    if isinstance(operand, RowVector):
        return RowVector(cast(Tensor, unary(cx, op, operand.vector, dotted, node)))
    if isinstance(operand, ScaledIdentity):
        return ScaledIdentity(cast(Tensor, unary(cx, op, operand.scale, dotted, node)))
    if isinstance(operand, Draw):
        return binary(cx, "*", constant(-1), operand, False, node)
    if op == "+":
        return operand
    if op == "-" and isinstance(operand, Tensor) and isinstance(operand.expr, ir.Const):
        return constant(-operand.expr.value)
    return elementwise(cx, op, [tensor(cx, operand, node)], dotted, node)


# ── linear algebra ───────────────────────────────────────────────────────────────────────────────────────────────────


def _numeric(cx: Context, op: str, left: Tensor, right: Tensor, node: tree.Node) -> Value:
    """Undotted operators on plain numbers, vectors and matrices."""
    ranks = (left.rank, right.rank)
    if op == "\\":
        return _solve(cx, left, right, node)
    if op == "⋅":
        return dot(cx, left, right, node)
    if op == "*" and min(ranks) > 0:
        return _product(cx, left, right, node)
    if op == "/" and ranks == (2, 2):
        return transposed(_solve(cx, transposed(right), transposed(left), node))
    if op == "^" and ranks == (2, 0):
        return _matrix_power(cx, left, right, node)
    scaling = op in ("*", "/") and ranks[1] == 0 or op == "*" and ranks[0] == 0
    return elementwise(cx, op, [left, right], dotted=scaling, node=node)


def _product(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> Value:
    if left.rank == 1 and right.rank == 1:
        cx.fail(
            node,
            "`*` of two vectors has no meaning",
            "write `.*` for the elementwise product or `⋅` for the dot product",
        )
    if left.rank == 1 and right.rank == 2:
        first = right.type.axes[0]
        if first.size != 1:
            cx.fail(
                node,
                f"`*` of {describe(left)} with {describe(right)}: the shapes do not fit",
                "write the vector's adjoint `v'`, or the product the other way round",
            )
        return elementwise(cx, "*", [left, right], dotted=True, node=node)
    return contract(cx, left, right, node)


def contract(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> Tensor:
    """Σ over the last axis of the left and the first of the right."""
    inner, outer = left.type.axes[-1], right.type.axes[0]
    if isinstance(inner.size, int) and isinstance(outer.size, int) and inner.size != outer.size:
        below = "entries" if right.rank == 1 else "rows"
        cx.fail(
            node,
            f"the shapes do not fit: `*` of {describe(left)} with {describe(right)}",
            f"`*` needs as many columns on its left as {below} on its right: here {inner.size} and {outer.size}",
        )
    verify_aligned(cx, (inner, outer), "*", node, (left, right))
    share_labels(cx, left, right, node)
    verify_numbers(cx, [left, right], node)
    loops = cx.loop_axes([left.type, right.type])
    type_ = ir.Type("real", loops, (*left.type.axes[:-1], *right.type.axes[1:]))
    op = "⋅" if left.rank == right.rank == 1 else "*"
    known = known_value(cx, lambda a, b: julia.operator(op, a, b, dotted=False), [left, right], node)
    if known is not None:
        return known_tensor(ir.Contract(left.expr, right.expr, known_type(known)), known)
    return Tensor(ir.Contract(left.expr, right.expr, type_))


def dot(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> Tensor:
    """`x ⋅ y`."""
    if left.rank == 0 and right.rank == 0:
        return elementwise(cx, "*", [left, right], dotted=False, node=node)
    if left.rank != 1 or right.rank != 1:
        cx.fail(node, f"`⋅` is the product of two vectors, found {describe(left)} and {describe(right)}")
    a, b = left.type.axes[0].size, right.type.axes[0].size
    if isinstance(a, int) and isinstance(b, int) and a != b:
        cx.fail(node, f"`⋅` needs two vectors of one length, found {a} and {b}")
    return contract(cx, left, right, node)


def _solve(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> Tensor:
    if left.rank == 0:
        return elementwise(cx, "/", [right, left], dotted=True, node=node)
    if left.rank != 2 or right.rank == 0:
        cx.fail(
            node,
            f"`\\` solves a linear system: a matrix, then a vector or matrix; found {describe(left)} and {describe(right)}",
        )
    type_ = ir.Type("real", cx.loop_axes([left.type, right.type]), (left.type.axes[1], *right.type.axes[1:]))
    return Tensor(ir.Call("solve", (left.expr, right.expr), type_))


def _matrix_power(cx: Context, left: Tensor, right: Tensor, node: tree.Node) -> Tensor:
    if not isinstance(right.known, int) or right.known < 1:
        cx.fail(node, "a matrix has only powers 2, 3, … here", "write `.^` to raise each element")
    result = left
    for _ in range(right.known - 1):
        result = contract(cx, result, left, node)
    return result


def _row_matrix(row: RowVector) -> Tensor:
    """An adjoint vector as a 1×n matrix."""
    type_ = row.vector.type
    one = Axis("one", 1)
    new = ir.Type(type_.element, type_.loops, (one, *type_.axes), type_.low, type_.high)
    known = julia.DATA_FUNCTIONS["transpose"](row.vector.known) if isinstance(row.vector.known, Array) else None
    return Tensor(ir.Call("row", (row.vector.expr,), new), known if isinstance(known, Array) else None)


# ── structured matrices ──────────────────────────────────────────────────────────────────────────────────────────────


def _structured(cx: Context, op: str, left: Value, right: Value, node: tree.Node) -> Value | None:
    """Rules for adjoint vectors, `λI`, `Diagonal(v)`; None where no structure is involved."""
    if isinstance(left, RowVector) or isinstance(right, RowVector):
        return _with_row(cx, op, left, right, node)
    if isinstance(left, ScaledIdentity) or isinstance(right, ScaledIdentity):
        return _with_identity(cx, op, left, right, node)
    if isinstance(left, DiagonalMatrix) or isinstance(right, DiagonalMatrix):
        return _with_diagonal(cx, op, left, right, node)
    if isinstance(left, Factorization) and op == "\\":
        return Tensor(_cholesky_solve(cx, left, tensor(cx, right, node), node))
    return None


def _with_row(cx: Context, op: str, left: Value, right: Value, node: tree.Node) -> Value | None:
    if op in ("+", "-") and isinstance(left, RowVector) and isinstance(right, RowVector):
        return RowVector(elementwise(cx, op, [left.vector, right.vector], False, node))
    if isinstance(left, RowVector) and op in ("*", "/"):
        if isinstance(right, DiagonalMatrix):
            return RowVector(elementwise(cx, "*", [left.vector, right.diagonal], True, node))
        numbers = tensor(cx, right, node)
        if numbers.rank == 0:
            return RowVector(elementwise(cx, op, [left.vector, numbers], True, node))
        if op == "/":
            return RowVector(_solve(cx, transposed(numbers), left.vector, node))
        if numbers.rank == 1 and not isinstance(right, RowVector):
            return dot(cx, left.vector, numbers, node)
        return RowVector(contract(cx, transposed(numbers), left.vector, node))
    if isinstance(right, RowVector) and op == "*":
        numbers = tensor(cx, left, node)
        if numbers.rank == 0:
            return RowVector(elementwise(cx, op, [numbers, right.vector], True, node))
        return elementwise(cx, "*", [numbers, _row_matrix(right)], True, node)
    return None


def _with_identity(cx: Context, op: str, left: Value, right: Value, node: tree.Node) -> Value | None:
    if isinstance(left, ScaledIdentity) and isinstance(right, ScaledIdentity):
        return ScaledIdentity(elementwise(cx, op, [left.scale, right.scale], False, node))
    identity, other = (left, right) if isinstance(left, ScaledIdentity) else (right, left)
    assert isinstance(identity, ScaledIdentity)
    if isinstance(other, DiagonalMatrix):
        return DiagonalMatrix(elementwise(cx, op, _ordered(left, identity.scale, other.diagonal), True, node))
    numbers = tensor(cx, other, node)
    if numbers.rank == 0:
        if op in ("+", "-"):
            cx.fail(node, f"`{op}` of a number and `I` has no meaning")
        if op == "*" and identity.scale.known == 1:
            return ScaledIdentity(numbers)
        return ScaledIdentity(elementwise(cx, op, _ordered(left, identity.scale, numbers), False, node))
    if op in ("*", "/", "\\"):
        args = [numbers, identity.scale] if op == "/" else _ordered(left, identity.scale, numbers)
        return elementwise(cx, "*" if op == "*" else "/", args, True, node)
    if numbers.rank != 2:
        cx.fail(node, f"`{op}` with `I` needs a matrix, found {describe(numbers)}")
    axis = numbers.type.axes[0]
    eye = ir.Call("eye", (), ir.Type("real", (), (axis, numbers.type.axes[1])))
    scaled = (
        Tensor(eye) if identity.scale.known == 1 else elementwise(cx, "*", [identity.scale, Tensor(eye)], True, node)
    )
    return elementwise(cx, op, _ordered(left, scaled, numbers), True, node)


def _ordered(left: Value, structured: Tensor, other: Tensor) -> list[Tensor]:
    """The operands in the author's order, given that the structured one was on the left or not."""
    return [structured, other] if isinstance(left, ScaledIdentity | DiagonalMatrix) else [other, structured]


def _with_diagonal(cx: Context, op: str, left: Value, right: Value, node: tree.Node) -> Value | None:
    if isinstance(left, DiagonalMatrix) and isinstance(right, DiagonalMatrix):
        if op not in ("+", "-", "*", "/", "\\"):
            return None
        pair = [right.diagonal, left.diagonal] if op == "\\" else [left.diagonal, right.diagonal]
        return DiagonalMatrix(elementwise(cx, "/" if op == "\\" else op, pair, True, node))
    if isinstance(left, DiagonalMatrix):
        numbers = tensor(cx, right, node)
        if numbers.rank == 0 and op in ("*", "/"):
            return DiagonalMatrix(elementwise(cx, op, [left.diagonal, numbers], True, node))
        if op in ("*", "\\"):
            pair = [numbers, left.diagonal] if op == "\\" else [left.diagonal, numbers]
            return elementwise(cx, "/" if op == "\\" else "*", pair, True, node)
    if isinstance(right, DiagonalMatrix) and op in ("*", "/"):
        numbers = tensor(cx, left, node)
        if numbers.rank == 0 and op == "*":
            return DiagonalMatrix(elementwise(cx, op, [numbers, right.diagonal], True, node))
        return elementwise(cx, op, [numbers, _row_matrix(RowVector(right.diagonal))], True, node)
    return None


def _cholesky_solve(cx: Context, factor: Factorization, right: Tensor, node: tree.Node) -> ir.Expr:
    if right.rank == 0:
        cx.fail(node, f"`\\` solves a linear system for a vector or matrix, found {describe(right)}")
    loops = cx.loop_axes([factor.lower.type, right.type])
    return ir.Call("cholesky_solve", (factor.lower.expr, right.expr), ir.Type("real", loops, right.type.axes))
