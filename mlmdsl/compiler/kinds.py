"""Comprehensions whose items differ in form by the data: those of each kind together, then in the author's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function
from mlmdsl.compiler.context import Carried, Context, Divided
from mlmdsl.compiler.indexing import WHOLE, Position, gather
from mlmdsl.compiler.iterables import Places, count_of, known_item, some_of
from mlmdsl.compiler.iteration import walk_axis
from mlmdsl.compiler.operators import lifted
from mlmdsl.compiler.parts import MOST_ONE_BY_ONE, kinds_of, numbers_tensor
from mlmdsl.compiler.values import Nested, Rows, Tensor, Value
from mlmdsl.language import tree
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.types import Axis

Body = Callable[[Sequence[Value]], Value]
Comprehend = Callable[[Context, Sequence[tuple[str, Value]], Body, tree.Node], Value]


def by_kinds(
    cx: Context, name: str, iterable: Value, body: Body, divided: Divided, comprehend: Comprehend, node: tree.Node
) -> Value:
    """The items of each kind as a comprehension of their own, joined; else the items one by one.

    Raises:
        Carried: neither can be done.
    """
    kinds = kinds_of(divided.keys)
    if len(kinds) <= _MOST_KINDS:
        try:
            with cx.attempt():
                parts = [comprehend(cx, [(name, some_of(cx, iterable, places, node))], body, node) for places in kinds]
                return _joined(cx, name, parts, kinds, node)
        except Divided:
            raise
        except Carried:
            pass
    return one_by_one(cx, iterable, body, node)


_MOST_KINDS = 2_000


def _joined(cx: Context, name: str, parts: Sequence[Value], kinds: Sequence[Places], node: tree.Node) -> Value:
    """The items of all kinds in the order of the iterable."""
    tensors = [lifted(part.item, (part.axis,)) if isinstance(part, Nested) else part for part in parts]
    if not all(isinstance(part, Tensor) and part.rank in (1, 2) for part in tensors):
        raise Carried
    if len({part.rank for part in cast("list[Tensor]", tensors)}) > 1:
        raise Carried
    if len({part.type.axes[1].size for part in cast("list[Tensor]", tensors) if part.rank == 2}) > 1:
        raise Carried
    joined = cast(Tensor, call_function(cx, FUNCTIONS["vcat"], tensors, {}, False, node))
    order = np.argsort(np.concatenate(kinds)).astype(np.int64) + 1
    places = numbers_tensor(order, (Axis(cx.fresh(f"{name}_items"), int(order.size)),))
    position = Position(ir.Pick(places.expr), places.known)
    if joined.rank == 1:
        return gather(cx, joined, [position], node)
    loop, item = walk_axis(cx, name, Rows(gather(cx, joined, [position, WHOLE], node), 0), node)
    return Nested(cast(Tensor, item), loop.axis)


def one_by_one(cx: Context, iterable: Value, body: Body, node: tree.Node, condition: Body | None = None) -> Value:
    """The items as a tuple, or a vector where all are numbers; those for which the condition holds."""
    count = count_of(cx, iterable, node)
    if count is None or cx.loops:
        raise Carried
    if count > MOST_ONE_BY_ONE:
        cx.fail(node, f"the items of this comprehension differ in form, and it has {count:,} of them",
                f"at most {MOST_ONE_BY_ONE:,} items are computed one by one")  # fmt: skip
    from mlmdsl.compiler.comprehensions import gathered

    items = [known_item(cx, iterable, place, node) for place in range(count)]
    if condition is not None:
        tests = [getattr(condition([item]), "known", None) for item in items]
        if any(not isinstance(test, bool) for test in tests):
            cx.fail(node, "which items this comprehension has is not known from the data")
        items = [item for item, test in zip(items, tests, strict=True) if test]
    return gathered(cx, [body([item]) for item in items], node)
