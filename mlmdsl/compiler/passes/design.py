"""The rows' part of a linear predictor, apart from its coefficients.

Every term of the mean of a Gaussian likelihood is brought to the form

    scale[i] · Σ_k X[i, k] · C[k, j₁[i], j₂[i], …]

where scale, X and the indices j are data along the rows i and C (the coefficients) is free of the rows. What the
likelihood needs of the rows is then in DᵀD, Dᵀy and yᵀy, where D has a column for each element of every C. Non-Goals: rows
along two axes, functions of the rows that are not linear in something free of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.language.types import Axis


class NotLinear(Exception):
    """A mean that has no such form; the message says which part."""


@dataclass(frozen=True)
class Term:
    """One term. `coefficients` has the axes (k if there is a dense part, then one for each pick), in this order."""

    coefficients: ir.Expr
    dense: ir.Expr | None = None
    picks: tuple[ir.Expr, ...] = ()
    scale: ir.Expr | None = None


@dataclass(frozen=True)
class Rows:
    """Where the rows are in an expression: a loop axis, or the first array axis; with its size."""

    loop: str | None
    axis: Axis

    def has(self, expr: ir.Expr) -> bool:
        """Whether a part of an elementwise expression along the rows varies along them."""
        if self.loop is not None:
            return any(axis.name == self.loop for axis in expr.type.loops)
        return expr.type.rank > 0


def inlined(expr: ir.Expr, lets: Mapping[str, ir.Expr]) -> ir.Expr:
    """An expression with the names of earlier statements replaced by what they stand for."""
    return cast(ir.Expr, _inlined(expr, lets))


def _inlined(value: object, lets: Mapping[str, ir.Expr]) -> object:
    if isinstance(value, ir.Ref):
        return lets.get(value.name, value)
    if isinstance(value, tuple):
        return tuple(_inlined(item, lets) for item in value)
    if isinstance(value, Axis | ir.Type | str) or not hasattr(value, "__dataclass_fields__"):
        return value
    changes = {item.name: _inlined(getattr(value, item.name), lets) for item in fields(value)}  # type: ignore[arg-type]
    return replace(value, **changes)  # type: ignore[type-var]


def terms_of(expr: ir.Expr, rows: Rows) -> list[Term]:
    """The terms of a mean."""
    if not rows.has(expr):
        if expr.type.rank:
            raise NotLinear("a part of the mean has axes other than the rows")
        return [Term(expr)]
    if ir.is_data(expr):
        return [Term(ir.Const(1.0, ir.Type(low=1, high=1)), scale=expr)]
    if isinstance(expr, ir.Map):
        return _map_terms(expr, rows)
    if isinstance(expr, ir.Contract):
        return _contract_terms(expr, rows)
    if isinstance(expr, ir.Gather):
        return _gather_terms(expr, rows)
    if isinstance(expr, ir.Lift) and rows.loop is None and len(expr.axes) == 1:
        return terms_of(expr.x, Rows(expr.axes[0].name, rows.axis))
    if isinstance(expr, ir.Ref) and expr.type.rank == 1 and rows.loop is None:
        return [Term(expr, picks=(_each_row(expr.type.axes[0]),))]
    raise NotLinear("the mean holds a function of the rows that is not linear")


def scale_of(expr: ir.Expr, rows: Rows) -> tuple[ir.Expr, ir.Expr | None]:
    """A scale as something free of the rows, times data along them if it varies.

    Raises:
        NotLinear: what varies along the rows is not data.
    """
    one = ir.Const(1.0, ir.Type(low=1, high=1))
    if not rows.has(expr):
        if expr.type.rank:
            raise NotLinear("the likelihood's scale has axes other than the rows")
        return expr, None
    if isinstance(expr, ir.Call) and expr.function == "ones":
        return one, None
    if ir.is_data(expr):
        return one, expr
    if isinstance(expr, ir.Call) and expr.function == "fill":
        return expr.args[0], None
    if isinstance(expr, ir.Lift) and rows.loop is None and len(expr.axes) == 1:
        return scale_of(expr.x, Rows(expr.axes[0].name, rows.axis))
    if (
        isinstance(expr, ir.Call)
        and expr.function == "sqrt"
        and all(part.type.low >= 0 for part in _factors(expr.args[0]))
    ):
        scale, known = scale_of(expr.args[0], rows)
        return _root(scale), known if known is None else _root(known)
    if isinstance(expr, ir.Map) and expr.op in ("*", "/"):
        (left, mine), (right, theirs) = (scale_of(arg, rows) for arg in expr.args)
        return ir.Map(expr.op, (left, right), _free(left, right)), _combined(expr.op, mine, theirs)
    raise NotLinear("the likelihood's scale varies along the rows and is not data")


def _factors(expr: ir.Expr) -> Iterator[ir.Expr]:
    if isinstance(expr, ir.Map) and expr.op in ("*", "/"):
        for arg in expr.args:
            yield from _factors(arg)
    else:
        yield expr


def _root(expr: ir.Expr) -> ir.Expr:
    return ir.Call("sqrt", (expr,), replace(expr.type, element="real", low=0))


def _free(left: ir.Expr, right: ir.Expr) -> ir.Type:
    return ir.Type(low=0 if min(left.type.low, right.type.low) >= 0 else float("-inf"))


def _combined(op: str, left: ir.Expr | None, right: ir.Expr | None) -> ir.Expr | None:
    if right is None:
        return left
    first = ir.Const(1.0, ir.Type(low=1, high=1)) if left is None else left
    return ir.Map(op, (first, right), replace(right.type, element="real", low=0))


def _each_row(axis: Axis) -> ir.Expr:
    """The index 1, 2, … of an effect that has an entry for each row."""
    if not isinstance(axis.size, int):
        raise NotLinear("the number of rows is not known")
    first, last = ir.Const(1, ir.Type("int")), ir.Const(axis.size, ir.Type("int"))
    return ir.Call("range", (first, last, first), ir.Type("int", (), (axis,)))


def _map_terms(expr: ir.Map, rows: Rows) -> list[Term]:
    if len(expr.args) == 1 and expr.op == "-":
        return [_times(term, ir.Const(-1.0, ir.Type(low=-1, high=-1))) for term in terms_of(expr.args[0], rows)]
    left, right = expr.args
    if expr.op == "+":
        return terms_of(left, rows) + terms_of(right, rows)
    if expr.op == "-":
        minus = ir.Const(-1.0, ir.Type(low=-1, high=-1))
        return terms_of(left, rows) + [_times(term, minus) for term in terms_of(right, rows)]
    if expr.op == "*":
        factor, rest = (left, right) if ir.is_data(left) or not rows.has(left) else (right, left)
        return [_scaled(term, factor, rows) for term in terms_of(rest, rows)]
    if expr.op == "/":
        one = ir.Const(1.0, ir.Type(low=1, high=1))
        return [_scaled(term, ir.Map("/", (one, right), right.type), rows) for term in terms_of(left, rows)]
    raise NotLinear(f"the mean holds `{expr.op}` of the rows")


def _scaled(term: Term, factor: ir.Expr, rows: Rows) -> Term:
    """A term times data along the rows, or times something free of them."""
    if not rows.has(factor):
        if factor.type.rank:
            raise NotLinear("a part of the mean has axes other than the rows")
        return _times(term, factor)
    if not ir.is_data(factor):
        raise NotLinear("two parts that vary along the rows and are not data are multiplied")
    scale = factor if term.scale is None else ir.Map("*", (term.scale, factor), factor.type)
    return replace(term, scale=scale)


def _times(term: Term, factor: ir.Expr) -> Term:
    kind = replace(term.coefficients.type, element="real", low=float("-inf"), high=float("inf"))
    return replace(term, coefficients=ir.Map("*", (factor, term.coefficients), kind))


def _contract_terms(expr: ir.Contract, rows: Rows) -> list[Term]:
    """X·b with X data along the rows; (X·B)·c is X·(B·c)."""
    a, b = expr.a, expr.b
    if rows.loop is None and (a.type.rank, b.type.rank) != (2, 1):
        raise NotLinear("a product along the rows is not of a matrix with a vector")
    if isinstance(a, ir.Contract) and rows.has(a) and (rows.loop is None or not rows.has(b)):
        inner = ir.Contract(a.b, b, ir.Type("real", (), (*a.b.type.axes[:-1], *b.type.axes[1:])))
        return _contract_terms(ir.Contract(a.a, inner, expr.type), rows)
    if rows.has(a) and ir.is_data(a):
        return [_dense(a, b, rows)]
    if rows.loop is not None and rows.has(b) and ir.is_data(b):
        return [_dense(b, a, rows)]
    raise NotLinear("a product along the rows is not of data with coefficients")


def _dense(data: ir.Expr, coefficients: ir.Expr, rows: Rows) -> Term:
    """Σ_k X[i, k] C[k], or with a pick C[k, j[i]]."""
    if rows.loop is None or not rows.has(coefficients):
        if coefficients.type.rank != 1:
            raise NotLinear("a product along the rows has axes other than the rows")
        return Term(coefficients, dense=data)
    return replace(_picked_vector(coefficients, rows), dense=data)


def _picked_vector(expr: ir.Expr, rows: Rows) -> Term:
    """C[:, j[i]], or elementwise operations on such of one index, which are then a pick from the operations' result."""
    if isinstance(expr, ir.Gather):
        return _picked(expr, rows, keep=1)
    if not isinstance(expr, ir.Map):
        raise NotLinear("coefficients along the rows are not picked by an index")
    parts = [_picked_vector(arg, rows) if rows.has(arg) else Term(arg) for arg in expr.args]
    varying = [part for part in parts if part.picks]
    if any(part.picks != varying[0].picks for part in varying):
        raise NotLinear("coefficients along the rows are picked by several indices")
    axes = varying[0].coefficients.type.axes
    type_ = replace(expr.type, loops=(), axes=(expr.type.axes[0], *axes[1:]))
    return Term(ir.Map(expr.op, tuple(part.coefficients for part in parts), type_), picks=varying[0].picks)


