"""Operations on parts: views, reductions, scans, joining and placing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any

import torch
from torch.fx import Node

from mlmdsl.inference.native.layout import Formula, Value, View, formula, fused, plain_nest, summed
from mlmdsl.inference.native.lower import Lowering, Unsupported, Writer, literal

# ── views ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _view(writer: Writer, node: Node) -> Value:
    """An operation that moves no numbers; where the layout forbids that, they are copied first."""
    source = node.args[0]
    assert isinstance(source, Node)
    target: Any = node.target
    arguments, options = node.args[1:], node.kwargs
    held = writer.stored(source)
    moved = held.like(lambda x: target(x, *arguments, **options))
    if moved is None:
        held = writer.store(formula(held))
        moved = held.like(lambda x: target(x, *arguments, **options))
    if moved is None or moved.shape != writer.shape(node):
        raise Unsupported(str(node.target))
    return moved


def _reshape(writer: Writer, node: Node) -> Value:
    """`reshape` of any spelling: a view where that is possible, else a copy."""
    shape = writer.shape(node)
    held = writer.stored(node.args[0])  # type: ignore[arg-type]
    moved = held.like(lambda x: x.view(shape))
    if moved is not None:
        return moved
    return View.contiguous(writer.store(formula(held)).pointer, held.dtype, shape)


def _flip(writer: Writer, node: Node) -> Value:
    held = writer.stored(node.args[0])  # type: ignore[arg-type]
    for dim in node.args[1]:  # type: ignore[union-attr]
        place = int(dim) % len(held.shape)  # type: ignore[arg-type]
        held = held.narrowed(place, held.shape[place] - 1, held.shape[place], -1)
    return held


def _split(writer: Writer, node: Node) -> Value:
    """`split`, `split_with_sizes`, `unbind`, `chunk`: the parts are views."""
    source, target = node.args[0], node.target
    held = writer.stored(source)  # type: ignore[arg-type]
    parts = []
    for k in range(len(writer.values[node])):
        part = held.like(lambda x, k=k: target(x, *node.args[1:], **node.kwargs)[k])  # type: ignore[misc, operator]
        if part is None:
            raise Unsupported(str(target))
        parts.append(part)
    return tuple(parts)


# ── reductions and scans ─────────────────────────────────────────────────────────────────────────────────────────────


def _reduction(start: str, step: str, finish: str = "MY(total)", is_sum: bool = False) -> Lowering:
    """Fold all elements along some dimensions; `step` speaks of `total` and `x`, `finish` of `total` and `count`."""

    def lowered(writer: Writer, node: Node) -> Value:
        source = node.args[0]
        assert isinstance(source, Node)
        shape = writer.shape(source)
        dims = _reduced(node, len(shape))
        held = writer.operand(source, shape)
        out = writer.buffer(writer.shape(node), writer.dtype(node))
        kept = [k for k in range(len(shape)) if k not in dims]
        outer = View("", out.dtype, tuple(shape[k] for k in kept), _strides(out, kept, len(dims), shape))
        _fold(writer, replace(outer, pointer=out.pointer), held, kept, dims, (start, step, finish, is_sum))
        return out

    return lowered


def _strides(out: View, kept: Sequence[int], reduced: int, shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of the output along the dimensions kept, whether or not it keeps the others as ones."""
    return tuple(out.strides[k] for k in kept) if len(out.shape) == len(shape) and reduced else out.strides


def _fold(
    writer: Writer, out: View, held: Formula, kept: list[int], dims: list[int], form: tuple[str, str, str, bool]
) -> None:
    start, step, finish, is_sum = form
    outer = plain_nest(out.shape)
    inner = fused(
        [_along(leaf, dims) for leaf in held.leaves] or [_along(View.contiguous("", out.dtype, held.shape), dims)]
    )
    sizes = inner[0].shape
    names = [f"j{k}" for k in range(len(sizes))]

    def term(*index: str) -> str:
        leaves = []
        for leaf, part in zip(held.leaves, inner, strict=False):
            terms = [*zip(outer.index, _along(leaf, kept).strides, strict=True), *zip(index, part.strides, strict=True)]
            leaves.append(leaf.element(terms))
        return held.template.format(*leaves)

    loops = [f"for (int64_t {name} = 0; {name} < {size}; {name}++)" for name, size in zip(names, sizes, strict=True)]
    if is_sum and names:
        body = [*loops[:-1], *summed(names[-1], sizes[-1], lambda j: term(*names[:-1], j), writer.lanes)]
    else:
        body = [*loops, f"EACH {{ double x = {term(*names)}; {step} }}"]
    lines = ["double OF(total);", f"EACH MY(total) = {start};", *body]
    lines.append(f"EACH {out.at(outer.index)} = {finish.replace('count', str(prod(sizes)))};")
    writer.emit(outer.around(lines))
    writer.work += prod(held.shape) * (1 + held.template.count("("))


