"""Levels of columns: their codes from 1 on, the order that they have and who gave it, and 0/1 columns of them.

Levels of one column sort, as do those of columns that share theirs: numbers by value, text by code point, an ordered
categorical in its own order. `order` and `reference` say otherwise. What was sorted as text is *nominal*: its order means
nothing, and an ordered outcome of it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlmdsl.language import rows
from mlmdsl.language.errors import did_you_mean, listed
from mlmdsl.language.julia_values import (
    MAX_COLUMNS,
    JuliaError,
    Values,
    check_present,
    check_size,
    describe,
    make_array,
)
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Symbol, Value

_SHOWN = 20


def levels(*columns: Value, order: Value = None, reference: Value = None, shared: Value = False) -> Value:
    """`levels(c; order, reference)`: the 1-based level of each row, with a labelled axis named after the column.

    Only levels that occur count, and those that `order` names beside. `reference` is the level that comes first.
    `levels(a, b)`: of each combination that occurs, labelled `a:b`. `levels(a, b; shared=true)`: a tuple with the codes
    of each column, numbered by all the levels of both.

    Raises:
        JuliaError: no column, columns of different lengths, missing entries (with their rows), an order that lacks a
            level, a reference that does not occur.
    """
    if not columns:
        raise JuliaError("`levels` needs a column")
    if not isinstance(shared, bool):
        raise JuliaError(f"`shared` is true or false, found {describe(shared)}")
    checked = [_checked(column) for column in columns]
    if len(checked) == 1 or shared:
        numbered = _numbered(checked, order, reference)
        return numbered[0] if len(numbered) == 1 else numbered
    if order is not None or reference is not None:
        hint = (
            "`shared=true` numbers columns together, each with codes of its own; order each column for itself otherwise"
        )
        raise JuliaError("`levels` of several columns takes an order or reference only where they share it", hint)
    return _combinations([_numbered([column])[0] for column in checked])


def interaction(*columns: Value) -> Value:
    """`interaction(a, b)`: `levels(a, b)`."""
    if len(columns) < 2:
        raise JuliaError("`interaction` needs two columns or more", "the levels of one column are `levels(c)`")
    return levels(*columns)


def _checked(column: Value) -> Array:
    """A column without missing entries."""
    if not isinstance(column, Array) or column.ndim != 1:
        raise JuliaError(f"`levels` needs a column, found {describe(column)}")
    name = column.name or "c"
    filler = '"unknown"' if column.values.dtype == object else "0"
    hint = f"leave those rows out of the table, or give them a level of their own: `coalesce.({name}, {filler})`"
    check_present(column, "levels", hint)
    return column


# ── the levels of columns, numbered ──────────────────────────────────────────────────────────────────────────────────


def _numbered(columns: Sequence[Array], order: Value = None, reference: Value = None) -> tuple[Array, ...]:
    """The codes of columns that are numbered together."""
    kinds = {"text" if column.values.dtype == object else column.values.dtype.kind in "if" for column in columns}
    if len(kinds) > 1:
        found = " and ".join(map(describe, columns))
        raise JuliaError(f"`levels` numbers columns of one kind together, found {found}")
    encoded = [rows.encoded(column.values) for column in columns]
    each = [list(map(_without_nan, found.tolist())) for found, _ in encoded]
    distinct = sorted(set().union(*each))
    known = _known_labels(columns)
    labels = [known[int(value) - 1] if known else label_of(value) for value in distinct]
    ordered = _ordered(columns, distinct, labels, order, reference)
    place = {label: number for number, label in enumerate(ordered, start=1)}
    code = {value: place[label] for value, label in zip(distinct, labels, strict=True)}
    axis = Axis(_axis_name(columns), len(ordered), tuple(ordered), _is_nominal(columns, order), is_levels=True)
    return tuple(
        _coded(_looked_up(codes, [code[value] for value in found]), axis, column)
        for found, (_, codes), column in zip(each, encoded, columns, strict=True)
    )


def _without_nan(value: Any) -> Any:
    if value != value:
        raise JuliaError("`levels` of a column that holds NaN", "make it missing, or a level of its own")
    return value


def _known_labels(columns: Sequence[Array]) -> tuple[str, ...] | None:
    """The labels of columns that are codes already."""
    axes = [column.levels for column in columns]
    if all(axis is None for axis in axes):
        return None
    known = [axis if axis is None else axis.labels or _numerals(int(axis.size)) for axis in axes]
    if len(set(known)) > 1 or any(axis is not None and axis.apart for axis in axes):
        names = " and ".join(f"`{column.name}`" if column.name else "a column" for column in columns)
        raise JuliaError(
            f"what {names} holds is numbered apart already", "give `levels(…; shared=true)` the columns themselves"
        )
    return known[0]


def _numerals(size: int) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(size))


def _axis_name(columns: Sequence[Array]) -> str:
    """After the column, or what it is numbered by; of several the names together."""
    names = [column.levels.name if column.levels is not None else column.name for column in columns]
    return "_".join(dict.fromkeys(name for name in names if name)) or ANONYMOUS


def _is_nominal(columns: Sequence[Array], order: Value) -> bool:
    """Whether nobody gave the levels an order: texts that sort."""
    if order is not None:
        return False
    if columns[0].levels is not None:
        return columns[0].levels.nominal
    return columns[0].values.dtype == object and all(column.categories is None for column in columns)


def _looked_up(codes: Values, numbers: Sequence[int]) -> Values:
    """The number that each code stands for."""
    table = np.array([0, *numbers], dtype=np.int64)
    return rows.mapped(lambda part: table[part], [codes])


def _coded(codes: Values, axis: Axis, column: Array) -> Array:
    """Codes along the rows of a column, with the axis of their levels."""
    name = column.levels.name if column.levels is not None else column.name
    return Array(rows.converted(codes, np.int64), column.axes, levels=axis, name=name or None)


def label_of(value: Any) -> str:
    """A level as a label: Julia's way of printing it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# ── the order of levels ──────────────────────────────────────────────────────────────────────────────────────────────


