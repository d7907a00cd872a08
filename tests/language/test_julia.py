"""The table of functions on data: how it is called, and that no argument whatever brings a traceback."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from math import inf, nan
from typing import Any

import pytest

from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.julia import DATA_FUNCTIONS, call, index, operator, unary
from mlmdsl.language.julia_values import JuliaError
from mlmdsl.language.types import MISSING, Array, NumberType
from tests.language.julia_cases import column, message_of, value

ELSEWHERE = {"I", "PDMat", "Cholesky", "cholesky", "map", "broadcast", "reduce", "logpdf", "loglikelihood", "nrow"}
ELSEWHERE |= {"pdf", "cdf", "ccdf", "logcdf", "logccdf", "Eye"}
"""Functions of a spec that take functions or distributions, or are no arrays: the compiler's own."""


def test_every_function_of_a_spec_has_its_value_on_data() -> None:
    assert set(FUNCTIONS) - ELSEWHERE <= set(DATA_FUNCTIONS)


@pytest.mark.parametrize(
    ("name", "args", "keywords", "words"),
    [
        ("maen", ([1],), {}, "there is no function `maen` of data | did you mean `mean`?"),
        ("mean", (), {}, "`mean` takes 1 argument, found 0"),
        ("mean", ([1], [2]), {}, "`mean` takes 1 argument, found 2"),
        ("quantile", ([1],), {}, "`quantile` takes 2 arguments, found 1"),
        ("lag", (), {}, "`lag` takes 1 to 2 arguments, found 0"),
        ("fill", (), {}, "`fill` takes 1 or more arguments, found 0"),
        ("mean", ([1],), {"dim": 1}, "`mean` has no keyword `dim` | did you mean `dims`?"),
        ("hcat", (1,), {"stretch": False}, "`hcat` has no keyword `stretch`"),
        ("LowerTriangular", ([[1]],), {"lower": False}, "has no keyword `lower`"),
    ],
)
def test_arguments_are_checked(name: str, args: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    assert words in message_of(name, args, **keywords)


POOL: list[Any] = [
    *(0, 1, 2, -1, 3, 2**62, -(2**63), 2**64, True, False, 0.5, -1.5, 1e308, nan, inf, -inf, "", "a", "first"),
    *(MISSING, None, slice(None), NumberType.INT, NumberType.FLOAT),
    *(value(written) for written in ([], [1, 2, 3], [1.5, None, -2.0], [True, False], [True, None], ["a", "b", "a"])),
    *(value(written) for written in ([nan, inf, 1.0], [[1, 2], [3, 4]], [[1.0, None], [0.0, 1.0]], [[1, 2, 3]])),
    *(value(written) for written in ([None, None], ["a", None], [2**62, 2**62], [[[1], [2]], [[3], [4]]], [0, 0, 0])),
    *((), (1, 2), (1, "a"), ((1, 2), 3), column("g", ["b", "a", "b"]), call("levels", [column("g", ["b", "a", "b"])])),
]

KEYWORDS = ["dims", "corrected", "rev", "inner", "outer", "digits", "drop", "length", "step", "normalize", "center"]

OPERATORS = [*"+-*/\\^⋅%÷<>", "==", "!=", "<=", ">=", "===", "!==", "in", "&&", "||"]


def _is_value(found: Any) -> bool:
    """Whether a result is a value of the language, its arrays well formed."""
    if isinstance(found, tuple):
        return all(map(_is_value, found))
    if isinstance(found, Array):
        sizes = tuple(axis.size for axis in found.axes)
        labels = all(axis.labels is None or len(axis.labels) == axis.size for axis in found.axes)
        masked = found.missing is None or (found.missing.shape == found.values.shape and bool(found.missing.any()))
        return (
            found.values.shape == sizes and labels and masked and found.values.dtype.kind in "fibO" and found.ndim > 0
        )
    plain_kinds = (bool, int, float, str)
    return found is None or isinstance(found, plain_kinds) or found in (MISSING, *NumberType) or found == slice(None)


def _attempt(function: Any, *args: Any) -> None:
    """A call that may raise JuliaError, and nothing else; warnings count."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = function(*args)
    except JuliaError as error:
        assert error.message
    else:
        assert _is_value(found), (args, found)


@pytest.mark.parametrize("name", sorted(DATA_FUNCTIONS))
def test_any_arguments_give_a_value_or_an_error(name: str) -> None:
    choose = random.Random(name)
    for _ in range(200):
        args = choose.choices(POOL, k=choose.choice((0, 1, 1, 1, 2, 2, 3)))
        keywords = {choose.choice(KEYWORDS): choose.choice(POOL) for _ in range(choose.choice((0, 0, 1)))}
        _attempt(call, name, args, keywords)


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("dotted", [False, True])
def test_any_operands_give_a_value_or_an_error(op: str, dotted: bool) -> None:
    for a in POOL:
        for b in POOL:
            _attempt(operator, op, a, b, dotted)


def test_any_operand_and_index_give_a_value_or_an_error() -> None:
    for a in POOL:
        for op in ("+", "-", "!", "'"):
            _attempt(unary, op, a, True)
        for i in POOL:
            _attempt(index, a, [i])
            _attempt(index, a, [i, 1])
            _attempt(index, a, [slice(None), i])


def test_the_table_needs_numpy_alone() -> None:
    code = "import sys, mlmdsl.language.julia; print({'pandas', 'scipy', 'torch', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
