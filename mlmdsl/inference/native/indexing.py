"""Operations that read or write at places that are data: indexing, gathering, scattering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from mlmdsl.inference.native.layout import Value, View, plain_nest
from mlmdsl.inference.native.lower import Lowering, Unsupported, Writer, literal


def _indexed(writer: Writer, view: View, indices: Sequence[Any]) -> tuple[list[str], tuple[int, ...], list[str]]:
    """Index a view by tensors (or None): the statements that read the indices, the shape of the result, the view's index."""
    listed = [*indices, *[None] * (len(view.shape) - len(indices))]
    taken = [k for k, index in enumerate(listed) if index is not None]
    common = np.broadcast_shapes(*(writer.shape(listed[k]) for k in taken))
    adjacent = taken == list(range(taken[0], taken[-1] + 1))
    lead = taken[0] if adjacent else 0
    rest = [k for k in range(len(view.shape)) if k not in taken]
    before, after = [k for k in rest if k < lead], [k for k in rest if k >= lead]
    if not adjacent:
        before, after = [], rest
    shape = (*(view.shape[k] for k in before), *common, *(view.shape[k] for k in after))
    names = plain_nest(shape).index
    middle = names[len(before) : len(before) + len(common)]
    place = [""] * len(view.shape)
    for k, name in zip([*before, *after], [*names[: len(before)], *names[len(before) + len(common) :]], strict=True):
        place[k] = name
    lines = []
    for k in taken:
        index = writer.stored(listed[k])
        if index.dtype == torch.bool:
            raise Unsupported("an index that is a mask")
        lines.append(f"int64_t at{k} = {index.expanded(common).at(middle)};")
        lines.append(f"if (at{k} < 0) at{k} += {view.shape[k]};")
        place[k] = f"at{k}"
    return lines, shape, place


def _index(writer: Writer, node: Node) -> Value:
    held = writer.stored(node.args[0])  # type: ignore[arg-type]
    lines, shape, place = _indexed(writer, held, node.args[1])  # type: ignore[arg-type]
    out = writer.buffer(shape, held.dtype)
    nest = plain_nest(shape)
    writer.emit(nest.each([*lines, f"{out.at(nest.index)} = {held.at(place)};"]))
    return out


def _index_put(writer: Writer, node: Node) -> Value:
    source, indices, values = node.args[:3]
    adding = node.args[3] if len(node.args) > 3 else node.kwargs.get("accumulate", False)
    return _put(writer, source, list(indices), values, bool(adding))  # type: ignore[arg-type]


def _put(writer: Writer, source: Any, indices: list[Any], values: Any, adding: bool) -> Value:
    out = writer.own(source, [*indices, values])
    lines, whole, place = _indexed(writer, out, indices)
    nest = plain_nest(whole)
    given = writer.stored(values).expanded(whole).at(nest.index) if isinstance(values, Node) else literal(values)
    writer.emit(nest.each([*lines, f"{out.at(place)} {'+=' if adding else '='} {given};"]))
    return out


def _index_select(writer: Writer, node: Node) -> Value:
    held = writer.stored(node.args[0])  # type: ignore[arg-type]
    dim = int(node.args[1]) % len(held.shape)  # type: ignore[arg-type]
    lines, shape, place = _indexed(writer, held, [*[None] * dim, node.args[2]])
    out = writer.buffer(shape, held.dtype)
    nest = plain_nest(shape)
    writer.emit(nest.each([*lines, f"{out.at(nest.index)} = {held.at(place)};"]))
    return out


def _along(adding: bool) -> Lowering:
    """Values added to, or put in the place of, what lies at an index along one dimension."""

    def lowered(writer: Writer, node: Node) -> Value:
        if node.kwargs:
            raise Unsupported(f"{node.target} with options")
        source, dim, index, values = node.args
        rank = len(writer.shape(source))  # type: ignore[arg-type]
        return _put(writer, source, [*[None] * (int(dim) % rank), index], values, adding)  # type: ignore[arg-type]

    return lowered


def _gather(writer: Writer, node: Node) -> Value:
    held, index = writer.stored(node.args[0]), writer.stored(node.args[2])  # type: ignore[arg-type]
    dim = int(node.args[1]) % len(held.shape)  # type: ignore[arg-type]
    out = writer.buffer(writer.shape(node), held.dtype)
    nest = plain_nest(out.shape)
    place = [*nest.index[:dim], "at", *nest.index[dim + 1 :]]
    writer.emit(nest.each([f"int64_t at = {index.at(nest.index)};", f"{out.at(nest.index)} = {held.at(place)};"]))
    return out


def _scatter_add(writer: Writer, node: Node) -> Value:
    source, _, _, values = node.args
    index = writer.stored(node.args[2])  # type: ignore[arg-type]
    shape = writer.shape(source)  # type: ignore[arg-type]
    dim = int(node.args[1]) % len(shape)  # type: ignore[arg-type]
    out = writer.buffer(shape, writer.dtype(node))
    writer.assign(out, writer.operand(source, shape))
    given = writer.stored(values)  # type: ignore[arg-type]
    nest = plain_nest(index.shape)
    place = [*nest.index[:dim], "at", *nest.index[dim + 1 :]]
    writer.emit(nest.each([f"int64_t at = {index.at(nest.index)};", f"{out.at(place)} += {given.at(nest.index)};"]))
    return out


INDEXING: dict[str, Lowering] = {
    "index": _index,
    "index_put": _index_put,
    "index_select": _index_select,
    "index_add": _along(adding=True),
    "index_copy": _along(adding=False),
    "index_fill": _along(adding=False),
    "gather": _gather,
    "scatter_add": _scatter_add,
}
