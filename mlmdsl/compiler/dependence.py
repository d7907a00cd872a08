"""Which loops carry a value from one iteration to the next: read off the tree, before anything is lowered.

A loop's iterations are independent if every array written in it is written and read at one and the same index, which
contains the loop's variable, and every plain name assigned in it is the iteration's own. Non-Goal: clever cases (two
halves of an array, a permutation): those run one iteration after another, and the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlmdsl.language import tree


@dataclass
class Accesses:
    """How a loop's body uses names: index tuples of reads and writes (None for the whole), plain assignments in order."""

    written: dict[str, list[tuple[tree.Expression, ...]]] = field(default_factory=dict)
    read: dict[str, list[tuple[tree.Expression, ...] | None]] = field(default_factory=dict)
    assigned: list[str] = field(default_factory=list)
    read_first: set[str] = field(default_factory=set)


def is_independent(
    node: tree.For, outer: frozenset[str], observed: frozenset[str], sums: frozenset[str] = frozenset()
) -> bool:
    """Whether the iterations of a loop are independent.

    Args:
        outer: names that have a value before the loop.
        observed: names of data: `y[i] ~ …` writes nothing there.
        sums: names that the body only adds to: their order does not matter.
    """
    accesses = Accesses()
    variables = {target.id for iterator in node.iterators for target in iterator.targets}
    for statement in node.body:
        _statement(statement, accesses, observed)
    own = [name for name in accesses.assigned if name not in sums]
    if any(name in outer or name in accesses.read_first for name in own):
        return False
    needed = {iterator.targets[0].id for iterator in node.iterators}
    return all(_one_place(name, accesses, needed, variables) for name in accesses.written)


def drawn_names(body: tuple[tree.Statement, ...]) -> set[str]:
    """Names that some `~` gives a distribution."""
    found: set[str] = set()
    for statement in body:
        inner = statement.value if isinstance(statement, tree.Return) else statement
        if isinstance(inner, tree.Tilde):
            target = inner.target.base if isinstance(inner.target, tree.Index) else inner.target
            found |= {target.id} if isinstance(target, tree.Name) else set()
        elif isinstance(inner, tree.For):
            found |= drawn_names(inner.body)
        elif isinstance(inner, tree.If):
            found |= drawn_names(inner.otherwise).union(*(drawn_names(branch.body) for branch in inner.branches))
    return found


def sum_accumulators(node: tree.For, outer: frozenset[str]) -> frozenset[str]:
    """Outer names that the body only adds to (`total += f(i)`): their loop is a sum, and carries nothing else."""
    added: dict[str, int] = {}
    for name in _added_names(node.body):
        if name in outer:
            added[name] = added.get(name, 0) + 1
    mentions = [mention.id for statement in node.body for mention in names_in(statement)]
    return frozenset(name for name, count in added.items() if mentions.count(name) == count)


def _added_names(body: tuple[tree.Statement, ...]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, tree.For):
            yield from _added_names(statement.body)
        elif (
            isinstance(statement, tree.Assign)
            and statement.op in ("+", "-")
            and isinstance(statement.target, tree.Name)
        ):
            yield statement.target.id


def names_in(node: object) -> Iterator[tree.Name]:
    """Every name below a node."""
    if isinstance(node, tree.Name):
        yield node
    for child in _children(node):
        yield from names_in(child)


def assigned_names(body: tuple[tree.Statement, ...]) -> Iterator[str]:
    """The names that statements define or change."""
    for statement in body:
        if isinstance(statement, tree.For):
            yield from assigned_names(statement.body)
        elif isinstance(statement, tree.If):
            for branch in statement.branches:
                yield from assigned_names(branch.body)
            yield from assigned_names(statement.otherwise)
        elif isinstance(statement, tree.Return) and isinstance(statement.value, tree.Tilde | tree.Assign):
            yield from _target_names(statement.value.target)
        elif isinstance(statement, tree.Tilde | tree.Assign | tree.Track):
            yield from _target_names(statement.target)


def _target_names(target: tree.Expression) -> Iterator[str]:
    if isinstance(target, tree.Name):
        yield target.id
    elif isinstance(target, tree.Index | tree.Field):
        yield from _target_names(target.base)
    elif isinstance(target, tree.Tuple):
        for item in target.items:
            yield from _target_names(item)


def _one_place(name: str, accesses: Accesses, needed: set[str], variables: set[str]) -> bool:
    """Whether all writes and reads of an array are at one index that names every loop variable."""
    places = accesses.written[name]
    place = places[0]
    mentioned = {item.id for item in place if isinstance(item, tree.Name)}
    return (
        needed <= mentioned
        and all(other == place for other in places)
        and all(other == place for other in accesses.read.get(name, []))
        and name not in variables
    )


def _statement(node: tree.Statement, accesses: Accesses, observed: frozenset[str]) -> None:
    if isinstance(node, tree.For):
        for iterator in node.iterators:
            _reads(iterator.iterable, accesses)
        for inner in node.body:
            _statement(inner, accesses, observed)
    elif isinstance(node, tree.If):
        for branch in node.branches:
            _reads(branch.condition, accesses)
            for inner in branch.body:
                _statement(inner, accesses, observed)
        for inner in node.otherwise:
            _statement(inner, accesses, observed)
    elif isinstance(node, tree.Assign | tree.Track):
        _reads(node.value, accesses)
        if isinstance(node, tree.Assign) and node.op is not None:
            _reads(node.target, accesses)
        _writes(node.target, accesses, frozenset())
    elif isinstance(node, tree.Tilde):
        _reads(node.distribution, accesses)
        _writes(node.target, accesses, observed)
    elif isinstance(node, tree.Return):
        accesses.assigned.append("return")
        accesses.read_first.add("return")
    else:
        _reads(node.value, accesses)


def _writes(target: tree.Expression, accesses: Accesses, observed: frozenset[str]) -> None:
    if isinstance(target, tree.Tuple):
        for item in target.items:
            _writes(item, accesses, observed)
    elif isinstance(target, tree.Name) and target.id not in observed:
        accesses.assigned.append(target.id)
    elif isinstance(target, tree.Index) and isinstance(target.base, tree.Name):
        for item in target.indices:
            _reads(item, accesses)
        if target.base.id not in observed:
            accesses.written.setdefault(target.base.id, []).append(target.indices)


def _reads(node: object, accesses: Accesses) -> None:
    if isinstance(node, tree.Index) and isinstance(node.base, tree.Name):
        accesses.read.setdefault(node.base.id, []).append(node.indices)
        for item in node.indices:
            _reads(item, accesses)
        return
    if isinstance(node, tree.Name):
        accesses.read.setdefault(node.id, []).append(None)
        if node.id not in accesses.assigned:
            accesses.read_first.add(node.id)
    for child in _children(node):
        _reads(child, accesses)


def _children(node: object) -> Iterator[object]:
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, tree.Node):
        for name in node.__dataclass_fields__:
            value = getattr(node, name)
            if isinstance(value, tree.Node | tuple):
                yield value
