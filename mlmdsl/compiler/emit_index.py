"""Indexing as PyTorch writes it: from 0, slices where the index walks a loop or keeps a range, picks by index tensors."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlmdsl.compiler import ir
from mlmdsl.compiler.layout import Key, Placed, arranged, keys_of, permuted
from mlmdsl.compiler.python_text import Code, call, form, literal, slice_of, subscript
from mlmdsl.language.types import Axis

if TYPE_CHECKING:
    from mlmdsl.compiler.emit_expressions import Emitter


@dataclass(frozen=True)
class _Part:
    """One axis of the tensor that is indexed: code in the brackets, and the keys of what comes of it.

    `picks`: the code is a tensor of indices, whose keys these are; all such parts of an index select together.
    """

    code: Code
    keys: tuple[Key, ...]
    picks: bool = False


def index_code(em: Emitter, expr: ir.Gather) -> Code:
    """`x[…]`, its tensor laid out as the type of the result says."""
    parts = _parts(em, expr)
    if all(isinstance(part.code, type(slice_of(None, None))) and _is_whole(part.code) for part in parts):
        code, keys = em.code(expr.x), [key for part in parts for key in part.keys]
    else:
        code, keys = _subscripted(em, expr, parts)
    wanted = keys_of(expr.type)
    return permuted(code, [keys.index(key) for key in wanted])


def _is_whole(code: Code) -> bool:
    return getattr(code, "lower", 0) is None and getattr(code, "upper", 0) is None


def _subscripted(em: Emitter, expr: ir.Gather, parts: Sequence[_Part]) -> tuple[Code, list[Key]]:
    """The subscript, and the keys of its tensor in PyTorch's order."""
    picking = [position for position, part in enumerate(parts) if part.picks]
    joint = _joint_keys(em, expr, parts)
    items = [arranged(Placed(part.code, part.keys), joint) if part.picks else part.code for part in parts]
    while len(items) > 1 and _is_whole(items[-1]) and not parts[len(items) - 1].picks:
        items.pop()
    apart = len(picking) > 1 and picking[-1] - picking[0] + 1 != len(picking)
    keys: list[Key] = list(joint) if apart else []
    for position, part in enumerate(parts):
        if not part.picks:
            keys += part.keys
        elif not apart and position == picking[0]:
            keys += joint
    if any(_is_verified(item) for item in expr.index):
        return call(form("runtime.at"), em.code(expr.x), *map(_argument, items)), keys
    return subscript(em.code(expr.x), items), keys


def _is_verified(item: ir.IndexItem) -> bool:
    return not isinstance(item, ir.Keep) and item.verify


def _argument(code: Code) -> Code:
    """An item of a subscript as an argument of a call."""
    if not isinstance(code, ast.Slice):
        return code
    ends = [ast.Constant(None) if end is None else end for end in (code.lower, code.upper)]
    return call(form("slice"), *ends)


def _joint_keys(em: Emitter, expr: ir.Gather, parts: Sequence[_Part]) -> list[Key]:
    """The axes along which the picks run together: their loops, by nesting, then their array axes."""
    keys = [key for part in parts if part.picks for key in part.keys]
    loops = [axis.name for axis in expr.type.loops if axis.name in keys]
    return [*loops, *dict.fromkeys(key for key in keys if not isinstance(key, str))]


def _parts(em: Emitter, expr: ir.Gather) -> list[_Part]:
    x, items = expr.x, expr.index
    picked = {axis.name for item in items if isinstance(item, ir.Pick) for axis in item.index.type.loops}
    walked = [item.loop.name for item in items if isinstance(item, ir.Slice) and item.loop is not None]
    shared = picked & {axis.name for axis in x.type.loops}
    parts = [_loop_part(em, axis, axis.name in shared or axis.name in walked) for axis in x.type.loops]
    together = picked | {name for name in walked if walked.count(name) > 1 or name in {a.name for a in x.type.loops}}
    position = 0
    for axis, item in zip(x.type.axes, items, strict=True):
        part, position = _item_part(em, axis, item, together, position)
        parts.append(part)
    return parts


def _loop_part(em: Emitter, axis: Axis, picks: bool) -> _Part:
    """A loop axis that the indexed value has: kept, or walked together with the indices that have it too."""
    if picks:
        return _Part(em.arange(em.size(axis)), (axis.name,), picks=True)
    return _Part(slice_of(None, None), (axis.name,))


def _item_part(em: Emitter, axis: Axis, item: ir.IndexItem, together: set[str], position: int) -> tuple[_Part, int]:
    """One item, given the position of the next array axis of the result."""
    if isinstance(item, ir.Keep):
        return _Part(slice_of(None, None), (position,)), position + 1
    if isinstance(item, ir.Slice):
        if item.loop is None:
            return _Part(slice_of(zero_based(em, item.start), em.integer(item.stop)), (position,)), position + 1
        return _walk_part(em, axis, item, item.loop, together), position
    if item.index.type.element == "bool":
        return _Part(em.code(item.index), (position,), picks=True), position + 1
    rank = item.index.type.rank
    code = zero_based(em, item.index)
    if item.index.type.is_scalar:
        return _Part(code, ()), position
    keys = (*(loop.name for loop in item.index.type.loops), *range(position, position + rank))
    return _Part(code, keys, picks=True), position + rank


def _walk_part(em: Emitter, axis: Axis, item: ir.Slice, loop: Axis, together: set[str]) -> _Part:
    """An index that walks a loop: a slice along it."""
    first = item.start.value if isinstance(item.start, ir.Const) else None
    if loop.name in together:
        start = em.arange(em.size(loop))
        code = start if first == 1 else form("{0} + {1}", zero_based(em, item.start), start)
        return _Part(code, (loop.name,), picks=True)
    if first == 1 and loop.size == axis.size:
        return _Part(slice_of(None, None), (loop.name,))
    start = zero_based(em, item.start)
    size = em.size(loop)
    return _Part(slice_of(None if first == 1 else start, sum_code(start, size)), (loop.name,))


def sum_code(start: Code, size: Code) -> Code:
    """`start + size`, folded where the numbers are known."""
    from mlmdsl.compiler.emit_expressions import plus

    number = getattr(start, "value", None)
    return plus(size, number) if isinstance(number, int) else form("{0} + {1}", start, size)


def zero_based(em: Emitter, expr: ir.Expr) -> Code:
    """An index counted from 0."""
    from mlmdsl.compiler.emit_expressions import plus

    if expr.type.is_scalar and not em.is_python(expr) and ir.is_data(expr):
        return plus(form("int({0})", em.code(expr)), -1)
    if em.is_python(expr) and isinstance(expr, ir.Const):
        return literal(int(expr.value) - 1)
    return plus(em.long(expr), -1)
