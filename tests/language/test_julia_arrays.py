"""Making, shaping, sorting and walking arrays against Julia's answers."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import call, colon, elements, matrix_literal, product_of, vector_literal
from mlmdsl.language.julia_values import JuliaError
from mlmdsl.language.types import MISSING, Array, Axis, Extent, NumberType
from tests.language.julia_cases import column, message_of, plain, run, same, value

INT = NumberType.INT
M = [[1, 2, 3], [4, 5, 6]]
ALL = slice(None)

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("length", ([1, 2, 3],), {}, 3),
    ("length", (M,), {}, 6),
    ("length", ((1, 2),), {}, 2),
    ("length", (5,), {}, 1),
    ("length", ("abc",), {}, 3),
    ("size", (M,), {}, (2, 3)),
    ("size", (M, 2), {}, 3),
    ("size", (M, 3), {}, 1),
    ("size", (1.5,), {}, ()),
    ("ndims", (M,), {}, 2),
    ("ndims", (1,), {}, 0),
    ("zeros", (2,), {}, [0.0, 0.0]),
    ("zeros", (INT, 1, 2), {}, [[0, 0]]),
    ("zeros", ((1, 2),), {}, [[0.0, 0.0]]),
    ("ones", (2, 1), {}, [[1.0], [1.0]]),
    ("fill", (7, 2), {}, [7, 7]),
    ("fill", ("a", 2), {}, ["a", "a"]),
    ("fill", (MISSING, 2), {}, [None, None]),
    ("falses", (2,), {}, [False, False]),
    ("trues", (1,), {}, [True]),
    ("zeros", (0,), {}, []),
    ("range", (0, 1), {"length": 5}, [0.0, 0.25, 0.5, 0.75, 1.0]),
    ("range", (0, 1, 11), {}, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
    ("range", (1, 10), {"step": 4}, [1, 5, 9]),
    ("range", (1,), {"step": 2, "length": 3}, [1, 3, 5]),
    ("range", (1,), {"step": 0.5, "length": 3}, [1.0, 1.5, 2.0]),
    ("LinRange", (0, 1, 3), {}, [0.0, 0.5, 1.0]),
    ("vec", (M,), {}, [1, 4, 2, 5, 3, 6]),
    ("reshape", ([1, 2, 3, 4, 5, 6], 2, 3), {}, [[1, 3, 5], [2, 4, 6]]),
    ("reshape", (M, 3, 2), {}, [[1, 5], [4, 3], [2, 6]]),
    ("reshape", (M, ALL), {}, [1, 4, 2, 5, 3, 6]),
    ("reshape", ([1, None], 1, ALL), {}, [[1, None]]),
    ("reshape", ([1, 2], (1, 2)), {}, [[1, 2]]),
    ("repeat", ([1, 2], 2), {}, [1, 2, 1, 2]),
    ("repeat", ([1, 2],), {"inner": 2}, [1, 1, 2, 2]),
    ("repeat", ([1, 2],), {"inner": 2, "outer": 2}, [1, 1, 2, 2, 1, 1, 2, 2]),
    ("repeat", ([[1, 2]], 2, 1), {}, [[1, 2], [1, 2]]),
    ("repeat", ([1, 2], 1, 2), {}, [[1, 1], [2, 2]]),
    ("repeat", (["a", None], 2), {}, ["a", None, "a", None]),
    ("reverse", ([1, 2, 3],), {}, [3, 2, 1]),
    ("unique", ([3, 1, 3, 2],), {}, [3, 1, 2]),
    ("unique", (["b", "a", "b"],), {}, ["b", "a"]),
    ("unique", ([2, None, 1, None],), {}, [2, None, 1]),
    ("unique", ([1.0, nan, nan],), {}, [1.0, nan]),
    ("unique", (M,), {}, [1, 4, 2, 5, 3, 6]),
    ("sort", ([3, 1, 2],), {}, [1, 2, 3]),
    ("sort", ([3, 1, 2],), {"rev": True}, [3, 2, 1]),
    ("sort", (["b", "B", "a"],), {}, ["B", "a", "b"]),
    ("sort", ([2.0, None, nan, 1.0],), {}, [1.0, 2.0, nan, None]),
    ("sortperm", ([3, 1, 2],), {}, [2, 3, 1]),
    ("sortperm", ([1, 2, 1],), {"rev": True}, [2, 1, 3]),
    ("vcat", ([1, 2], 3, [4.5]), {}, [1.0, 2.0, 3.0, 4.5]),
    ("vcat", ([[1, 2]], [[3, 4]]), {}, [[1, 2], [3, 4]]),
    ("vcat", (["a"], ["b", None]), {}, ["a", "b", None]),
    ("hcat", ([1, 2], [3, 4]), {}, [[1, 3], [2, 4]]),
    ("hcat", (1, 2), {}, [[1, 2]]),
    ("collect", ((1, 2),), {}, [1, 2]),
    ("collect", ([1, 2],), {}, [1, 2]),
    ("eachrow", (M,), {}, ([1, 2, 3], [4, 5, 6])),
    ("eachcol", (M,), {}, ([1, 4], [2, 5], [3, 6])),
    ("eachrow", ([1, 2],), {}, ([1], [2])),
    ("eachindex", ([7, 8],), {}, [1, 2]),
    ("axes", (M,), {}, ([1, 2], [1, 2, 3])),
    ("axes", (M, 1), {}, [1, 2]),
    ("enumerate", (["a", "b"],), {}, ((1, "a"), (2, "b"))),
    ("zip", ([1, 2, 3], ["a", "b"]), {}, ((1, "a"), (2, "b"))),
    ("identity", ([1, 2],), {}, [1, 2]),
    ("similar", ([1, 2],), {}, [0, 0]),
]


@pytest.mark.parametrize(("name", "args", "keywords", "wanted"), CASES)
def test_answers(name: str, args: tuple[Any, ...], keywords: dict[str, Any], wanted: Any) -> None:
    found = run(name, args, **keywords)
    assert same(found, wanted), found


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("zeros", (), {}, "`zeros` needs a size"),
    ("zeros", (-1,), {}, "a size cannot be negative"),
    ("zeros", (1.5,), {}, "must be a whole number, found the number 1.5"),
    ("ones", (10**6, 10**6), {}, "too large"),
    ("fill", ([1, 2], 2), {}, "repeat(x, n)"),
    ("size", (M, 0), {}, "dimensions count from 1"),
    ("reshape", (M, 4, 2), {}, "6 entries do not fill 4×2"),
    ("reshape", (M, ALL, ALL), {}, "do not fill"),
    ("reshape", (M, ALL, 4), {}, "do not fill"),
    ("repeat", ([1], -1), {}, "from 0 up"),
    ("repeat", ([1], 10**10), {}, "too large"),
    ("sort", (M,), {}, "needs a vector, found a 2×3 matrix"),
    ("sort", ([1, 2],), {"rev": 1}, "`rev` is true or false"),
    ("vcat", ([[1, 2]], [1, 2, 3]), {}, "as many columns"),
    ("vcat", ([1], ["a"]), {}, "mixes text and numbers"),
    ("range", (0, 1), {"length": 2.5}, "must be a whole number"),
    ("range", (0, 1), {"step": 0}, "a step that is not 0"),
    ("range", (0, 10**12), {}, "too large"),
    ("collect", ((1, "a"),), {}, "mixes text and numbers"),
]


@pytest.mark.parametrize(("name", "args", "keywords", "words"), REFUSED)
def test_refused(name: str, args: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    assert words in message_of(name, args, **keywords)


@pytest.mark.parametrize(
    ("start", "stop", "step", "wanted"),
    [
        (1, 4, None, [1, 2, 3, 4]),
        (4, 1, None, []),
        (4, 1, -1, [4, 3, 2, 1]),
        (1, 10, 3, [1, 4, 7, 10]),
        (0, 1, 0.25, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0, 0.5, 0.1, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),  # 0.3, not 0.30000000000000004
        (1.5, 3, None, [1.5, 2.5]),
    ],
)
def test_ranges(start: Any, stop: Any, step: Any, wanted: list[Any]) -> None:
    found = plain(colon(start, stop, step))
    assert found == wanted
    assert [type(v) for v in found] == [type(v) for v in wanted]


def test_literals() -> None:
    assert plain(vector_literal([1, 2.5])) == [1.0, 2.5]
    assert plain(vector_literal([1, MISSING])) == [1, None]
    assert plain(vector_literal(["a", "b"])) == ["a", "b"]
    assert plain(vector_literal([value([1]), value([2])])) == ([1], [2])
    assert plain(matrix_literal([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert plain(matrix_literal([[value([1, 2]), value([3, 4])]])) == [[1, 3], [2, 4]]
    with pytest.raises(JuliaError, match="as many rows"):
        matrix_literal([[1, value([1, 2])]])


def test_loops_run_down_the_columns() -> None:
    assert elements(value(M)) == (1, 4, 2, 5, 3, 6)
    assert elements(value([1, None])) == (1, MISSING)
    assert product_of(value([1, 2]), value(["a", "b"])) == ((1, "a"), (1, "b"), (2, "a"), (2, "b"))


def test_sizes_remember_their_axis() -> None:
    x = Array(np.ones((3, 2)), (Axis("row", 3), Axis("k", 2, ("A", "B"))))
    columns = call("size", [x, 2])
    assert isinstance(columns, Extent)
    assert (columns, columns.axis) == (2, x.axes[1])
    assert columns + 1 == 3
    assert not isinstance(columns + 1, Extent)
    assert not isinstance(call("length", [value([1, 2])]), Extent)
    made = call("zeros", [columns])
    walked = colon(1, columns)
    assert isinstance(made, Array)
    assert made.axes == walked.axes == (x.axes[1],)
    assert colon(2, columns).axes == (Axis("", 1),)


def test_the_number_of_distinct_levels_remembers_the_levels() -> None:
    codes = call("levels", [column("g", ["b", "a"])])
    groups = call("length", [call("unique", [codes])])
    rows = call("length", [codes])
    assert isinstance(groups, Extent)
    assert isinstance(rows, Extent)
    assert groups.axis == Axis("g", 2, ("a", "b"))
    assert rows.axis == Axis("row", 2)


def test_eachcol_names_the_columns() -> None:
    x = Array(np.ones((3, 2)), (Axis("row", 3), Axis("k", 2, ("A", "B"))))
    columns = call("eachcol", [x])
    assert isinstance(columns, tuple)
    assert [c.name for c in columns if isinstance(c, Array)] == ["A", "B"]


@pytest.mark.parametrize("name", ["reverse", "sort", "unique", "vec"])
def test_levels_survive(name: str) -> None:
    axis = Axis("g", 2, ("a", "b"))
    codes = replace(column("g", [2, 1, 2]), levels=axis)
    result = call(name, [codes])
    assert isinstance(result, Array)
    assert result.levels == axis


def test_labels_follow_a_sort() -> None:
    x = Array(np.array([3, 1, 2]), (Axis("k", 3, ("A", "B", "C")),))
    result = call("sort", [x])
    assert isinstance(result, Array)
    assert result.axes == (Axis("k", 3, ("B", "C", "A")),)
