"""Function calls as Python: the PyTorch form of the function's row, or a rule for those without one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import key_of
from mlmdsl.compiler.layout import Key, Placed, arranged, keys_of
from mlmdsl.compiler.python_text import Code, call, form, literal
from mlmdsl.language.functions import FUNCTIONS, Function

if TYPE_CHECKING:
    from mlmdsl.compiler.emit_expressions import Emitter


def call_code(em: Emitter, expr: ir.Call) -> Code:
    """The code of a call."""
    rule = _RULES.get(expr.function)
    if rule is not None:
        return rule(em, expr)
    row = FUNCTIONS[expr.function]
    if row.kind == "elementwise":
        return _elementwise(em, expr, row)
    if row.kind == "reduce":
        return _reduce(em, expr, row)
    if row.kind == "vector":
        return _vector(em, expr, row)
    return form(row.torch, *(em.tensor(arg) for arg in expr.args))


def _elementwise(em: Emitter, expr: ir.Call, row: Function) -> Code:
    wanted = keys_of(expr.type)
    if row.name == "ifelse":
        return _choice(em, expr)
    codes = []
    for position, arg in enumerate(expr.args):
        code = em.code(arg) if row.name == "clamp" and position and em.is_python(arg) else em.tensor(arg)
        codes.append(arranged(Placed(code, keys_of(arg.type)), wanted))
    if row.name in ("max", "min") and len(codes) > 2:
        result = codes[0]
        for code in codes[1:]:
            result = form(row.torch, result, code)
        return result
    return form(row.torch, *codes)


def _choice(em: Emitter, expr: ir.Call) -> Code:
    wanted = keys_of(expr.type)
    condition, then, otherwise = expr.args
    if em.is_python(condition) or (condition.type.is_scalar and ir.is_data(condition)):
        return form("{1} if {0} else {2}", em.code(condition), *(_spread(em, side, expr) for side in (then, otherwise)))
    sides = [arranged(Placed(em.tensor(side), keys_of(side.type)), wanted) for side in (then, otherwise)]
    return form("torch.where({0}, {1}, {2})", arranged(em.placed(condition), wanted), *sides)


def _spread(em: Emitter, side: ir.Expr, whole: ir.Call) -> Code:
    """One of two values as a tensor with all the axes that the other has too."""
    wanted, own = keys_of(whole.type), keys_of(side.type)
    code = arranged(Placed(em.tensor(side), own), wanted)
    if own == wanted:
        return code
    axes = (*whole.type.loops, *whole.type.axes)
    sizes = [literal(-1) if key in own else em.size(axis) for key, axis in zip(wanted, axes, strict=True)]
    return call(form("{0}.expand", code), *sizes)


def _reduce(em: Emitter, expr: ir.Call, row: Function) -> Code:
    x = expr.args[0]
    options = dict(expr.options)
    keep = bool(options.get("keep", False))
    axes = cast(tuple[int, ...], options.get("axes", tuple(range(x.type.rank))))
    whole = not x.type.loops and len(axes) == x.type.rank and not keep
    numbers = [literal(axis - x.type.rank) for axis in axes]
    some = numbers[0] if len(numbers) == 1 else ast.Tuple(numbers, ast.Load())
    stays = ", keepdim=True" if keep else ""
    template = row.torch.replace("{dims}", "" if whole else f"{{axes}}{stays}").replace("{keep}", stays)
    normalize = literal(bool(options.get("normalize", True)))
    exact = row.name in ("any", "all", "count") or (row.element == "same" and expr.type.element == "int")
    x_code = em.code(x) if exact else em.real(x)
    rest = [em.code(arg) if em.is_python(arg) else em.tensor(arg) for arg in expr.args[1:]]
    return form(template, x_code, *rest, axes=some, normalize=normalize)


def _vector(em: Emitter, expr: ir.Call, row: Function) -> Code:
    options = dict(expr.options)
    template = row.torch
    if "axes" in options:
        axis = cast(tuple[int, ...], options["axes"])[0] - expr.type.rank
        template = template.replace("-1", "{last}") if row.name in ("cumsum", "cumprod") else template
        return form(template, em.real(expr.args[0]), last=literal(axis))
    last = -expr.type.rank if row.name in ("center", "standardize", "zscore") else -1
    return form(template, em.real(expr.args[0]), last=literal(last), rev=literal(bool(options.get("rev", False))))


# ── rules of their own ───────────────────────────────────────────────────────────────────────────────────────────────


def _size(em: Emitter, expr: ir.Call) -> Code:
    x = expr.args[0]
    position = cast(int, dict(expr.options)["axis"])
    axis = x.type.axes[position]
    if isinstance(x, ir.Ref) and x.type.loops:
        return form("{0}.shape[{1}]", em.code(x), literal(position - x.type.rank))
    if isinstance(x, ir.Ref):
        return em.size_of(em.code(x), x.type.rank, position)
    told = em.told_size(axis) if em.sizes.get(key_of(axis)) != expr else None
    if told is not None:
        return told
    if x.type.loops:
        return form("{0}.shape[{1}]", em.code(x), literal(position - x.type.rank))
    return literal(axis.size) if isinstance(axis.size, int) else em.size_of(em.code(x), x.type.rank, position)


def _length(em: Emitter, expr: ir.Call) -> Code:
    x = expr.args[0]
    counted = isinstance(x, ir.Call) and x.function == "unique"
    return form("len({0})", _levels(em, cast(ir.Call, x)) if counted else em.code(x))


def _unique(em: Emitter, expr: ir.Call) -> Code:
    return form("runtime.distinct({0})", em.code(expr.args[0]))


def _levels(em: Emitter, expr: ir.Call) -> Code:
    """The distinct values in order."""
    return form("{0}.unique()", em.code(expr.args[0]))


def _range_length(em: Emitter, expr: ir.Call) -> Code:
    from mlmdsl.compiler.emit_expressions import range_code

    return form("len({0})", range_code(em, *expr.args))


def _range(em: Emitter, expr: ir.Call) -> Code:
    from mlmdsl.compiler.emit_expressions import range_code

    start, stop, step = expr.args
    if expr.type.element != "int":
        return form(
            "real({0}) + real({1}) * {2}",
            em.code(start),
            em.code(step),
            em.arange(form("int(({2} - {0}) / {1} + 1e-10) + 1", *map(em.code, (start, step, stop)))),
        )
    within = range_code(em, start, stop, step)
    assert isinstance(within, ast.Call)
    return em.arange(*within.args)


def _linspace(em: Emitter, expr: ir.Call) -> Code:
    made = call(form("torch.linspace"), em.code(expr.args[0]), em.code(expr.args[1]), em.integer(expr.args[2]))
    cast(ast.Call, made).keywords.append(ast.keyword(None, form("REAL")))
    return made


def _ismissing(em: Emitter, expr: ir.Call) -> Code:
    """Whether data are missing that are not there."""
    from mlmdsl.compiler.emit_expressions import UnknownData

    raise UnknownData("which entries are missing")


def _constant_array(em: Emitter, expr: ir.Call) -> Code:
    function = {"trues": "ones", "falses": "zeros"}.get(expr.function, expr.function)
    made = em.constant_array(function, expr.type.axes)
    return form("{0}.bool()", made) if expr.function in ("trues", "falses") else made


def _eye(em: Emitter, expr: ir.Call) -> Code:
    return em.constant_array("eye", expr.type.axes[:1])


def _fill(em: Emitter, expr: ir.Call) -> Code:
    value = expr.args[0]
    sizes = [em.size(axis) for axis in expr.type.axes]
    if em.is_python(value):
        made = call(form("torch.full"), ast.Tuple(sizes, ast.Load()), em.code(value))
        cast(ast.Call, made).keywords.append(ast.keyword(None, form("REAL")))
        return made
    loops = len(expr.type.loops)
    code = arranged(em.placed(value), [*(axis.name for axis in expr.type.loops), *([None] * len(sizes))])
    return call(form("{0}.expand", code), *([literal(-1)] * loops), *sizes)


def _hcat(em: Emitter, expr: ir.Call) -> Code:
    rows = expr.type.axes[0]
    columns = [_along_loops(em, part, _column(em, part, em.size(rows), expr), expr) for part in expr.args]
    if all(part.type.rank == 1 for part in expr.args) and not expr.type.loops:
        return form("torch.stack({0}, -1)", ast.List([em.real(part) for part in expr.args], ast.Load()))
    return form("torch.cat({0}, -1)", ast.List(columns, ast.Load()))


def _column(em: Emitter, part: ir.Expr, rows: Code, whole: ir.Call) -> Code:
    code = em.tensor(part)
    if part.type.rank == 2:
        return code
    if part.type.rank == 1:
        return form("{0}[..., None]", code)
    return form("{0}.expand({1}, 1)", code, rows)


def _vcat(em: Emitter, expr: ir.Call) -> Code:
    axis = literal(-expr.type.rank)
    items = [em.tensor(part) if part.type.rank else form("{0}[..., None]", em.tensor(part)) for part in expr.args]
    items = [_along_loops(em, part, code, expr) for part, code in zip(expr.args, items, strict=True)]
    return form("torch.cat({0}, {1})", ast.List(items, ast.Load()), axis)


def _along_loops(em: Emitter, part: ir.Expr, code: Code, whole: ir.Call) -> Code:
    """A part of a concatenation, expanded along the loops that it does not vary along but the others do."""
    have = {axis.name for axis in part.type.loops}
    if all(axis.name in have for axis in whole.type.loops):
        return code
    rank = whole.type.rank
    keys: list[Key] = [*(axis.name for axis in part.type.loops), *range(rank)]
    code = arranged(Placed(code, tuple(keys)), [*(axis.name for axis in whole.type.loops), *range(rank)])
    sizes = [literal(-1) if axis.name in have else em.size(axis) for axis in whole.type.loops]
    return call(form("{0}.expand", code), *sizes, *([literal(-1)] * rank))


def _vec(em: Emitter, expr: ir.Call) -> Code:
    x = expr.args[0]
    code = em.code(x)
    turned = (
        form("{0}.mT", code)
        if x.type.rank == 2
        else form("{0}.movedim({1}, {2})", code, _axes(range(-x.type.rank, 0)), _axes(range(-1, -x.type.rank - 1, -1)))
    )
    return form("{0}.flatten({1})", turned, literal(-x.type.rank))


def _axes(numbers: range) -> Code:
    return ast.Tuple([literal(number) for number in numbers], ast.Load())


def _reshape(em: Emitter, expr: ir.Call) -> Code:
    """Julia fills column by column: reversed axes, filled row by row, reversed again."""
    x, sizes = expr.args[0], [em.integer(size) for size in expr.args[1:]]
    flat = em.code(x) if x.type.rank == 1 else _vec(em, ir.Call("vec", (x,), x.type))
    leading = [literal(-1)] if expr.type.loops else []
    if len(sizes) == 1:
        return flat
    if not leading:
        made = call(form("{0}.reshape", flat), *reversed(sizes))
    else:
        made = call(form("{0}.unflatten", flat), literal(-1), ast.Tuple(list(reversed(sizes)), ast.Load()))
    if len(sizes) == 2:
        return form("{0}.mT" if leading else "{0}.T", made)
    return form("{0}.movedim({1}, {2})", made, _axes(range(-len(sizes), 0)), _axes(range(-1, -len(sizes) - 1, -1)))


def _repeat(em: Emitter, expr: ir.Call) -> Code:
    x, count = em.code(expr.args[0]), em.integer(expr.args[1])
    if dict(expr.options)["inner"]:
        return form("{0}.repeat_interleave({1}, -1)", x, count)
    if expr.type.loops:
        return call(form("{0}.repeat", x), *([literal(1)] * len(expr.type.loops)), count)
    return form("{0}.repeat({1})", x, count)


def _row(em: Emitter, expr: ir.Call) -> Code:
    return form("{0}[..., None, :]" if expr.type.loops else "{0}[None, :]", em.real(expr.args[0]))


def _solve(em: Emitter, expr: ir.Call) -> Code:
    a, b = expr.args
    if b.type.rank == 1 and expr.type.loops:
        wanted = [*(axis.name for axis in expr.type.loops), 0, None]
        return form(
            "torch.linalg.solve({0}, {1})[..., 0]",
            em.tensor(a),
            arranged(Placed(em.tensor(b), keys_of(b.type)), wanted),
        )
    return form("torch.linalg.solve({0}, {1})", em.tensor(a), em.tensor(b))


def _cholesky_solve(em: Emitter, expr: ir.Call) -> Code:
    factor, b = expr.args
    if b.type.rank == 1:
        return form("torch.cholesky_solve({1}[..., None], {0})[..., 0]", em.tensor(factor), em.tensor(b))
    return form("torch.cholesky_solve({1}, {0})", em.tensor(factor), em.tensor(b))


def _add_at(em: Emitter, expr: ir.Call) -> Code:
    """Terms summed into the elements of an array, or put there: term and places lie along the same axes."""
    from mlmdsl.compiler.emit_index import zero_based

    base, term, *places = expr.args
    function = "set_index" if expr.function == "set_at" else expr.function
    made = call(
        form(f"runtime.{function}"), em.tensor(base), em.tensor(term), *(zero_based(em, place) for place in places)
    )
    return form("{0}.bool()", made) if expr.type.element == "bool" else made


def _to_int(em: Emitter, expr: ir.Call) -> Code:
    x = expr.args[0]
    if em.is_python(x) or (x.type.is_scalar and ir.is_data(x)):
        return form("int({0})", em.code(x))
    return form("{0}.long()", em.tensor(x))


def _text(em: Emitter, expr: ir.Call) -> Code:
    return literal(cast(str, dict(expr.options)["text"]))


def _density(em: Emitter, expr: ir.Call) -> Code:
    from mlmdsl.compiler.emit_distributions import density_code

    return density_code(em, expr)


def _covariance(em: Emitter, expr: ir.Call) -> Code:
    function = "corrcoef" if expr.function == "cor" else "cov"
    if len(expr.args) == 2:
        pair = ast.List([em.tensor(arg) for arg in expr.args], ast.Load())
        return form(f"torch.{function}(torch.stack({{0}}))[0, 1]", pair)
    return form(f"torch.{function}({{0}}.T)", em.tensor(expr.args[0]))


def _identity(em: Emitter, expr: ir.Call) -> Code:
    return em.code(expr.args[0])


_RULES: dict[str, Callable[[Emitter, ir.Call], Code]] = {
    "size": _size,
    "length": _length,
    "unique": _unique,
    "levels": _levels,
    "range_length": _range_length,
    "range": _range,
    "ismissing": _ismissing,
    "linspace": _linspace,
    "zeros": _constant_array,
    "ones": _constant_array,
    "trues": _constant_array,
    "falses": _constant_array,
    "eye": _eye,
    "fill": _fill,
    "hcat": _hcat,
    "vcat": _vcat,
    "vec": _vec,
    "reshape": _reshape,
    "repeat": _repeat,
    "row": _row,
    "solve": _solve,
    "cholesky_solve": _cholesky_solve,
    "add_at": _add_at,
    "set_at": _add_at,
    "to_int": _to_int,
    "text": _text,
    **dict.fromkeys(("logpdf", "cdf", "ccdf", "logcdf", "logccdf", "quantile_of"), _density),
    "cor": _covariance,
    "cov": _covariance,
    "identity": _identity,
    "float": _identity,
    "matrix_inv": lambda em, expr: form("torch.linalg.inv({0})", em.tensor(expr.args[0])),
    "qr_Q": lambda em, expr: form("torch.linalg.qr({0}).Q", em.tensor(expr.args[0])),
    "qr_R": lambda em, expr: form("torch.linalg.qr({0}).R", em.tensor(expr.args[0])),
    "sign_of_det": lambda em, expr: form("torch.linalg.slogdet({0}).sign", em.tensor(expr.args[0])),
    "skipmissing": lambda em, expr: form("{0}[~{0}.isnan()]", em.code(expr.args[0])),
}