def _ordered(
    columns: Sequence[Array], values: Sequence[Any], labels: Sequence[str], order: Value, reference: Value
) -> list[str]:
    """The labels in the order that they are numbered in."""
    if order is not None and reference is not None:
        raise JuliaError("`levels` takes an order or a reference, not both", "put the reference first in the order")
    if order is not None:
        return _given_order(order, values, labels, _names(columns))
    if reference is not None:
        first = _as_label(reference, values)
        if first not in labels:
            hint = did_you_mean(first, labels) or _shown_levels(labels)
            raise JuliaError(f"{_names(columns)} has no level `{first}` to be the reference", hint)
        return [first, *(label for label in _own_order(columns, labels) if label != first)]
    return _own_order(columns, labels)


def _given_order(order: Value, values: Sequence[Any], labels: Sequence[str], names: str) -> list[str]:
    """The labels as an author orders them, those that do not occur among them."""
    items = order.values.tolist() if isinstance(order, Array) else order if isinstance(order, tuple) else (order,)
    given = [_as_label(item, values) for item in items]
    twice = next((label for k, label in enumerate(given) if label in given[:k]), None)
    if twice is not None:
        raise JuliaError(f"`order` names the level `{twice}` twice")
    lacking = [label for label in labels if label not in set(given)]
    if lacking:
        shown = ", ".join(f"`{label}`" for label in lacking[:_SHOWN])
        raise JuliaError(f"`order` lacks {_count(lacking)} {shown} of {names}", _shown_levels(labels))
    return given


def _as_label(item: Value, values: Sequence[Any]) -> str:
    """A level that an author names, by its text or value; 1 and 1.0 are one number."""
    if isinstance(item, Array | tuple | slice) or item is None:
        raise JuliaError(f"a level is named by its text or value, found {describe(item)}")
    numbers = bool(values) and isinstance(values[0], int | float) and not isinstance(values[0], bool)
    if numbers and isinstance(item, int | float) and not isinstance(item, bool):
        item = float(item) if isinstance(values[0], float) else int(item) if item == int(item) else item
    return label_of(item)


def _own_order(columns: Sequence[Array], labels: Sequence[str]) -> list[str]:
    """Sorted as they are, or as the one order has them that an ordered categorical brings."""
    orders = {column.categories for column in columns if column.categories is not None and column.levels is None}
    if not orders:
        return list(labels)
    first = next(iter(orders))
    places = {category: k for k, category in enumerate(first)}
    if len(orders) > 1 or any(label not in places for label in labels):
        raise JuliaError(f"{_names(columns)} have orders of their own", "give one: `order=[…]`")
    return sorted(labels, key=places.__getitem__)


def _names(columns: Sequence[Array]) -> str:
    return " and ".join(f"`{column.name}`" if column.name else "the column" for column in columns)


