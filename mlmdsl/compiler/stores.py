"""What may be stored where: Julia's rules for `x[…] = e`, whose breach is an error there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.elementwise import elementwise
from mlmdsl.compiler.values import Tensor, describe
from mlmdsl.language import tree
from mlmdsl.language.types import Array


def element_of(base: Tensor) -> ir.Element:
    """What an array holds once something is stored in it: what it held, but reals where that was neither numbers nor truths."""
    return base.type.element if base.type.element in ("int", "bool") else "real"


def verify_stored(cx: Context, base: Tensor, items: Sequence[ir.IndexItem], value: Tensor, node: tree.Assign) -> None:
    """Refuse what has not the shape of the part of an array that it is stored in, or what its elements cannot be."""
    many = any(not isinstance(item, ir.Pick) and getattr(item, "loop", None) is None for item in items)
    many = many or any(isinstance(item, ir.Pick) and item.index.type.rank for item in items)
    if many and not value.rank and not node.dotted:
        cx.fail(node, "one number is stored in many places", "write `.=` to store it in each")
    if node.dotted and not many and all(isinstance(item, ir.Pick | ir.Slice) for item in items):
        plain = f"{node.op or ''}="
        cx.fail(node, f"`.{plain}` stores into elements of an array, and this is one number", f"write `… {plain} …`")
    verify_whole(cx, base, value, node)
    _verify_shape(cx, base, items, value, node)


def verify_whole(cx: Context, base: Tensor, value: Tensor, node: tree.Assign) -> None:
    """Refuse to store what is no whole number in an array of whole numbers, or no truth value in one of these."""
    fits = {"int": ("int", "bool", "any"), "bool": ("bool", "any")}.get(base.type.element)
    if fits is None or value.type.element in fits or not base.rank:
        return
    numbers = np.asarray(value.known.values if isinstance(value.known, Array) else value.known)
    if value.known is not None and numbers.dtype.kind in "ifb" and bool(np.all(_as_held(base, numbers) == numbers)):
        return
    kind = "whole numbers" if base.type.element == "int" else "truth values"
    hint = "make the array of reals: `zeros(n)`, `fill(1.0, n)`, `float.(x)`"
    cx.fail(node, f"this array holds {kind}, and what is stored in it may be none", hint)


def _as_held(base: Tensor, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers as the elements of an array of whole numbers or truth values nearest to them."""
    whole: npt.NDArray[Any] = np.round(numbers)
    return whole if base.type.element == "int" else np.clip(whole, 0, 1)


def spread(cx: Context, target: Tensor, value: Tensor, node: tree.Node) -> Tensor:
    """A value as every element of an array: `x .= e` broadcasts e, and keeps the shape of x."""
    sizes = [axis.size for axis in target.type.axes]
    own = [axis.size for axis in value.type.axes]
    if value.rank > target.rank or any(
        isinstance(wanted, int) and isinstance(found, int) and found not in (1, wanted)
        for wanted, found in zip(sizes, own, strict=False)
    ):
        cx.fail(node, f"the shapes do not fit: {describe(value)} is stored in {describe(target)}")
    if sizes == own or not target.rank:
        return value
    zeros = Tensor(ir.Call("zeros", (), ir.Type("real", (), target.type.axes, 0, 0)))
    return elementwise(cx, "+", [zeros, value], True, node)


def _verify_shape(cx: Context, base: Tensor, items: Sequence[ir.IndexItem], value: Tensor, node: tree.Node) -> None:
    """Refuse an array that does not have the shape of the part it is stored in."""
    kept = [axis for axis, item in zip(base.type.axes, items, strict=True) if isinstance(item, ir.Keep)]
    if any(isinstance(item, ir.Slice) and item.loop is None for item in items) or not value.rank:
        return
    if any(isinstance(item, ir.Pick) and item.index.type.rank for item in items):
        return
    for place, own in zip(kept, value.type.axes, strict=False):
        if isinstance(place.size, int) and isinstance(own.size, int) and place.size != own.size:
            cx.fail(node, f"what is stored has length {own.size}, and its place has length {place.size}")