def _along(view: View, dims: Sequence[int]) -> View:
    return replace(view, shape=tuple(view.shape[k] for k in dims), strides=tuple(view.strides[k] for k in dims))


def _reduced(node: Node, rank: int) -> list[int]:
    """The dimensions that a reduction takes: its second argument, or all."""
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if given is None or given == []:
        return list(range(rank))
    if isinstance(given, int):
        given = [given]
    if node.target._schema.name == "aten::norm":  # type: ignore[union-attr]
        raise Unsupported(str(node.target))
    return sorted(int(dim) % max(rank, 1) for dim in given) if rank else []  # type: ignore[union-attr, arg-type]


def _scan(start: str, step: str) -> Lowering:
    def lowered(writer: Writer, node: Node) -> Value:
        source = node.args[0]
        held = writer.stored(source)  # type: ignore[arg-type]
        out = writer.buffer(writer.shape(node), writer.dtype(node))
        if not held.shape:
            writer.assign(out, formula(held))
            return out
        dim = int(node.args[1]) % len(held.shape)  # type: ignore[arg-type]
        rest = [k for k in range(len(held.shape)) if k != dim]
        outer = plain_nest([held.shape[k] for k in rest])
        index = ["j"] * len(held.shape)
        for k, name in zip(rest, outer.index, strict=True):
            index[k] = name
        body = [
            "double OF(total);",
            f"EACH MY(total) = {start};",
            f"for (int64_t j = 0; j < {held.shape[dim]}; j++)",
            f"EACH {{ double x = {held.at(index)}; {step} {out.at(index)} = MY(total); }}",
        ]
        writer.emit(outer.around(body))
        return out

    return lowered


# ── joining and placing ──────────────────────────────────────────────────────────────────────────────────────────────


def _cat(writer: Writer, node: Node) -> Value:
    parts = [part for part in node.args[0] if writer.shape(part) != (0,)]  # type: ignore[union-attr, arg-type]
    out = writer.buffer(writer.shape(node), writer.dtype(node))
    dim = int(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)) % len(out.shape)  # type: ignore[arg-type]
    start = 0
    for part in parts:
        shape = writer.shape(part)  # type: ignore[arg-type]
        writer.assign(out.narrowed(dim, start, shape[dim]), writer.operand(part, shape))
        start += shape[dim]
    return out


def _stack(writer: Writer, node: Node) -> Value:
    parts = list(node.args[0])  # type: ignore[arg-type]
    out = writer.buffer(writer.shape(node), writer.dtype(node))
    dim = int(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)) % len(out.shape)  # type: ignore[arg-type]
    for k, part in enumerate(parts):
        place = out.narrowed(dim, k, 1)
        shape = tuple(size for d, size in enumerate(place.shape) if d != dim)
        strides = tuple(stride for d, stride in enumerate(place.strides) if d != dim)
        writer.assign(replace(place, shape=shape, strides=strides), writer.operand(part, shape))
    return out


def _replaced(part: Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor]) -> Lowering:
    """A tensor with a part of it replaced."""

    def lowered(writer: Writer, node: Node) -> Value:
        source, given = node.args[:2]
        assert isinstance(source, Node) and isinstance(given, Node)
        out = writer.buffer(writer.shape(node), writer.dtype(node))
        writer.assign(out, writer.operand(source, out.shape))
        place = out.like(lambda x: part(x, (*node.args[2:], *node.kwargs.values())))
        assert place is not None
        writer.assign(place, writer.operand(given, place.shape))
        return out

    return lowered