def _count(labels: Sequence[str]) -> str:
    return "the level" if len(labels) == 1 else f"{len(labels)} levels"


def _shown_levels(labels: Sequence[str]) -> str:
    return f"its levels are {listed(labels, _SHOWN)}"


# ── combinations ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _combinations(coded: Sequence[Array]) -> Array:
    """The combinations of levels that occur."""
    if len({array.values.size for array in coded}) > 1:
        raise JuliaError(f"`levels` needs columns of one length, found {' and '.join(map(describe, coded))}")
    axes = [array.levels or Axis(ANONYMOUS, 0) for array in coded]
    codes, labels = coded[0].values, list(axes[0].labels or ())
    for array, axis in zip(coded[1:], axes[1:], strict=True):
        codes, labels = _crossed(codes, labels, array.values, axis.labels or ())
    name = ":".join(axis.name or str(k + 1) for k, axis in enumerate(axes))
    axis = Axis(name, len(labels), tuple(unlike(labels)), any(axis.nominal for axis in axes), is_levels=True)
    return Array(rows.converted(codes, np.int64), coded[0].axes, levels=axis, name=name or None)


def _crossed(codes: Values, labels: Sequence[str], more: Values, their: Sequence[str]) -> tuple[Values, list[str]]:
    """The codes and labels of the combinations that occur, in the order of the first, then the second."""
    width = len(their)
    pairs = rows.mapped(lambda one, other: (one - 1) * width + other - 1, [codes, more])
    found, crossed = rows.encoded(pairs)
    return crossed, [f"{labels[pair // width]}:{their[pair % width]}" for pair in found.tolist()]


def unlike(labels: Sequence[str]) -> list[str]:
    """Labels, with `_2`, `_3` … after one that came before."""
    given: dict[str, int] = {}
    for label in labels:
        candidate, k = label, given.get(label, 0)
        while candidate in given:
            k += 1
            candidate = f"{label}_{k + 1}"
        given[label] = k
        given.setdefault(candidate, 0)
    return list(given)


# ── dummies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def dummies(column: Value, *, drop: Value = None) -> Array:
    """`dummies(c; drop=nothing)`: an N×L matrix, 1.0 where the row has the column's level, else 0.0.

    Its second axis is named after the column and labelled with its levels. `drop` leaves a level out: a number is its
    place (as are `:first` and `:last`), a text its name.

    Raises:
        JuliaError: missing entries, a level to drop that is not there.
    """
    coded = levels(column)
    assert isinstance(coded, Array)
    axis = coded.levels or Axis(ANONYMOUS, 0, ())
    labels = axis.labels or ()
    kept = np.arange(1, len(labels) + 1)
    left_out = None
    if drop is not None:
        dropped = _dropped(drop, labels, axis.name)
        left_out = labels[dropped]
        labels = labels[:dropped] + labels[dropped + 1 :]
        kept = np.delete(kept, dropped)
    shape = (coded.values.size, len(labels))
    check_size(shape, "dummies", MAX_COLUMNS)
    codes = coded.values[:, None]
    values = rows.mapped(lambda part: (part == kept).astype(np.float64), [codes], shape)
    own = replace(axis, size=len(labels), labels=labels, dropped=left_out)
    return make_array(values, (*coded.axes, own))


def _dropped(drop: Value, labels: tuple[str, ...], name: str) -> int:
    """The 0-based place of the level to leave out."""
    column = f"`{name}`" if name else "the column"
    if isinstance(drop, bool | str) and not (isinstance(drop, Symbol) and drop in ("first", "last")):
        text = label_of(drop)
        if text in labels:
            return labels.index(text)
        raise JuliaError(f"{column} has no level `{text}` to drop", did_you_mean(text, labels) or _shown_levels(labels))
    place = {"first": 1, "last": len(labels)}[drop] if isinstance(drop, Symbol) else drop
    if not isinstance(place, int):
        hint = f'a number is a place, from 1 to {len(labels)}; a level is named by text: `drop="{labels[0]}"`'
        raise JuliaError(f"`drop` is a place or the name of a level, found {describe(drop)}", hint)
    if not 1 <= place <= len(labels):
        hint = f'{_shown_levels(labels)}; a level is named by text: `drop="{labels[0]}"`'
        raise JuliaError(f"{column} has {len(labels)} levels, none of them at place {place} to drop", hint)
    return place - 1
