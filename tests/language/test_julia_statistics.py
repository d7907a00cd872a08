"""Statistics and reductions against Julia's printed answers."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest

from mlmdsl.language.julia import call
from mlmdsl.language.types import Array, Axis, Extent
from tests.language.julia_cases import column, message_of, plain, run, same, value

M = [[1.0, 2.0], [3.0, 5.0], [8.0, 0.0]]

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("mean", ([1, 2, 3, 4],), {}, 2.5),
    ("mean", ((1, 2),), {}, 1.5),
    ("mean", (7,), {}, 7.0),
    ("mean", ([True, False, True, True],), {}, 0.75),
    ("mean", ([],), {}, nan),
    ("mean", (M,), {"dims": 1}, [[4.0, 7 / 3]]),
    ("mean", (M,), {"dims": 2}, [[1.5], [4.0], [4.0]]),
    ("mean", (M,), {"dims": (1, 2)}, [[19 / 6]]),
    ("mean", (M,), {"dims": 3}, M),
    ("std", ([1, 2, 3, 4],), {}, 1.2909944487358056),
    ("std", ([1, 2, 3, 4],), {"corrected": False}, 1.118033988749895),
    ("std", ([5.0],), {}, nan),
    ("std", (M,), {"dims": 1}, [[3.605551275463989, 2.516611478423583]]),
    ("var", ([1, 2, 3, 4],), {}, 1.6666666666666667),
    ("var", (M,), {"dims": 2}, [[0.5], [2.0], [32.0]]),
    ("median", ([3, 1, 2],), {}, 2.0),
    ("median", ([4, 1, 2, 3],), {}, 2.5),
    ("median", ([1.0, nan],), {}, nan),
    ("mad", ([1, 2, 3, 4, 100],), {}, 1.4826022185056018),
    ("mad", ([1, 2, 3, 4, 100],), {"normalize": False}, 1.0),
    ("mad", ([1, 2, 3, 4, 100],), {"center": 2, "normalize": False}, 1.0),
    ("quantile", ([1, 2, 3, 4], 0.25), {}, 1.75),
    ("quantile", ([1, 2, 3, 4], [0, 0.5, 1]), {}, [1.0, 2.5, 4.0]),
    ("quantile", ([10.0, 0.0], 0.05), {}, 0.5),
    ("minimum", ([3, 1, 2],), {}, 1),
    ("maximum", ([3.0, 1.0],), {}, 3.0),
    ("maximum", (["b", "a"],), {}, "b"),
    ("minimum", ([1.0, nan],), {}, nan),
    ("maximum", (M,), {"dims": 1}, [[8.0, 5.0]]),
    ("extrema", ([3, 1, 2],), {}, (1, 3)),
    ("sum", ([1, 2, 3],), {}, 6),
    ("sum", ([0.5, 0.25],), {}, 0.75),
    ("sum", ([True, True],), {}, 2),
    ("sum", ([],), {}, 0.0),
    ("sum", (M,), {"dims": 1}, [[12.0, 7.0]]),
    ("prod", ([2, 3, 4],), {}, 24),
    ("cumsum", ([1, 2, 3],), {}, [1, 3, 6]),
    ("cumsum", (M,), {"dims": 1}, [[1.0, 2.0], [4.0, 7.0], [12.0, 7.0]]),
    ("cumsum", (M,), {"dims": 2}, [[1.0, 3.0], [3.0, 8.0], [8.0, 8.0]]),
    ("cumprod", ([1, 2, 3],), {}, [1, 2, 6]),
    ("any", ([False, True],), {}, True),
    ("all", ([False, True],), {}, False),
    ("all", ([],), {}, True),
    ("count", ([True, False, True],), {}, 2),
    ("zscore", ([1, 2, 3],), {}, [-1.0, 0.0, 1.0]),
    ("zscore", ([[1, 10], [2, 20], [3, 30]], 1), {}, [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]),
    ("standardize", ([[1, 10], [2, 20], [3, 30]],), {}, [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]),
    ("standardize", ([1, None, 2, 3],), {}, [-1.0, None, 0.0, 1.0]),
    ("center", ([1, None, 2, 3],), {}, [-1.0, None, 0.0, 1.0]),
    ("center", ([[1, 10], [3, 30]],), {}, [[-1.0, -10.0], [1.0, 10.0]]),
    ("cov", ([1, 2, 3], [2, 4, 6]), {}, 2.0),
    ("cov", ([1, 2, 3],), {}, 1.0),
    ("cov", ([[1, 2], [2, 4], [3, 6]],), {}, [[1.0, 2.0], [2.0, 4.0]]),
    ("cor", ([1, 2, 3], [2, 4, 6]), {}, 1.0),
    ("cor", ([1, 2, 3, 4], [1, 3, 2, 4]), {}, 0.8),
    ("cor", ([[1, 1], [2, 3], [3, 2], [4, 4]],), {}, [[1.0, 0.8], [0.8, 1.0]]),
    ("cor", ([1, 1], [1, 2]), {}, nan),
    ("logsumexp", ([1.0, 2.0, 3.0],), {}, 3.4076059644443806),
    ("logsumexp", ([1000.0, 1000.0],), {}, 1000.6931471805599),
    ("logsumexp", ([-inf, -inf],), {}, -inf),
    ("logsumexp", ([inf, 1.0],), {}, inf),
    ("softmax", ([1.0, 2.0, 3.0],), {}, [0.09003057317038046, 0.24472847105479767, 0.6652409557748219]),
    ("softmax", ([[0.0, 0.0], [0.0, 0.0]],), {"dims": 1}, [[0.5, 0.5], [0.5, 0.5]]),
]


@pytest.mark.parametrize(("name", "args", "keywords", "wanted"), CASES)
def test_answers(name: str, args: tuple[Any, ...], keywords: dict[str, Any], wanted: Any) -> None:
    found = run(name, args, **keywords)
    assert same(found, wanted), found


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("mean", ([1.0, None, 2.0],), {}, "missing entries (row 2) | use skipmissing(x)"),
    ("mean", (["a", "b"],), {}, 'needs numbers, found a text vector of length 2 ("a" in row 1)'),
    ("mean", ([1, 2],), {"dims": 0}, "`dims` counts from 1, found 0"),
    ("mean", ([1, 2],), {"dims": 1.5}, "`dims` must be a whole number"),
    ("std", ([1, 2],), {"corrected": 1}, "`corrected` is true or false"),
    ("median", ([],), {}, "`median` of an empty array"),
    ("maximum", ([],), {}, "`maximum` of an empty array"),
    ("quantile", ([1, 2], 1.5), {}, "between 0 and 1, found the number 1.5"),
    ("quantile", ([1.0, nan], 0.5), {}, "holds NaN"),
    ("sum", ([2**62, 2**62],), {}, "does not fit in 64 bits"),
    ("cumsum", (M,), {}, "needs `dims`"),
    ("any", ([1, 0],), {}, "needs true and false"),
    ("standardize", ([2, 2, 2],), {}, "is constant (all values are 2)"),
    ("standardize", ([[1, 2], [1, 3]],), {}, "column 1 is constant (all values are 1)"),
    ("standardize", ([1.0, inf],), {}, "holds NaN or Inf (row 2)"),
    ("zscore", ([2, 2, 2],), {}, "is constant"),
    ("zscore", ([1, None, 2],), {}, "missing entries (row 2)"),
    ("cov", ([1, 2], [1, 2, 3]), {}, "one length, found 2 and 3"),
]


@pytest.mark.parametrize(("name", "args", "keywords", "words"), REFUSED)
def test_refused(name: str, args: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    assert words in message_of(name, args, **keywords)


def test_missing_entries_are_named_by_column_and_row() -> None:
    entries: list[Any] = [None if k in (2, 16) else float(k) for k in range(20)]
    assert "`income` has missing entries (rows 3, 17) | use skipmissing(income)" in message_of(
        "std", (column("income", entries),)
    )


def test_a_constant_column_is_named() -> None:
    assert "column `age` is constant" in message_of("standardize", (column("age", [3, 3, 3]),))


def test_standardize_keeps_axis_and_name() -> None:
    x = column("age", [1.0, 2.0, 3.0])
    result = call("standardize", [x])
    assert isinstance(result, Array)
    assert (result.axes, result.name) == (x.axes, "age")


def test_dims_keep_the_other_axis() -> None:
    x = Array(np.ones((3, 2)), (Axis("row", 3), Axis("k", 2, ("A", "B"))))
    result = call("mean", [x], {"dims": 1})
    assert isinstance(result, Array)
    assert result.axes == (Axis("", 1), Axis("k", 2, ("A", "B")))


def test_the_greatest_code_is_the_size_of_the_levels() -> None:
    codes = call("levels", [column("g", ["b", "a", "b"])])
    greatest = call("maximum", [codes])
    assert greatest == 2
    assert isinstance(greatest, Extent)
    assert greatest.axis == Axis("g", 2, ("a", "b"))


def test_mad_estimates_the_standard_deviation_of_a_normal() -> None:
    # the constant is 1 / Φ⁻¹(3/4)
    from scipy.stats import norm

    assert plain(call("mad", [value([-1.0, 0.0, 1.0])])) == pytest.approx(1 / norm.ppf(0.75), rel=1e-15)