def _pad(writer: Writer, node: Node) -> Value:
    """A border of one number; a negative width cuts off."""
    source, widths = node.args[0], list(node.args[1])  # type: ignore[arg-type]
    value = node.args[2] if len(node.args) > 2 else node.kwargs.get("value", 0)
    out = writer.buffer(writer.shape(node), writer.dtype(node))
    writer.fill(out, value)  # type: ignore[arg-type]
    place, part = out, writer.stored(source)  # type: ignore[arg-type]
    for k in range(len(widths) // 2):
        dim, before = len(out.shape) - 1 - k, int(widths[2 * k])
        cut = max(0, -before)
        size = min(part.shape[dim] - cut, out.shape[dim] - max(0, before))
        part = part.narrowed(dim, cut, size)
        place = place.narrowed(dim, max(0, before), size)
    writer.assign(place, part)
    return out


def _triangle(keeps: str) -> Lowering:
    def lowered(writer: Writer, node: Node) -> Value:
        held = writer.stored(node.args[0])  # type: ignore[arg-type]
        diagonal = node.args[1] if len(node.args) > 1 else 0
        out = writer.buffer(held.shape, held.dtype)
        nest = plain_nest(held.shape)
        row, column = nest.index[-2:]
        kept = f"({column} - {row} {keeps} {diagonal})"
        writer.emit(nest.each([f"{out.at(nest.index)} = {kept} ? {held.at(nest.index)} : 0;"]))
        return out

    return lowered


def _diag_embed(writer: Writer, node: Node) -> Value:
    if len(node.args) > 1 or node.kwargs:
        raise Unsupported(f"{node.target} with options")
    source = node.args[0]
    out = writer.buffer(writer.shape(node), writer.dtype(node))
    writer.fill(out, 0)
    place = out.like(lambda x: x.diagonal(dim1=-2, dim2=-1))
    assert place is not None and isinstance(source, Node)
    writer.assign(place, writer.operand(source, place.shape))
    return out


def _constant_like(writer: Writer, node: Node) -> Value:
    """`zeros_like` and its kin, where they were not folded away."""
    name = node.target._schema.name.removeprefix("aten::")  # type: ignore[union-attr]
    number: Any = 0.0 if "zeros" in name else 1.0 if "ones" in name else node.args[-1]
    shape = writer.shape(node)
    return writer.keep(Formula(literal(number), (), shape, writer.dtype(node)))


STRUCTURE: dict[str, Lowering] = {
    **dict.fromkeys(("t", "permute", "transpose", "expand", "unsqueeze", "squeeze", "detach", "alias"), _view),
    **dict.fromkeys(("slice", "select", "diagonal", "movedim", "unfold"), _view),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "flatten", "unflatten"), _reshape),
    **dict.fromkeys(("split", "split_with_sizes", "unbind", "chunk"), _split),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"), _constant_like),
    "flip": _flip,
    "sum": _reduction("0", "MY(total) += x;", is_sum=True),
    "mean": _reduction("0", "MY(total) += x;", "MY(total) / count", is_sum=True),
    "prod": _reduction("1", "MY(total) *= x;"),
    "amax": _reduction(literal(-inf), "MY(total) = larger(MY(total), x);"),
    "amin": _reduction(literal(inf), "MY(total) = smaller(MY(total), x);"),
    "any": _reduction("0", "if (x != 0) MY(total) = 1;"),
    "all": _reduction("1", "if (x == 0) MY(total) = 0;"),
    "cumsum": _scan("0", "MY(total) += x;"),
    "cumprod": _scan("1", "MY(total) *= x;"),
    "cat": _cat,
    "stack": _stack,
    "slice_scatter": _replaced(lambda x, a: torch.ops.aten.slice.Tensor(x, *a)),
    "select_scatter": _replaced(lambda x, a: torch.select(x, *a)),
    "diagonal_scatter": _replaced(lambda x, a: torch.diagonal(x, *a)),
    "constant_pad_nd": _pad,
    "tril": _triangle("<="),
    "triu": _triangle(">="),
    "diag_embed": _diag_embed,
}
