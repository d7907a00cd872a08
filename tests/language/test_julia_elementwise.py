"""Functions of numbers against Julia's answers; special functions against SciPy."""

from __future__ import annotations

from math import inf, nan, pi
from typing import Any

import numpy as np
import pytest
import scipy.special

from mlmdsl.language.julia import call
from mlmdsl.language.types import MISSING, Array, Axis, NumberType
from tests.language.julia_cases import column, message_of, plain, run, same, value

INT = NumberType.INT

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("abs", (-3,), {}, 3),
    ("abs", ([-1.5, None],), {}, [1.5, None]),
    ("sign", ([-2.0, 0.0, 3.0],), {}, [-1.0, 0.0, 1.0]),
    ("sqrt", (2,), {}, 1.4142135623730951),
    ("sqrt", ([4, 9],), {}, [2.0, 3.0]),
    ("sqrt", (True,), {}, 1.0),
    ("exp", (1,), {}, 2.718281828459045),
    ("exp", (1000,), {}, inf),
    ("expm1", (1e-10,), {}, 1.00000000005e-10),
    ("log", (10,), {}, 2.302585092994046),
    ("log", (0,), {}, -inf),
    ("log", (2, 8), {}, 3.0),
    ("log1p", (-1,), {}, -inf),
    ("log2", (8,), {}, 3.0),
    ("log10", (1000,), {}, 3.0),
    ("sin", (pi,), {}, 1.2246467991473532e-16),
    ("atan", (1,), {}, pi / 4),
    ("atan", (1, -1), {}, 3 * pi / 4),
    ("tanh", (0.5,), {}, 0.46211715726000973),
    ("acos", (1,), {}, 0.0),
    ("logistic", ([0, 800.0, -800.0],), {}, [0.5, 1.0, 0.0]),
    ("invlogit", (2,), {}, 0.8807970779778823),
    ("logit", (0.25,), {}, -1.0986122886681098),
    ("logit", ([0, 1],), {}, [-inf, inf]),
    ("log1pexp", (800.0,), {}, 800.0),
    ("round", (2.5,), {}, 2.0),
    ("round", (-1.5,), {}, -2.0),
    ("round", (2.71828,), {"digits": 2}, 2.72),
    ("round", (1234.0,), {"digits": -2}, 1200.0),
    ("round", (7,), {}, 7),
    ("round", (INT, 2.6), {}, 3),
    ("floor", ([-1.5, 1.5],), {}, [-2.0, 1.0]),
    ("ceil", (INT, [0.2, 1.0]), {}, [1, 1]),
    ("trunc", (-1.7,), {}, -1.0),
    ("Int", (3.0,), {}, 3),
    ("Int", ([1.0, None],), {}, [1, None]),
    ("float", (3,), {}, 3.0),
    ("Bool", ([0, 1],), {}, [False, True]),
    ("max", (1, 2.5), {}, 2.5),
    ("max", ([1, 5], 3), {}, [3, 5]),
    ("min", (3, 1, 2), {}, 1),
    ("clamp", ([-1, 5, 11], 0, 10), {}, [0, 5, 10]),
    ("rem", (-7, 3), {}, -1),
    ("mod", (-7, 3), {}, 2),
    ("mod1", ([11, 12, 13], 12), {}, [11, 12, 1]),
    ("div", (7, -2), {}, -3),
    ("fld", (-7, 2), {}, -4),
    ("xor", (True, True), {}, False),
    ("isnan", ([1.0, nan],), {}, [False, True]),
    ("iszero", (0.0,), {}, True),
    ("isodd", ([1, 2, -3],), {}, [True, False, True]),
    ("iseven", (4,), {}, True),
    ("factorial", (5,), {}, 120),
    ("factorial", (20,), {}, 2432902008176640000),
    ("binomial", (5, 2), {}, 10),
    ("binomial", ([5, 5], [0, 6]), {}, [1, 0]),
    ("binomial", (62, 31), {}, 465428353255261088),
    ("beta", (2, 3), {}, 1 / 12),
    ("gamma", (5,), {}, 24.0),
    ("gamma", (0,), {}, inf),
    ("gamma", (200.0,), {}, inf),
    ("loggamma", (1,), {}, 0.0),
    ("erf", (0.5,), {}, 0.5204998778130465),
    ("ifelse", (True, 1, 2.5), {}, 1),
    ("ifelse", ([True, False], 1, 2.5), {}, [1.0, 2.5]),
    ("ifelse", ([True, False], ["a", "b"], "c"), {}, ["a", "c"]),
    ("ifelse", ([True, False], MISSING, [1.0, 2.0]), {}, [None, 2.0]),
    ("ifelse", ([True, False], [1, 2], [None, 4]), {}, [1, 4]),
    ("ifelse", ([True, False], [1.0, 2.0], [None, None]), {}, [1.0, None]),
    ("ismissing", ([1, None],), {}, [False, True]),
    ("ismissing", (MISSING,), {}, True),
    ("ismissing", (1,), {}, False),
    ("coalesce", ([1, None, 3], 0), {}, [1, 0, 3]),
    ("coalesce", (MISSING, MISSING, 2), {}, 2),
    ("coalesce", (MISSING, MISSING), {}, MISSING),
    ("coalesce", ([None, "a"], "?"), {}, ["?", "a"]),
    ("skipmissing", ([1.5, None, 2.5],), {}, [1.5, 2.5]),
    ("exp", (MISSING,), {}, MISSING),
]


