"""Generic walks over the tree: the children of a node, how deep a tree is, and `@.`, which dots all that it holds.

Only `check_depth` may meet a tree of any depth, so it keeps its own stack; what passes it is safe to recurse into.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from mlmdsl.language import tree

MAX_DEPTH = 128
"""How many nodes deep a tree may be: every pass may then recurse."""

AnyNode = TypeVar("AnyNode", bound=tree.Node)


def _parts(node: tree.Node) -> list[str]:
    """The names of a node's fields, but for the span."""
    return [name for name in node.__dataclass_fields__ if name != "span"]


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The nodes right below a node, in the author's order."""
    pending = [getattr(node, name) for name in reversed(_parts(node))]
    while pending:
        value = pending.pop()
        if isinstance(value, tree.Node):
            yield value
        elif isinstance(value, tuple):
            pending.extend(reversed(value))


def deepest(root: tree.Node) -> tree.Node | None:
    """The first node that stands deeper than MAX_DEPTH, or None."""
    pending = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            return node
        pending.extend((child, depth + 1) for child in children(node))
    return None


def dotted(node: AnyNode) -> AnyNode:
    """What `@. node` means: every operator, call and assignment in it with a dot; ranges are left as they are."""
    changes: dict[str, Any] = {name: _dotted_part(getattr(node, name)) for name in _parts(node)}
    match node:
        case tree.Comparison():
            changes["dotted"] = (True,) * len(node.ops)
        case tree.Call():
            changes |= {"dotted": True, "function": node.function}
        case tree.Operator() | tree.Logical() | tree.Not() | tree.Tilde() | tree.Assign():
            changes["dotted"] = True
    return dataclasses.replace(node, **changes)


def _dotted_part(value: object) -> object:
    """A field's value with its nodes dotted."""
    if isinstance(value, tree.Node):
        return dotted(value)
    return tuple(_dotted_part(item) for item in value) if isinstance(value, tuple) else value
