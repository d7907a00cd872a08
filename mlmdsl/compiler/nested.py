"""Vectors of vectors that are filled one by one: `b = Vector{Vector{Float64}}(undef, J)`, then `b[j] ~ MvNormal(μ, Σ)`.

Vectors of one length are kept as the rows of a matrix; the first store tells that length, and the statement that stores
begins anew with the matrix in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context, Restart, key_of
from mlmdsl.compiler.operators import lifted, tensor
from mlmdsl.compiler.values import Nested, Nothing, Tensor, TupleValue, Unfilled, Value, describe
from mlmdsl.language import tree
from mlmdsl.language.types import Axis

_ARRAY_TYPES = frozenset({"Vector", "Array", "Matrix"})
_ELEMENT_TYPES = _ARRAY_TYPES | {"AbstractVector", "AbstractArray", "AbstractMatrix"}


def unfilled(cx: Context, node: tree.Call) -> Value | None:
    """`Vector{Vector{T}}(undef, n)`; None for any other call."""
    made = node.function
    if not isinstance(made, tree.TypeApply) or _name(made.base) not in _ARRAY_TYPES or not made.params:
        return None
    element = made.params[0]
    if _name(element.base if isinstance(element, tree.TypeApply) else element) not in _ELEMENT_TYPES:
        return None
    args = [cx.expr(arg) for arg in node.args]
    if len(args) != 2 or not isinstance(args[0], Nothing):
        cx.fail(node, "a vector of vectors is made empty, then filled", "write `Vector{Vector{Float64}}(undef, n)`")
    count = tensor(cx, args[1], node)
    if count.rank or not count.is_data or count.type.element not in ("int", "any"):
        cx.fail(node, f"a size is a whole number known from the data, found {describe(count)}")
    return Unfilled(count)


def _name(node: tree.Expression) -> str:
    return node.id if isinstance(node, tree.Name) else ""


def as_rows(cx: Context, name: str, target: tree.Index, axes: Sequence[Axis], node: tree.Node) -> tree.Index:
    """The target of a store into a vector of vectors as a row of the matrix; any other target as it is.

    Args:
        axes: those of what is stored.

    Raises:
        Restart: the matrix is not there yet.
    """
    value = cx.scope.get(name)
    if isinstance(value, TupleValue) and len(target.indices) == 1:
        cx.fail(target, f"`{name}` holds values of different kinds: none of them can be stored anew", "use a matrix")
    if name not in cx.vectors and not isinstance(value, Unfilled | Nested):
        return target
    if len(target.indices) != 1:
        cx.fail(target, f"`{name}` is a vector of vectors: it takes one index, found {len(target.indices)}",
                f"for an entry write `{name}[i][j]`")  # fmt: skip
    if len(axes) != 1:
        cx.fail(node, f"`{name}` is a vector of vectors, and what is stored is no vector")
    if isinstance(value, Unfilled | Nested):
        size = cx.axis_sizes.get(key_of(axes[0]))
        raise Restart(lambda around: _make_rows(around, name, axes[0], size))
    return replace(target, indices=(*target.indices, tree.Colon(span=target.span)))


def _make_rows(cx: Context, name: str, axis: Axis, size: ir.Expr | None) -> None:
    """Put the matrix in place of a vector of vectors."""
    value = cx.scope[name]
    if size is not None:
        cx.axis_sizes.setdefault(key_of(axis), size)
    if isinstance(value, Nested):
        cx.scope[name] = lifted(value.item, (value.axis,))
    elif isinstance(value, Unfilled):
        rows = cx.axis(value.count.expr.name if isinstance(value.count.expr, ir.Ref) else f"{name}_row", value.count)
        cx.scope[name] = Tensor(ir.Call("zeros", (), ir.Type("real", (), (rows, axis), 0, 0)))
    cx.vectors.add(name)
