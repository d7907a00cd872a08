"""Arrays under several names: `w = z` is one array in Julia, and what is stored by one name is there by the other.

An array has a `home`; names that share it are changed together. Where a program cannot follow (a name given to an array
inside a loop in order, a view, a helper that changes its argument from inside a loop) the store is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from mlmdsl.compiler.context import Context
from mlmdsl.compiler.dependence import fresh_names, rebound_names, stored_names
from mlmdsl.compiler.values import (
    Closure,
    DiagonalMatrix,
    Enumerated,
    Home,
    Rows,
    RowVector,
    Tensor,
    TupleValue,
    Value,
    Zipped,
)
from mlmdsl.language import tree

Scope = dict[str, Value]


def at_home(value: Tensor) -> Tensor:
    """An array with a home of its own, where it has none yet; numbers have none."""
    return value if value.home is not None or not value.rank else replace(value, home=Home())


def apart(value: Tensor) -> Tensor:
    """The same numbers in another array."""
    return replace(value, home=None)


def viewed(value: Value, *bases: Value) -> Value:
    """A part of arrays that is none of its own: a view."""
    homes = tuple(base.home for base in bases if isinstance(base, Tensor) and base.home is not None)
    return replace(value, shares=(*value.shares, *homes)) if isinstance(value, Tensor) and value.rank else value


def drawn_array(cx: Context, value: Tensor) -> Tensor:
    """An array that a `~` gives its value, noted as such."""
    value = at_home(value)
    if value.home is not None:
        cx.parameters.add(value.home)
    return value


def change(cx: Context, name: str, new: Tensor, keep_levels: bool = False) -> None:
    """Give an array new elements, under every name that it has."""
    old = cx.scope.get(name)
    home = old.home if isinstance(old, Tensor) else None
    new = replace(new, home=home or Home(), levels=new.levels if keep_levels else None)
    cx.scope[name] = new
    if home is not None:
        rebind(cx, home, new)


def rebind(cx: Context, home: Home, new: Tensor) -> None:
    """Put a value in place of an array, wherever a name leads to it."""
    for scope in _scopes(cx):
        for name, value in list(scope.items()):
            scope[name] = _with(value, home, new)


def _scopes(cx: Context) -> Iterator[Scope]:
    yield cx.scope
    for scope, _ in cx.frames:
        yield scope


def _with(value: Value, home: Home, new: Tensor) -> Value:
    if isinstance(value, Tensor):
        return new if value.home is home else value
    if isinstance(value, TupleValue) and any(_leads(item, home) for item in value.items):
        return replace(value, items=tuple(_with(item, home, new) for item in value.items))
    if isinstance(value, RowVector) and value.vector.home is home and new.rank == 1:
        return RowVector(new)
    if isinstance(value, DiagonalMatrix) and value.diagonal.home is home and new.rank == 1:
        return DiagonalMatrix(new)
    if isinstance(value, Rows) and value.matrix.home is home and new.rank == 2:
        return replace(value, matrix=new)
    if isinstance(value, Enumerated) and _leads(value.iterable, home):
        return Enumerated(_with(value.iterable, home, new))
    if isinstance(value, Zipped) and any(_leads(part, home) for part in value.iterables):
        return Zipped(tuple(_with(part, home, new) for part in value.iterables))
    if isinstance(value, Closure) and value.scope is not None and any(_leads(v, home) for v in value.scope.values()):
        return replace(value, scope={key: _with(captured, home, new) for key, captured in value.scope.items()})
    return value


def _leads(value: Value, home: Home) -> bool:
    if isinstance(value, Tensor):
        return value.home is home
    if isinstance(value, TupleValue):
        return any(_leads(item, home) for item in value.items)
    parts = {RowVector: "vector", DiagonalMatrix: "diagonal", Rows: "matrix", Enumerated: "iterable"}
    part = parts.get(type(value))
    if part is not None:
        return _leads(cast(Value, getattr(value, part)), home)
    if isinstance(value, Zipped):
        return any(_leads(item, home) for item in value.iterables)
    return isinstance(value, Closure) and value.scope is not None and any(_leads(v, home) for v in value.scope.values())


def names_of(cx: Context, home: Home) -> list[str]:
    """The names that lead to an array, in all scopes."""
    return [name for scope in _scopes(cx) for name, value in scope.items() if _leads(value, home)]


def is_held(cx: Context, held: str, name: str) -> bool:
    """Whether a name of the program holds the author's variable, or its array under another name."""
    owner = cx.places.get(held)
    array, own = cx.scope.get(name), cx.scope.get(owner or "")
    one = isinstance(array, Tensor) and isinstance(own, Tensor) and array.home is own.home is not None
    return owner == name or one