def _gather_terms(expr: ir.Gather, rows: Rows) -> list[Term]:
    item = expr.index[0]
    if len(expr.index) == 1 and isinstance(item, ir.Slice) and item.loop is not None and item.loop.name == rows.loop:
        whole = isinstance(item.start, ir.Const) and item.start.value == 1
        if whole and item.loop.size == expr.x.type.axes[0].size:
            return terms_of(expr.x, Rows(None, expr.x.type.axes[0]))
        raise NotLinear("a part of the rows is taken")
    return [_picked(expr, rows, keep=0)]


def _picked(expr: ir.Gather, rows: Rows, keep: int) -> Term:
    """C[…, j[i], …]: picks by data along the rows; fixed positions are taken first; `keep` axes stay, in front."""
    if rows.loop is not None and rows.has(expr.x):
        raise NotLinear("what is indexed varies along the rows")
    picks: list[tuple[int, ir.Expr]] = []
    kept: list[int] = []
    fixed: list[ir.IndexItem] = []
    position = 0
    for item in expr.index:
        moves = isinstance(item, ir.Pick) and rows.has(item.index)
        if isinstance(item, ir.Pick) and item.index.type.element == "bool":
            raise NotLinear("a mask picks rows")
        if isinstance(item, ir.Pick) and not moves and item.index.type.is_scalar:
            fixed.append(item)
            continue
        fixed.append(ir.Keep())
        if moves:
            index = cast(ir.Pick, item).index
            if not ir.is_data(index) or index.type.rank + len(index.type.loops) != 1:
                raise NotLinear("an index along the rows is not one column of data")
            picks.append((position, index))
        elif isinstance(item, ir.Keep):
            kept.append(position)
        else:
            raise NotLinear("a range along the rows is not supported")
        position += 1
    if len(kept) != keep or not picks:
        raise NotLinear("what is picked along the rows is not one number a row")
    x = expr.x
    if any(isinstance(item, ir.Pick) for item in fixed):
        axes = tuple(axis for axis, item in zip(x.type.axes, fixed, strict=True) if isinstance(item, ir.Keep))
        x = ir.Gather(x, tuple(fixed), replace(x.type, axes=axes))
    order = [*kept, *(place for place, _ in picks)]
    if order != sorted(order):
        x = ir.Permute(x, tuple(order), replace(x.type, axes=tuple(x.type.axes[place] for place in order)))
    return Term(x, picks=tuple(index for _, index in picks))
