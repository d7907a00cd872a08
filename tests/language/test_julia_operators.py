"""Operators against Julia's answers, and what Julia refuses."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import operator, unary
from mlmdsl.language.julia_values import JuliaError
from mlmdsl.language.types import MISSING, Array, Axis
from tests.language.julia_cases import plain, same, value

CASES: list[tuple[Any, str, Any, bool, Any]] = [
    (1, "+", 2, False, 3),
    (True, "+", True, False, 2),
    (1, "/", 2, False, 0.5),
    (4, "/", 2, False, 2.0),
    (1, "/", 0, False, inf),
    (2, "\\", 1, False, 0.5),
    (2, "^", 10, False, 1024),
    (2.0, "^", -1, False, 0.5),
    (-1, "^", -3, False, -1),
    (2, "^", 0.5, False, 1.4142135623730951),
    (0.0, "^", -1, False, inf),
    (7, "÷", 2, False, 3),
    (-7, "÷", 2, False, -3),
    (-7, "%", 2, False, -1),
    (7.5, "÷", 2, False, 3.0),
    (-7.5, "%", 2, False, -1.5),
    (1.0, "%", 0, False, nan),
    ([1, 2], "+", [10, 20], False, [11, 22]),
    ([1, 2], "-", [10, 20], False, [-9, -18]),
    (2, "*", [1, 2], False, [2, 4]),
    ([1, 2], "/", 2, False, [0.5, 1.0]),
    (2, "\\", [1, 2], False, [0.5, 1.0]),
    ([[1, 2], [3, 4]], "*", [1, 1], False, [3, 7]),
    ([[1, 2], [3, 4]], "*", [[1, 0], [0, 1]], False, [[1, 2], [3, 4]]),
    ([[1, 2]], "*", [3, 4], False, [11]),
    ([1, 2], "*", [[3, 4]], False, [[3, 4], [6, 8]]),
    ([[2.0, 0.0], [0.0, 4.0]], "\\", [2.0, 4.0], False, [1.0, 1.0]),
    ([[1.0], [1.0], [1.0]], "\\", [1.0, 2.0, 3.0], False, [2.0]),
    ([[2.0, 4.0]], "/", [[2.0, 0.0], [0.0, 4.0]], False, [[1.0, 1.0]]),
    ([[1, 1], [0, 1]], "^", 3, False, [[1, 3], [0, 1]]),
    ([[2.0, 0.0], [0.0, 4.0]], "^", -1, False, [[0.5, 0.0], [0.0, 0.25]]),
    ([1, 2, 3], "⋅", [4, 5, 6], False, 32),
    ([1, 2], "⋅", [3, 4], True, [3, 8]),
    ([1, 2, 3], "*", 2, True, [2, 4, 6]),
    ([1, 2], "*", [3, 4], True, [3, 8]),
    ([1, 2], "+", [[1, 2], [3, 4]], True, [[2, 3], [5, 6]]),  # the vector is a column
    ([1, 2], "+", [[10, 20]], True, [[11, 21], [12, 22]]),
    ([1, 2, 3], "^", 2, True, [1, 4, 9]),
    (2.0, "^", [1, -1], True, [2.0, 0.5]),
    ([1, 0], "/", 0, True, [inf, nan]),
    ([5], "+", [1, 2], True, [6, 7]),
    ([1, None], "+", 1, True, [2, None]),
    ([1.5, None], "*", [None, 2.0], True, [None, None]),
    ([0, None], "÷", [1, 0], True, [0, None]),
    ([1, 2], "+", MISSING, True, [None, None]),
    (MISSING, "*", 2, False, MISSING),
    (1, "==", 1.0, False, True),
    (1, "!=", 2, False, True),
    ("a", "==", "a", False, True),
    ("a", "==", 1, False, False),
    ("a", "<", "b", False, True),
    (nan, "==", nan, False, False),
    (MISSING, "==", 1, False, MISSING),
    (MISSING, "===", MISSING, False, True),
    (nan, "===", nan, False, True),
    (1, "===", 1.0, False, False),
    (1, "===", True, False, False),
    (None, "===", None, False, True),
    (1, "!==", 2, False, True),
    ([1, 2], "==", [1, 2], False, True),
    ([1, 2], "==", [1, 2, 3], False, False),
    ([1, 2], "!=", [1, 3], False, True),
    ([1, None], "==", [1, 2], False, MISSING),
    ([1, None], "==", [2, 2], False, False),
    ((1, 2), "==", (1, 2), False, True),
    ([1, 2, 3], "==", 2, True, [False, True, False]),
    (["a", "b"], "==", "b", True, [False, True]),
    (["a", "b"], "!=", 1, True, [True, True]),
    ([1, None], ">", 0, True, [True, None]),
    ([1.0, nan], "<=", 1, True, [True, False]),
    (2, "in", [1, 2], False, True),
    (3, "in", [1, 2], False, False),
    (3, "in", [1, None], False, MISSING),
    ("a", "in", ("a", "b"), False, True),
    (True, "&&", False, False, False),
    (False, "||", True, False, True),
    ([True, True, None, None], "&&", [True, False, False, True], True, [True, False, False, None]),
    ([False, True, None, None], "||", [False, False, False, True], True, [False, True, None, True]),
    ([True, False], "&&", [[True, False]], True, [[True, False], [False, False]]),
    (MISSING, "&&", [True, False], True, [None, False]),
]


@pytest.mark.parametrize(("a", "op", "b", "dotted", "wanted"), CASES)
def test_answers(a: Any, op: str, b: Any, dotted: bool, wanted: Any) -> None:
    found = plain(operator(op, value(a), value(b), dotted))
    assert same(found, wanted), found


REFUSED: list[tuple[Any, str, Any, bool, str]] = [
    (
        1,
        "+",
        [1, 2],
        False,
        "`+` between the number 1 and a vector of length 2 | with a dot it goes entry by entry: `.+`",
    ),
    ([1, 2], "-", 1.5, False, "`.-`"),
    ([1, 2], "+", [1, 2, 3], False, "two arrays of one shape, found a vector of length 2 and a vector of length 3"),
    ([1, 2], "+", [[1, 2]], False, "two arrays of one shape"),
    ([1, 2], "+", [1, 2, 3], True, "the sizes do not agree: 2 and 3 (dimension 1)"),
    ([1, 2], "*", [[1, 2, 3], [1, 2, 3], [1, 2, 3]], True, "the sizes do not agree: 2 and 3×3"),
    ([1, 2], "*", [3, 4], False, "`.*`, the scalar product `⋅` or `x' * y`"),
    ([[1, 2]], "*", [1, 2, 3], False, "as many columns on the left (2) as rows on the right (3)"),
    ([1, 2], "*", [[1, 2], [3, 4]], False, "as many columns on the left (1) as rows on the right (2)"),
    (1, "/", [1, 2], False, "`./`"),
    ([1, 2], "/", [1, 2], False, "`./`"),
    ([1, 2], "^", 2, False, "`.^`"),
    (2, "^", [1, 2], False, "`.^`"),
    (2, "^", -1, False, "a whole number to a negative power: found 2 and -1 | use a float base: `2.0^p`"),
    ([2, 3], "^", -1, True, "to a negative power: found 2 and -1 at entry 1"),
    (-8.0, "^", 1 / 3, False, "a negative number to a power that is not whole"),
    (2, "^", 64, False, "does not fit in 64 bits"),
    (10**18, "*", 10, False, "does not fit in 64 bits"),
    (10**40, "+", 1, False, "too large for a whole number of 64 bits"),
    (1, "÷", 0, False, "`÷` by zero: found 1 and 0"),
    ([1, 2], "%", [1, 0], True, "`%` by zero: found 2 and 0 at entry 2"),
    ([1, 2], "%", 2, False, "`.%`"),
    ([[1, 2], [2, 4]], "\\", [1.0, 2.0], False, "the matrix is singular"),
    ([[1, 2]], "^", 2, False, "needs a square matrix, found a 1×2 matrix"),
    ("a", "+", 1, False, "needs numbers, found the text"),
    ("a", "<", 1, False, "compares the text"),
    ([1, 2], "<", 1, False, "with a dot: `.<`"),
    (1, "&&", True, False, "needs true or false, found the number 1"),
    ([True], "&&", True, False, "entry by entry it is `.&`"),
    ([1, 0], "||", True, True, "needs true or false, found a vector of length 2"),
    ([1, 2], "⋅", [1, 2, 3], False, "one length"),
    ([1, None], "⋅", [1, 2], False, "missing entries (row 2)"),
    (1, "<>", 2, False, "no operator `<>`"),
    ((1, 2), "+", 1, False, "does not take a tuple of 2"),
]


@pytest.mark.parametrize(("a", "op", "b", "dotted", "words"), REFUSED)
def test_refused(a: Any, op: str, b: Any, dotted: bool, words: str) -> None:
    with pytest.raises(JuliaError) as caught:
        operator(op, value(a), value(b), dotted)
    assert words in f"{caught.value.message} | {caught.value.hint or ''}"


def test_a_literal_exponent_may_be_negative() -> None:
    assert operator("^", 2, -1, literal=True) == 0.5
    assert plain(operator("^", value([2, 4]), -1, dotted=True, literal=True)) == [0.5, 0.25]


@pytest.mark.parametrize(
    ("op", "a", "dotted", "wanted"),
    [
        ("-", [1, -2], False, [-1, 2]),
        ("+", 3, False, 3),
        ("-", True, False, -1),
        ("!", True, False, False),
        ("!", [True, None], True, [False, None]),
        ("!", MISSING, False, MISSING),
        ("'", [[1, 2], [3, 4]], False, [[1, 3], [2, 4]]),
        ("'", [1, 2], False, [[1, 2]]),
        ("'", 5, False, 5),
    ],
)
def test_unary(op: str, a: Any, dotted: bool, wanted: Any) -> None:
    assert same(plain(unary(op, value(a), dotted)), wanted)


@pytest.mark.parametrize(("op", "a"), [("!", [True]), ("!", 1), ("-", "a"), ("~", 1)])
def test_unary_refused(op: str, a: Any) -> None:
    with pytest.raises(JuliaError):
        unary(op, value(a))


def test_a_row_vector_times_a_vector_is_a_number() -> None:
    x, y = value([1, 2]), value([3, 4])
    row = unary("'", x)
    assert operator("*", row, y) == 11
    assert operator("*", operator("*", row, value([[1, 0], [0, 1]])), y) == 11
    assert operator("*", operator("*", 2, row), y) == 22
    assert plain(operator("*", x, unary("'", y))) == [[3, 4], [6, 8]]
    assert plain(unary("'", row)) == [1, 2]


def test_the_axis_with_labels_is_kept() -> None:
    labelled = Array(np.ones(2), (Axis("k", 2, ("A", "B")),))
    rows = Array(np.ones((3, 2)), (Axis("row", 3), Axis("k", 2, ("A", "B"))))
    for result, axes in [
        (operator("+", value([1.0, 2.0]), labelled), labelled.axes),
        (operator("*", rows, labelled), (Axis("row", 3),)),
        (operator("*", value([[1.0]]), rows, dotted=True), rows.axes),
        (unary("'", rows), rows.axes[::-1]),
    ]:
        assert isinstance(result, Array)
        assert result.axes == axes


def test_arithmetic_drops_levels() -> None:
    coded = Array(np.array([1, 2]), (Axis("row", 2),), levels=Axis("g", 2, ("a", "b")))
    result = operator("+", coded, 1, dotted=True)
    assert isinstance(result, Array)
    assert result.levels is None


def test_a_broadcast_past_memory_is_refused() -> None:
    long = Array(np.zeros(100_000), (Axis("row", 100_000),))
    with pytest.raises(JuliaError, match="too large"):
        operator("*", long, unary("'", long), dotted=True)
