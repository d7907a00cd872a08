"""Products of matrices, Cholesky factors and triangular systems, as loops of constant size.

The matrices of a model are small; what is large is the number of calls, and a library call for each would cost more than
the arithmetic. `MOST_WORK` in `build.py` keeps large ones out of here.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from torch.fx import Node

from mlmdsl.inference.native.layout import Value, View, formula, plain_nest, summed
from mlmdsl.inference.native.lower import Lowering, Unsupported, Writer


def _product(writer: Writer, node: Node) -> Value:
    """`mm`, `bmm`, `mv`, `dot`: Σ_k a[…, i, k] b[…, k, j]."""
    a, b = (writer.stored(argument) for argument in node.args[:2])  # type: ignore[arg-type]
    out = writer.buffer(writer.shape(node), writer.dtype(node))
    _multiply(writer, out, a, b)
    return out


def _multiply(writer: Writer, out: View, a: View, b: View) -> None:
    whole = out
    if len(b.shape) == 1:
        b, whole = _with_axis(b, 1), _with_axis(whole, len(whole.shape))
    if len(a.shape) == 1:
        a, whole = _with_axis(a, 0), _with_axis(whole, 0)
    batch, (n, m), inner = whole.shape[:-2], whole.shape[-2:], a.shape[-1]
    nest = plain_nest((*batch, n))
    lead, i = nest.index[: len(batch)], nest.index[-1]
    if writer.lanes == 1 and m > 1 and b.strides[-1] == 1 and whole.strides[-1] == 1:
        place = whole.at([*lead, i, "j"])
        body = [
            f"for (int64_t j = 0; j < {m}; j++) EACH {place} = 0;",
            f"for (int64_t k = 0; k < {inner}; k++)",
            f"for (int64_t j = 0; j < {m}; j++) EACH {place} += {a.at([*lead, i, 'k'])} * {b.at([*lead, 'k', 'j'])};",
        ]
    else:
        body = [
            f"for (int64_t j = 0; j < {m}; j++)",
            "{ double OF(total);",
            "EACH MY(total) = 0;",
            *summed("k", inner, lambda k: f"{a.at([*lead, i, k])} * {b.at([*lead, k, 'j'])}", writer.lanes),
            f"EACH {whole.at([*lead, i, 'j'])} = MY(total); }}",
        ]
    writer.emit(nest.around(body))
    writer.work += prod(batch) * n * m * (2 * inner + 1)


def _with_axis(view: View, place: int) -> View:
    """An axis of length one more."""
    shape, strides = list(view.shape), list(view.strides)
    shape.insert(place, 1)
    strides.insert(place, 0)
    return replace(view, shape=tuple(shape), strides=tuple(strides))


def _add_product(writer: Writer, node: Node) -> Value:
    """`addmm`, `addmv`, `baddbmm`: c + a·b."""
    if node.kwargs:
        raise Unsupported(f"{node.target} with options")
    start, a, b = node.args
    product = writer.buffer(writer.shape(node), writer.dtype(node))
    _multiply(writer, product, writer.stored(a), writer.stored(b))  # type: ignore[arg-type]
    writer.assign(product, writer.operand(start, product.shape), "+=")
    return product


def transposed(view: View) -> View:
    """The last two axes exchanged."""
    shape, strides = view.shape, view.strides
    return replace(view, shape=(*shape[:-2], shape[-1], shape[-2]), strides=(*strides[:-2], strides[-1], strides[-2]))


def _cholesky(writer: Writer, node: Node) -> Value:
    """L of A = L Lᵀ and, as LAPACK has it, the number of the first pivot that is not positive (0: none)."""
    source = writer.stored(node.args[0])  # type: ignore[arg-type]
    upper = bool(node.kwargs.get("upper", False))
    factor = writer.buffer(source.shape, source.dtype)
    info = writer.buffer(source.shape[:-2], writer.values[node][1].dtype)
    a, low = (transposed(source), transposed(factor)) if upper else (source, factor)
    n = source.shape[-1]
    nest = plain_nest(source.shape[:-2])

    def at(view: View, *index: str) -> str:
        return view.at([*nest.index, *index])

    body = [
        f"EACH {info.at(nest.index)} = 0;",
        f"for (int64_t j = 0; j < {n}; j++)",
        "{ double OF(d), OF(inverse);",
        f"EACH MY(d) = {at(a, 'j', 'j')};",
        f"for (int64_t k = 0; k < j; k++) EACH MY(d) -= {at(low, 'j', 'k')} * {at(low, 'j', 'k')};",
        f"EACH {info.at(nest.index)} = !(MY(d) > 0) && !{info.at(nest.index)} ? j + 1 : {info.at(nest.index)};",
        f"EACH {at(low, 'j', 'j')} = sqrt(MY(d));",
        f"EACH MY(inverse) = 1 / {at(low, 'j', 'j')};",
        f"for (int64_t i = 0; i < j; i++) EACH {at(low, 'i', 'j')} = 0;",
        f"for (int64_t i = j + 1; i < {n}; i++)",
        "{ double OF(s);",
        f"EACH MY(s) = {at(a, 'i', 'j')};",
        f"for (int64_t k = 0; k < j; k++) EACH MY(s) -= {at(low, 'i', 'k')} * {at(low, 'j', 'k')};",
        f"EACH {at(low, 'i', 'j')} = MY(s) * MY(inverse); }}",
        "}",
    ]
    writer.emit(nest.around(body))
    writer.work += prod(source.shape[:-2]) * n**3 // 3
    return factor, info


def _solve_triangular(writer: Writer, node: Node) -> Value:
    """X of A X = B (or of X A = B) for triangular A, substitution row by row."""
    options = {"left": True, "unitriangular": False, **node.kwargs}
    shape = writer.shape(node)
    a = writer.stored(node.args[0])  # type: ignore[arg-type]
    b = writer.stored(node.args[1]).expanded(shape)  # type: ignore[arg-type]
    a = a.expanded((*shape[:-2], *a.shape[-2:]))
    out, upper = writer.buffer(shape, writer.dtype(node)), bool(options["upper"])
    if options["left"]:
        _substitute(writer, a, b, out, upper, bool(options["unitriangular"]))
    else:
        _substitute(writer, transposed(a), transposed(b), transposed(out), not upper, bool(options["unitriangular"]))
    return out


def _substitute(writer: Writer, a: View, b: View, x: View, upper: bool, unit: bool) -> None:
    n, m = x.shape[-2:]
    nest = plain_nest(x.shape[:-2])

    def at(view: View, *index: str) -> str:
        return view.at([*nest.index, *index])

    row = f"int64_t i = {n - 1} - r;" if upper else "int64_t i = r;"
    span = f"int64_t k = i + 1; k < {n}; k++" if upper else "int64_t k = 0; k < i; k++"
    body = [
        f"for (int64_t r = 0; r < {n}; r++)",
        f"{{ {row}",
        "double OF(inverse);",
        f"for (int64_t c = 0; c < {m}; c++) EACH {at(x, 'i', 'c')} = {at(b, 'i', 'c')};",
        f"for ({span})",
        f"for (int64_t c = 0; c < {m}; c++) EACH {at(x, 'i', 'c')} -= {at(a, 'i', 'k')} * {at(x, 'k', 'c')};",
        f"EACH MY(inverse) = {'1' if unit else '1 / ' + at(a, 'i', 'i')};",
        f"for (int64_t c = 0; c < {m}; c++) EACH {at(x, 'i', 'c')} *= MY(inverse);",
        "}",
    ]
    writer.emit(nest.around(body))
    writer.work += prod(x.shape) * n


def _inverse(writer: Writer, node: Node) -> Value:
    """A⁻¹ and LAPACK's `info`."""
    source = writer.stored(node.args[0])  # type: ignore[arg-type]
    n = source.shape[-1]
    shape = (*source.shape[:-2], n, n)
    identity = writer.buffer(shape, source.dtype)
    writer.fill(identity, 0)
    diagonal = identity.like(lambda x: x.diagonal(dim1=-2, dim2=-1))
    assert diagonal is not None
    writer.fill(diagonal, 1)
    return _eliminated(writer, source, identity, node)


