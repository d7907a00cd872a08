"""Levels, dummies, lags and matrices of columns: values and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import call, named
from mlmdsl.language.types import Array, Axis, Symbol
from tests.language.julia_cases import column, message_of, plain, value

CHEESE = column("cheese", ["B", "A", "B", "C"])
YEAR = column("year", [1, 2, 1, 2])
BACKGROUND = column("background", ["urban", "rural", "urban", "urban"])


def array(name: str, *args: Any, **keywords: Any) -> Array:
    """A call whose result is an array."""
    result = call(name, args, keywords)
    assert isinstance(result, Array)
    return result


@pytest.mark.parametrize(
    ("entries", "codes", "labels"),
    [
        (["b", "a", "b"], [2, 1, 2], ("a", "b")),
        (["b", "B", "é", "a"], [3, 1, 4, 2], ("B", "a", "b", "é")),  # by code point
        ([10, 9, 10], [2, 1, 2], ("9", "10")),
        ([1.5, -2.0], [2, 1], ("-2.0", "1.5")),
        ([True, False], [2, 1], ("false", "true")),
        (["", "x"], [1, 2], ("", "x")),
    ],
)
def test_levels_sort(entries: list[Any], codes: list[int], labels: tuple[str, ...]) -> None:
    result = array("levels", column("g", entries))
    assert plain(result) == codes
    assert result.levels == Axis("g", len(labels), labels)
    assert (result.axes, result.name) == ((Axis("row", len(entries)),), "g")


def test_levels_of_a_categorical_keep_its_order() -> None:
    result = array("levels", column("size", ["mid", "low", "mid"], categories=("low", "none", "mid", "high")))
    assert plain(result) == [2, 1, 2]
    assert result.levels == Axis("size", 2, ("low", "mid"))


def test_levels_of_levels_drop_those_that_no_longer_occur() -> None:
    codes = array("levels", CHEESE)
    again = array("levels", Array(codes.values[1:2], (Axis("row", 1),), codes.levels))
    assert plain(again) == [1]
    assert again.levels == Axis("cheese", 1, ("A",))
    assert array("levels", codes).levels == codes.levels


@pytest.mark.parametrize("name", ["levels", "interaction"])
def test_interactions_have_only_what_occurs(name: str) -> None:
    result = array(name, CHEESE, BACKGROUND)
    assert plain(result) == [2, 1, 2, 3]
    assert result.levels == Axis("cheese:background", 3, ("A:rural", "B:urban", "C:urban"))


ORDERS: list[tuple[Any, dict[str, Any], list[int], tuple[str, ...], bool]] = [
    (["poor", "good", "fair"], {}, [3, 2, 1], ("fair", "good", "poor"), True),
    (["poor", "good", "fair"], {"order": ("poor", "fair", "good")}, [1, 3, 2], ("poor", "fair", "good"), False),
    (["poor", "good"], {"order": ("poor", "fair", "good")}, [1, 3], ("poor", "fair", "good"), False),  # unobserved
    (["poor", "good", "fair"], {"reference": "poor"}, [1, 3, 2], ("poor", "fair", "good"), True),
    ([3, 1, 2], {"order": (2, 3, 1)}, [2, 3, 1], ("2", "3", "1"), False),
    ([3, 1, 2], {"order": (2.0, 3.0, 1.0)}, [2, 3, 1], ("2", "3", "1"), False),
    ([3.0, 1.5], {"order": (3, 1.5)}, [1, 2], ("3.0", "1.5"), False),
    ([3, 1, 2], {"reference": 2}, [3, 2, 1], ("2", "1", "3"), False),
    ([True, False], {"order": (True, False)}, [1, 2], ("true", "false"), False),
    (["10", "9"], {}, [1, 2], ("10", "9"), True),
]


@pytest.mark.parametrize(("entries", "keywords", "codes", "labels", "nominal"), ORDERS)
def test_order_of_levels(
    entries: list[Any], keywords: dict[str, Any], codes: list[int], labels: tuple[str, ...], nominal: bool
) -> None:
    result = array("levels", column("c", entries), **keywords)
    assert plain(result) == codes
    assert result.levels == Axis("c", len(labels), labels)
    assert result.levels is not None
    assert result.levels.nominal is nominal


SHARED: list[tuple[list[Any], list[Any], dict[str, Any], list[int], list[int], tuple[str, ...]]] = [
    (["ant", "bee"], ["cat", "bee"], {}, [1, 2], [3, 2], ("ant", "bee", "cat")),
    ([2, 10], [10, 3], {}, [1, 3], [3, 2], ("2", "3", "10")),
    (["b", "a"], ["c", "a"], {"order": ("c", "b", "a")}, [2, 3], [1, 3], ("c", "b", "a")),
    (["b", "a"], ["c", "a"], {"reference": "c"}, [3, 2], [1, 2], ("c", "a", "b")),
]


@pytest.mark.parametrize(("one", "other", "keywords", "ones", "others", "labels"), SHARED)
def test_columns_share_levels(
    one: list[Any],
    other: list[Any],
    keywords: dict[str, Any],
    ones: list[int],
    others: list[int],
    labels: tuple[str, ...],
) -> None:
    result = call("levels", [column("home", one), column("away", other)], {"shared": True, **keywords})
    assert isinstance(result, tuple)
    first, second = result
    assert isinstance(first, Array)
    assert isinstance(second, Array)
    assert (plain(first), plain(second)) == (ones, others)
    assert first.levels == second.levels == Axis("home_away", len(labels), labels)


def test_ordered_categoricals_share_their_order_where_it_is_one() -> None:
    sizes = ("low", "mid", "high")
    one, other = column("a", ["mid", "low"], categories=sizes), column("b", ["high", "low"], categories=sizes)
    first, second = call("levels", [one, other], {"shared": True})  # type: ignore[misc]
    assert (plain(first), plain(second)) == ([2, 1], [3, 1])
    apart = column("b", ["high", "low"], categories=("high", "low"))
    assert "give one: `order=[…]`" in message_of("levels", (one, apart), shared=True)


def test_a_number_drops_a_place_and_a_text_a_name() -> None:
    twos = column("dose", [2, 1, 3])
    assert array("dummies", twos, drop=2).axes[1].labels == ("1", "3")
    assert array("dummies", twos, drop="2").axes[1].labels == ("1", "3")
    reversed_ = array("levels", twos, order=(3, 2, 1))
    assert array("dummies", reversed_, drop=1).axes[1].labels == ("2", "1")
    assert array("dummies", reversed_, drop="1").axes[1].labels == ("3", "2")
    named_last = column("rank", ["last", "a"])
    assert array("dummies", named_last, drop="last").axes[1].labels == ("a",)
    assert array("dummies", named_last, drop=Symbol("first")).axes[1] == Axis("rank", 1, ("last",))
    assert array("dummies", named_last, drop=Symbol("first")).axes[1].dropped == "a"
    assert array("hcat", 1, array("dummies", twos, drop=1)).axes[1].dropped == "1"


def test_interactions_with_one_label_are_told_apart() -> None:
    result = array("levels", column("a", ["x:y", "x"]), column("b", ["z", "y:z"]))
    assert result.levels is not None
    assert sorted(result.levels.labels or ()) == ["x:y:z", "x:y:z_2"]


def test_dummies() -> None:
    result = array("dummies", CHEESE)
    assert plain(result) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert result.axes == (Axis("row", 4), Axis("cheese", 3, ("A", "B", "C")))


@pytest.mark.parametrize(
    ("drop", "labels"),
    [("A", ("B", "C")), (1, ("B", "C")), (Symbol("first"), ("B", "C")), (Symbol("last"), ("A", "B")), (2, ("A", "C"))],
)
def test_dummies_drop_a_level(drop: Any, labels: tuple[str, ...]) -> None:
    result = array("dummies", CHEESE, drop=drop)
    assert result.axes[1] == Axis("cheese", 2, labels)
    assert plain(result)[1] == [float(label == "A") for label in labels]


def test_dummies_of_numbers_drop_a_name() -> None:
    assert array("dummies", column("year", [2000, 2001]), drop="2000").axes[1].labels == ("2001",)


def test_lag() -> None:
    x = column("y", [1, None, 3, 4])
    assert plain(array("lag", x)) == [None, 1, None, 3]
    assert plain(array("lag", x, 2)) == [None, None, 1, None]
    assert plain(array("lag", x, -1)) == [None, 3, 4, None]
    assert plain(array("lag", x, 0)) == [1, None, 3, 4]
    assert plain(array("lag", x, 9)) == [None] * 4
    assert array("lag", x).name == "y"


AGE, INCOME = column("age", [1, 2]), column("income", [0.5, 1.5])
DUMMIES = Array(np.eye(2), (Axis("row", 2), Axis("g", 2, ("A", "B"))))


@pytest.mark.parametrize(
    ("items", "entries", "labels"),
    [
        ((AGE, INCOME), [[1.0, 0.5], [2.0, 1.5]], ("age", "income")),
        ((1, DUMMIES), [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]], ("1", "A", "B")),
        ((value([7, 8]), AGE), [[7, 1], [8, 2]], ("x1", "age")),
        ((value([7, 8]), 1), [[7, 1], [8, 1]], None),
        ((DUMMIES, AGE), [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]], ("A", "B", "age")),
        ((DUMMIES, DUMMIES), [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]], ("g=A", "g=B", "g=A_2", "g=B_2")),
        ((AGE, AGE), [[1, 1], [2, 2]], ("age", "age_2")),
    ],
)
@pytest.mark.parametrize("name", ["hcat", "Matrix"])
def test_columns_side_by_side(name: str, items: tuple[Any, ...], entries: Any, labels: Any) -> None:
    result = array(name, *items)
    assert plain(result) == entries
    assert result.axes[1].labels == labels
    named_rows = any(item.axes[0].name == "row" for item in items if isinstance(item, Array))
    assert result.axes[0] == Axis("row" if named_rows else "", 2)


def test_one_matrix_stays_as_it_is() -> None:
    assert array("Matrix", DUMMIES).axes == DUMMIES.axes


def test_missing_entries_stay_side_by_side() -> None:
    assert plain(array("hcat", column("x", [1, None]), 1)) == [[1, 1], [None, 1]]


def test_a_name_is_given_once() -> None:
    fresh = named(value([1, 2]), "log_age")
    assert isinstance(fresh, Array)
    assert fresh.name == "log_age"
    assert named(AGE, "other") is AGE
    assert named(3, "other") == 3


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("levels", (column("g", ["a", None, "b", None]),), {}, "`levels`: `g` has missing entries (rows 2, 4)"),
    ("levels", ("a",), {}, 'needs a column, found the text "a"'),
    ("levels", ([[1, 2]],), {}, "needs a column, found a 1×2 matrix"),
    ("levels", (column("a", [1, 2]), column("b", [1])), {}, "columns of one length"),
    ("interaction", (CHEESE,), {}, "two columns or more"),
    ("dummies", (CHEESE,), {"drop": "D"}, "`cheese` has no level `D` to drop | its levels are A, B, C"),
    ("dummies", (CHEESE,), {"drop": 4}, "`cheese` has 3 levels, none of them at place 4 to drop"),
    ("dummies", (CHEESE,), {"drop": 1.0}, "`drop` is a place or the name of a level, found the number 1.0"),
    ("dummies", (CHEESE,), {"drop": True}, "has no level"),
    ("dummies", (CHEESE,), {"drop": "first"}, "has no level `first` to drop"),
    (
        "dummies",
        (YEAR,),
        {"drop": 2001},
        "`year` has 2 levels, none of them at place 2001 to drop | its levels are 1, 2",
    ),
    ("levels", (CHEESE,), {"order": ("C", "A")}, "`order` lacks the level `B` of `cheese` | its levels are A, B, C"),
    ("levels", (CHEESE,), {"order": ("C", "A", "B", "A")}, "`order` names the level `A` twice"),
    ("levels", (CHEESE,), {"order": ("A", "B", "C"), "reference": "B"}, "an order or a reference, not both"),
    ("levels", (CHEESE,), {"reference": "b"}, "`cheese` has no level `b` to be the reference | did you mean `B`?"),
    ("levels", (CHEESE, BACKGROUND), {"order": ("A", "B", "C")}, "an order or reference only where they share it"),
    ("levels", (CHEESE,), {"shared": 1}, "`shared` is true or false"),
    ("levels", (CHEESE, YEAR), {"shared": True}, "numbers columns of one kind together"),
    ("levels", (CHEESE, column("g", ["A", None])), {"shared": True}, "`g` has missing entries (row 2)"),
    ("dummies", (column("g", [None, 1]),), {}, "missing entries (row 1)"),
    ("lag", (3,), {}, "needs a column"),
    ("lag", (AGE, 1.5), {}, "the lag must be a whole number"),
    ("hcat", (AGE, column("z", [1, 2, 3])), {}, "as many rows in each part"),
    ("hcat", (AGE, CHEESE), {}, "as many rows"),
    ("hcat", (AGE, column("z", ["a", "b"])), {}, "mixes text and numbers"),
]


@pytest.mark.parametrize(("name", "args", "keywords", "words"), REFUSED)
def test_refused(name: str, args: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    assert words in message_of(name, args, **keywords)
