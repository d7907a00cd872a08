"""Indexing against Julia's answers: 1-based, with labels that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import index
from mlmdsl.language.julia_values import JuliaError
from mlmdsl.language.types import MISSING, Array, Axis
from tests.language.julia_cases import column, plain, same, value

M = [[1, 2, 3], [4, 5, 6]]
ALL = slice(None)

CASES: list[tuple[Any, list[Any], Any]] = [
    ([7, 8, 9], [1], 7),
    ([7, 8, 9], [3], 9),
    ([7, 8, 9], [3, 1], 9),
    ([7, 8, 9], [ALL], [7, 8, 9]),
    ([7, 8, 9], [range(2, 4)], [8, 9]),
    ([7, 8, 9], [[3, 1, 1]], [9, 7, 7]),
    ([7, 8, 9], [[]], []),
    ([7, 8, 9], [[True, False, True]], [7, 9]),
    ([7, 8, 9], [[[1, 2], [3, 1]]], [[7, 8], [9, 7]]),
    ([7, None], [2], MISSING),
    ([7, None, 9], [[2, 3]], [None, 9]),
    (["a", "b"], [2], "b"),
    (M, [2, 3], 6),
    (M, [2, ALL], [4, 5, 6]),
    (M, [ALL, 2], [2, 5]),
    (M, [ALL, [3, 1]], [[3, 1], [6, 4]]),
    (M, [[False, True], [1, 2]], [[4, 5]]),
    (M, [range(1, 3), range(2, 4)], [[2, 3], [5, 6]]),
    (M, [3], 2),
    (M, [ALL], [1, 4, 2, 5, 3, 6]),
    (M, [[[True, False, True], [False, True, False]]], [1, 5, 3]),
    (M, [1, 2, 1], 2),
    ((7, "a"), [2], "a"),
    ((7, "a", 9), [range(2, 4)], ("a", 9)),
    (5, [1], 5),
    (2.5, [1, 1], 2.5),
]


@pytest.mark.parametrize(("x", "indices", "wanted"), CASES)
def test_answers(x: Any, indices: list[Any], wanted: Any) -> None:
    found = plain(index(value(x), [value(i) for i in indices]))
    assert same(found, wanted), found


REFUSED: list[tuple[Any, list[Any], str]] = [
    ([7, 8], [3], "index 3 is out of bounds: a vector of length 2 has length 2"),
    ([7, 8], [0], "index 0 is out of bounds"),
    ([7, 8], [[1, 5]], "index 5 is out of bounds"),
    ([7, 8], [range(1, 4)], "index 3 is out of bounds"),
    ([7, 8], [1.0], "must be a whole number, found the number 1.0"),
    ([7, 8], [True], "must be a whole number, found true"),
    ([7, 8], ["a"], "must be a whole number"),
    ([7, 8], [[1.5]], "Int.(x) makes whole numbers"),
    ([7, 8], [["a"]], "levels(column) makes indices of text"),
    ([7, 8], [[True]], "a mask of a vector of length 2 must have length 2, found a vector of length 1"),
    ([7, 8], [[1, None]], "missing entries (row 2)"),
    ([7, 8], [1, 2], "has 1 dimensions, found 2 indices"),
    ([7, 8], [10**30], "is out of bounds"),
    (M, [3, 1], "(dimension 1) has length 2"),
    (M, [1, 4], "(dimension 2) has length 3"),
    (M, [1, 1, 2], "has 2 dimensions, found 3 indices"),
    (M, [7], "index 7 is out of bounds"),
    ((7, 8), [3], "index 3 is out of bounds: the tuple has length 2"),
    (5, [2], "cannot be indexed"),
    ("text", [1], "cannot be indexed"),
    ([7, 8], [], "without an index"),
]


@pytest.mark.parametrize(("x", "indices", "words"), REFUSED)
def test_refused(x: Any, indices: list[Any], words: str) -> None:
    with pytest.raises(JuliaError) as caught:
        index(value(x), [value(i) for i in indices])
    assert words in f"{caught.value.message} | {caught.value.hint or ''}"


def test_an_error_names_the_column() -> None:
    with pytest.raises(JuliaError, match="index 9 is out of bounds: `age` has length 2"):
        index(column("age", [1, 2]), [9])


def test_labels_follow_the_selection() -> None:
    x = Array(np.arange(3), (Axis("k", 3, ("A", "B", "C")),))
    for given, labels in [
        (value([3, 1]), ("C", "A")),
        (value([True, False, True]), ("A", "C")),
        (ALL, ("A", "B", "C")),
    ]:
        result = index(x, [given])
        assert isinstance(result, Array)
        assert result.axes == (Axis("k", len(labels), labels),)


def test_an_index_with_a_named_axis_gives_its_axis() -> None:
    effects = Array(np.array([10.0, 20.0]), (Axis("g", 2, ("a", "b")),))
    codes = replace(column("g", [2, 1, 2]), levels=effects.axes[0])
    result = index(effects, [codes])
    assert isinstance(result, Array)
    assert plain(result) == [20.0, 10.0, 20.0]
    assert result.axes == (Axis("row", 3),)


def test_levels_and_names_survive() -> None:
    axis = Axis("g", 2, ("a", "b"))
    codes = replace(column("g", [2, 1, 2]), levels=axis)
    result = index(codes, [value([True, False, True])])
    assert isinstance(result, Array)
    assert (result.levels, result.name, result.axes) == (axis, "g", (Axis("row", 2),))


def test_one_column_of_a_matrix_has_its_label_for_a_name() -> None:
    x = Array(np.ones((3, 2)), (Axis("row", 3), Axis("", 2, ("age", "income"))))
    result = index(x, [ALL, 2])
    assert isinstance(result, Array)
    assert (result.name, result.axes) == ("income", (Axis("row", 3),))