def _solve(writer: Writer, node: Node) -> Value:
    """X of A X = B; the factors that torch returns beside it are not given."""
    if node.kwargs.get("left", True) is not True or any(_reads(user) not in (0, 3) for user in node.users):
        raise Unsupported(f"{node.target} with options")
    a, b = (writer.stored(argument) for argument in node.args[:2])  # type: ignore[arg-type]
    vector = len(b.shape) == 1 or b.shape == a.shape[:-1]
    if vector and len(a.shape) > 2 and len(b.shape) == len(a.shape):
        raise Unsupported(str(node.target))
    right = writer.store(formula(b))
    result, info = _eliminated(writer, a, _with_axis(right, len(right.shape)) if vector else right, node)
    return replace(result, shape=right.shape, strides=right.strides) if vector else result, info, info, info


def _reads(user: Node) -> int:
    """Which part of a tuple a `getitem` takes."""
    part = user.args[1]
    return part if isinstance(part, int) else -1


def _eliminated(writer: Writer, a: View, right: View, node: Node) -> tuple[View, View]:
    """Gaussian elimination with partial pivoting; `right` becomes the solution."""
    matrix = writer.store(formula(a))
    batch, n, m = matrix.shape[:-2], matrix.shape[-1], right.shape[-1]
    info = writer.buffer(batch, writer.values[node][-1].dtype)
    nest = plain_nest(batch)

    def at(view: View, *index: str) -> str:
        return view.at([*nest.index, *index])

    swap = "double other = {0}; {0} = {1}; {1} = other;"
    body = [  # pivots differ from lane to lane
        "int64_t failed = 0;",
        f"for (int64_t k = 0; k < {n}; k++)",
        "{ int64_t p = k;",
        f"for (int64_t i = k + 1; i < {n}; i++) if (fabs({at(matrix, 'i', 'k')}) > fabs({at(matrix, 'p', 'k')})) p = i;",
        f"if ({at(matrix, 'p', 'k')} == 0 && !failed) failed = k + 1;",
        f"for (int64_t j = k; j < {n}; j++) {{ {swap.format(at(matrix, 'k', 'j'), at(matrix, 'p', 'j'))} }}",
        f"for (int64_t j = 0; j < {m}; j++) {{ {swap.format(at(right, 'k', 'j'), at(right, 'p', 'j'))} }}",
        f"for (int64_t i = k + 1; i < {n}; i++)",
        f"{{ double f = {at(matrix, 'i', 'k')} / {at(matrix, 'k', 'k')};",
        f"for (int64_t j = k + 1; j < {n}; j++) {at(matrix, 'i', 'j')} -= f * {at(matrix, 'k', 'j')};",
        f"for (int64_t j = 0; j < {m}; j++) {at(right, 'i', 'j')} -= f * {at(right, 'k', 'j')}; }}",
        "}",
        f"{info.at(nest.index)} = failed;",
    ]
    writer.emit(nest.each(body))
    _substitute(writer, matrix, right, right, True, False)
    writer.work += prod(batch) * n * n * (n + m)
    return right, info


LINEAR: dict[str, Lowering] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), _product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _add_product),
    "linalg_cholesky_ex": _cholesky,
    "linalg_solve_triangular": _solve_triangular,
    "linalg_inv_ex": _inverse,
    "_linalg_solve_ex": _solve,
}
