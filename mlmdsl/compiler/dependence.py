"""Which loops carry a value from one iteration to the next: read off the tree, before anything is lowered.

A loop's iterations are independent if every array written in it is written and read at one and the same index, which no
two iterations share, and every plain name assigned in it is the iteration's own. The variable of a loop over a range has no
value twice; that of a loop over values only where the data show it. Non-Goal: clever cases (two halves of an array): those
run one iteration after another, and the answer is the same.
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
    node: tree.For,
    outer: frozenset[str],
    observed: frozenset[str],
    sums: frozenset[str] = frozenset(),
    distinct: frozenset[str] = frozenset(),
) -> bool:
    """Whether the iterations of a loop are independent.

    Args:
        outer: names that have a value before the loop.
        observed: names of data: `y[i] ~ …` writes nothing there.
        sums: names that the body only adds to: their order does not matter.
        distinct: the loop's variables that have no value twice.
    """
    accesses = _accesses(node, observed)
    variables = {target.id for iterator in node.iterators for target in iterator.targets}
    own = [name for name in accesses.assigned if name not in sums]
    if any(name in outer or name in accesses.read_first for name in own) or _rebinds(node.body, variables):
        return False
    own_names = variables | set(accesses.assigned)
    return all(
        name in sums or (name not in variables and is_one_place(name, accesses, distinct, own_names))
        for name in accesses.written
    )


def _accesses(node: tree.For, observed: frozenset[str]) -> Accesses:
    accesses = Accesses()
    for statement in node.body:
        _statement(statement, accesses, observed)
    return accesses


def _rebinds(node: object, names: set[str]) -> bool:
    """Whether something in a loop's body gives a name of the loop another meaning."""
    bound: tuple[tree.Name, ...] = ()
    if isinstance(node, tree.Iterator):
        bound = node.targets
    elif isinstance(node, tree.Lambda):
        bound = node.params
    elif isinstance(node, tree.Assign | tree.Tilde | tree.Track) and isinstance(node.target, tree.Name):
        bound = (node.target,)
    return any(name.id in names for name in bound) or any(_rebinds(child, names) for child in _children(node))


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


def sum_accumulators(node: tree.For, outer: frozenset[str], distinct: frozenset[str]) -> frozenset[str]:
    """Outer names that the body only adds to: their loop is a sum, and carries nothing else.

    Numbers (`total += f(i)`) and arrays (`n[g[i]] += f(i)`); an array each of whose elements one iteration alone reaches
    is not among them.
    """
    added: dict[str, int] = {}
    for name in _added_names(node.body):
        if name in outer:
            added[name] = added.get(name, 0) + 1
    mentions = [mention.id for statement in node.body for mention in names_in(statement)]
    sums = {name for name, count in added.items() if mentions.count(name) == count}
    return frozenset(sums - _apart(node, sums, distinct))


def _apart(node: tree.For, names: set[str], distinct: frozenset[str]) -> set[str]:
    """Arrays that the statements of a loop itself add to, not those of loops inside, at a place for each iteration."""
    accesses = _accesses(node, frozenset())
    own = {target.id for iterator in node.iterators for target in iterator.targets} | set(accesses.assigned)
    inner = set(_added_names(tuple(item for item in node.body if isinstance(item, tree.For))))
    return {
        name
        for name in names
        if name in accesses.written and name not in inner and is_one_place(name, accesses, distinct, own)
    }


def _added_names(body: tuple[tree.Statement, ...]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, tree.For):
            yield from _added_names(statement.body)
        elif isinstance(statement, tree.Assign) and statement.op in ("+", "-") and not statement.dotted:
            target = statement.target.base if isinstance(statement.target, tree.Index) else statement.target
            if isinstance(target, tree.Name):
                yield target.id


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


def stored_names(body: tuple[tree.Statement, ...]) -> frozenset[str]:
    """Names of arrays whose elements statements give new values."""
    found: set[str] = set()
    for statement in _all_statements(body):
        if isinstance(statement, tree.Assign | tree.Tilde):
            targets = statement.target.items if isinstance(statement.target, tree.Tuple) else (statement.target,)
            dotted = isinstance(statement, tree.Assign) and statement.dotted
            for target in targets:
                if isinstance(target, tree.Index) or dotted:
                    found |= set(_target_names(target))
    return frozenset(found)


def fresh_names(body: tuple[tree.Statement, ...]) -> frozenset[str]:
    """Names that statements give a value of their own: not elements of it, and not what another name stands for."""
    return frozenset(
        name
        for statement in _all_statements(body)
        if isinstance(statement, tree.Assign) and not statement.dotted and not isinstance(statement.value, tree.Name)
        for name in _whole_targets(statement.target)
    )


def rebound_names(body: tuple[tree.Statement, ...]) -> frozenset[str]:
    """Names that statements give another value as a whole."""
    return frozenset(
        name
        for statement in _all_statements(body)
        if isinstance(statement, tree.Assign) and not statement.dotted
        for name in _whole_targets(statement.target)
    )


def _whole_targets(target: tree.Expression) -> Iterator[str]:
    items = target.items if isinstance(target, tree.Tuple) else (target,)
    yield from (item.id for item in items if isinstance(item, tree.Name))


def _all_statements(body: tuple[tree.Statement, ...]) -> Iterator[tree.Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, tree.For):
            yield from _all_statements(statement.body)
        elif isinstance(statement, tree.If):
            for branch in statement.branches:
                yield from _all_statements(branch.body)
            yield from _all_statements(statement.otherwise)


def _target_names(target: tree.Expression) -> Iterator[str]:
    if isinstance(target, tree.Name):
        yield target.id
    elif isinstance(target, tree.Index | tree.Field):
        yield from _target_names(target.base)
    elif isinstance(target, tree.Tuple):
        for item in target.items:
            yield from _target_names(item)


def is_one_place(name: str, accesses: Accesses, distinct: frozenset[str], own: set[str]) -> bool:
    """Whether all writes and reads of an array are at one index, which no two iterations share.

    `own` are names that change with the iteration.
    """
    places = accesses.written[name]
    place = places[0]
    return (
        any(_is_injective(item, distinct, own) for item in place)
        and all(other == place for other in places)
        and all(other == place for other in accesses.read.get(name, []))
    )


def _is_injective(item: tree.Expression, distinct: frozenset[str], own: set[str]) -> bool:
    """Whether an index is a distinct variable of the loop, shifted by what stays the same."""
    if isinstance(item, tree.Name):
        return item.id in distinct
    if not isinstance(item, tree.Operator) or item.op not in ("+", "-") or len(item.operands) != 2:
        return False
    moving = [part for part in item.operands if _is_injective(part, distinct, own)]
    still = [part for part in item.operands if not any(mention.id in own for mention in names_in(part))]
    return len(moving) == len(still) == 1


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