def holders(cx: Context, held: str, but: str) -> list[Tensor]:
    """What other names hold a name of the program."""
    found = []
    for position, scope in enumerate(_scopes(cx)):
        for name, value in scope.items():
            if isinstance(value, Tensor) and getattr(value.expr, "name", None) == held and (position or name != but):
                found.append(value)
    return found


def verify_changeable(cx: Context, name: str, node: tree.Node) -> None:
    """Refuse a store that other names would see in Julia, and here would not."""
    value = cx.scope.get(name)
    if not isinstance(value, Tensor) or value.home is None:
        return
    if value.home in cx.parameters and name not in cx.drawn_names:
        _refuse(cx, node, f"`{name}` is another name for a parameter, which keeps its value", name)
    if value.shares:
        _refuse(cx, node, f"`{name}` is a view: what is stored in it is stored in the array behind it", name)
    for others in cx.copies:
        if value.home in others:
            partner = next(
                (n for home in others if home is not value.home for n in names_of(cx, home) if n != name), None
            )
            if partner is not None:
                _refuse(cx, node, f"`{name}` and `{partner}` are one array here", name)
    for scope in _scopes(cx):
        for other, held in scope.items():
            if isinstance(held, Tensor) and value.home in held.shares and other != name:
                _refuse(cx, node, f"`{other}` is a view of `{name}`, and would change with it", other)
    if any(in_order and any(_leads(held, value.home) for held in scope.values()) for scope, in_order in cx.frames):
        message = f"`{name}` is the caller's array, and this call stands in a loop, a branch or a comprehension"
        cx.fail(node, message, f"let the function make its own: `{name} = copy({name})`, and return it")


def verify_iterated(cx: Context, node: tree.For, iterable: Value) -> None:
    """Refuse a loop whose body changes and also replaces what it runs over, or stores into a part of it."""
    body, iterator = node.body, node.iterators[0]
    stored, rebound = stored_names(body), rebound_names(body)
    for target in iterator.targets:
        if target.id in stored - rebound:
            hint = f"write `{target.id} = copy({target.id})` first, or store by the index"
            cx.fail(target, f"`{target.id}` is a part of what this loop runs over, and its body stores into it", hint)
    changed = {_home_of(cx, name) for name in stored} - {None}
    for name in sorted(rebound):
        home = _home_of(cx, name)
        if home in changed and home is not None and _leads(iterable, home):
            hint = f"run over `copy({name})`"
            cx.fail(iterator.iterable, f"this loop runs over `{name}`, which its body changes and replaces", hint)


def _home_of(cx: Context, name: str) -> Home | None:
    value = cx.scope.get(name)
    return value.home if isinstance(value, Tensor) else None


def _refuse(cx: Context, node: tree.Node, message: str, name: str) -> None:
    cx.fail(node, message, f"make it an array of its own: `{name} = copy({name})`, or `copy(…)` where it is named")


def verify_named_in_order(cx: Context, name: str, home: Home, node: tree.Node) -> None:
    """Refuse a second name for an array inside a loop in order that stores into it."""
    names = {name, *names_of(cx, home)}
    for body in cx.bodies:
        changed = (names & stored_names(body)) - fresh_names(body)
        if changed:
            other = next(iter(sorted(names - {name})), name)
            message = f"`{name}` and `{other}` are one array from here on, and the loop stores into it"
            cx.fail(node, message, f"write `copy({other})`")


def moved(value: Value, arrays: Sequence[Tensor]) -> Value:
    """A value that leads to arrays as it is once these have changed."""
    for array in arrays:
        if array.home is not None:
            value = _with(value, array.home, array)
    return value


def shares_names(cx: Context, body: Sequence[tree.Statement], mentioned: set[str], iterable: Value) -> bool:
    """Whether a loop's body reaches an array that it stores into otherwise too: by another name, a function, the loop itself."""
    stored = stored_names(tuple(body))
    if not stored:
        return False
    homes = [home for name in stored if (home := _home_of(cx, name)) is not None]
    if len(set(homes)) < len(homes) or any(_leads(iterable, home) for home in homes):
        return True
    for name in mentioned - stored:
        value = cx.scope.get(name)
        if value is not None and any(_leads(value, home) for home in homes):
            return True
    return any(isinstance(cx.scope.get(name), Closure) and cx.scope[name].scope is not None for name in mentioned)  # type: ignore[union-attr]