@pytest.mark.parametrize(("name", "args", "keywords", "wanted"), CASES)
def test_answers(name: str, args: tuple[Any, ...], keywords: dict[str, Any], wanted: Any) -> None:
    found = run(name, args, **keywords)
    assert same(found, wanted), found


REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("sqrt", (-1,), {}, "`sqrt` of a number below 0: found -1"),
    ("log", ([1.0, -2.0],), {}, "`log` of a number below 0: found -2.0 at entry 2"),
    ("log", ([[1.0, 2.0], [3.0, -4.0]],), {}, "at entry 2, 2"),
    ("log", ("a",), {}, "needs numbers"),
    ("log", (-2, 8), {}, "`log` below 0"),
    ("log1p", (-1.5,), {}, "below -1"),
    ("asin", (1.5,), {}, "outside -1…1"),
    ("logit", (1.5,), {}, "outside 0…1"),
    ("sin", (inf,), {}, "an infinite number"),
    ("gamma", (-2,), {}, "a negative whole number"),
    ("loggamma", (-0.5,), {}, "gamma is negative"),
    ("Int", (1.5,), {}, "not whole: found 1.5 | round(Int, x)"),
    ("Int", (nan,), {}, "not whole"),
    ("Bool", (2,), {}, "not 0 or 1"),
    ("round", (1.5, 2), {}, "`round(x; digits=2)`"),
    ("max", ([1, 2],), {}, "`maximum(x)`"),
    ("factorial", (21,), {}, "needs 0…20: found 21"),
    ("factorial", (2.0,), {}, "whole number"),
    ("binomial", (100, 50), {}, "past 64 bits"),
    ("binomial", (-1, 1), {}, "below 0"),
    ("ifelse", (1, 2, 3), {}, "needs true or false, found the number 1"),
    ("ifelse", ([True, None], 1, 2), {}, "the condition is missing (row 2)"),
    ("ifelse", ([True, False], "a", 1), {}, "mixes text and numbers"),
    ("isodd", (1.5,), {}, "not whole"),
]


@pytest.mark.parametrize(("name", "args", "keywords", "words"), REFUSED)
def test_refused(name: str, args: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    assert words in message_of(name, args, **keywords)


GRID = np.concatenate([np.linspace(-5.3, 5.2, 43), [1e-8, 0.5, 12.0, 1e3, 1e6]])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("digamma", scipy.special.digamma),
        ("gamma", scipy.special.gamma),
        ("erf", scipy.special.erf),
        ("erfc", scipy.special.erfc),
        ("logistic", scipy.special.expit),
    ],
)
def test_special_functions(name: str, reference: Any) -> None:
    # 1e-12: the reflection of digamma loses some digits beside its poles
    assert np.allclose(run(name, (GRID.tolist(),)), reference(GRID), rtol=1e-12, atol=1e-14)


def test_loggamma_and_logbeta() -> None:
    x = GRID[GRID > 0]
    assert np.allclose(run("loggamma", (x.tolist(),)), scipy.special.gammaln(x), rtol=1e-13, atol=1e-15)
    small = x[x < 100]  # beyond, the difference of large logarithms loses digits
    found = run("logbeta", (small.tolist(), 2.5))
    assert np.allclose(found, scipy.special.betaln(small, 2.5), rtol=1e-12, atol=1e-12)


def test_text_in_a_column_of_numbers_is_found() -> None:
    assert 'text vector `age` of length 3 ("n/a" in row 2)' in message_of("log", (column("age", ["1", "n/a", "3"]),))


def test_a_missing_entry_is_outside_no_domain() -> None:
    assert run("log", ([1.0, None],)) == [0.0, None]
    assert run("gamma", ([1, None],)) == [1.0, None]
    assert run("digamma", ([1.0, None],))[1] is None


def test_axes_are_kept() -> None:
    x = Array(np.ones((2, 3)), (Axis("row", 2), Axis("k", 3, ("A", "B", "C"))))
    result = call("exp", [x])
    assert isinstance(result, Array)
    assert result.axes == x.axes


def test_skipmissing_keeps_levels_and_rows() -> None:
    x = Array(np.array([1, 0, 2]), (Axis("row", 3),), Axis("g", 2, ("a", "b")), np.array([False, True, False]), "g")
    result = call("skipmissing", [x])
    assert isinstance(result, Array)
    assert (plain(result), result.levels, result.axes) == ([1, 2], Axis("g", 2, ("a", "b")), (Axis("row", 2),))


def test_functions_leave_their_arguments_alone() -> None:
    x = value([1.0, None, 3.0])
    before = x.values.copy()
    for name in ("exp", "center", "standardize", "skipmissing", "sort", "reverse", "unique"):
        call(name, [x])
    assert np.array_equal(x.values, before, equal_nan=True)
