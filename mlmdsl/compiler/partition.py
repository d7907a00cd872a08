"""`for` loops in parts: the iterations of each kind as a loop of their own, or one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlmdsl.compiler.context import Carried, Context, Divided
from mlmdsl.compiler.iterables import count_of, known_item, some_of
from mlmdsl.compiler.iteration import bind_targets, scope_of
from mlmdsl.compiler.parts import MOST_ONE_BY_ONE, kinds_of
from mlmdsl.compiler.statements import lower_block
from mlmdsl.language import tree

MOST_STATEMENTS = 50_000
"""The most statements that lowering a loop one iteration after another may make."""

LowerFor = Callable[[Context, tree.For], None]


def lower_kinds(cx: Context, node: tree.For, divided: Divided, lower: LowerFor) -> bool:
    """The iterations of each kind as a loop of their own; whether that could be done."""
    iterator = node.iterators[0]
    iterable = cx.expr(iterator.iterable)
    name = tree.Name(id=f"some of those at {node.span.start}", span=iterator.iterable.span)
    part_of_loop = replace(node, iterators=(replace(iterator, iterable=name),))
    cx.parted += 1
    try:
        with cx.attempt():
            for places in kinds_of(divided.keys):
                before = set(cx.scope)
                with scope_of(cx, [name.id], [some_of(cx, iterable, places, iterator)]):
                    lower(cx, part_of_loop)
                _forget(cx, before)
    except Divided:
        raise
    except Carried:
        return False
    finally:
        cx.parted -= 1
    return True


def lower_each(cx: Context, node: tree.For) -> None:
    """A loop's body once for each iteration, the loop's variable being what it is there."""
    iterator = node.iterators[0]
    iterable = cx.expr(iterator.iterable)
    count = count_of(cx, iterable, iterator)
    if count is None:
        raise Carried
    if count > MOST_ONE_BY_ONE:
        cx.fail(
            iterator,
            f"this loop differs in form from one iteration to the next, and it has {count:,} of them",
            f"at most {MOST_ONE_BY_ONE:,} iterations are lowered one by one",
        )
    around, parted, first = cx.unrolled, cx.parted, len(cx.nodes)
    cx.parted = 0
    for place in range(count):
        cx.unrolled = (*around, place)
        before = set(cx.scope)
        names, values = bind_targets(cx, iterator, known_item(cx, iterable, place, iterator))
        with scope_of(cx, names, values):
            lower_block(cx, node.body, strict=True)
        _forget(cx, before)
        if len(cx.nodes) - first > MOST_STATEMENTS:
            cx.fail(node, f"this loop makes more than {MOST_STATEMENTS:,} statements, one iteration after another")
    cx.unrolled, cx.parted = around, parted


def _forget(cx: Context, before: set[str]) -> None:
    """A name that a loop's body defines is the iteration's own."""
    for name in set(cx.scope) - before - cx.drawn_names:
        del cx.scope[name]
