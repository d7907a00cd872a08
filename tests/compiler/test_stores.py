"""What may be stored in an array: Julia's `setindex!` takes whole numbers into whole numbers, and parts into parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlmdsl import SpecError
from tests.compiler.evaluate import tracked

REFUSED = [
    ("a fraction among whole numbers", "s = fill(1, 2)\ns[1] = 0.5", "holds whole numbers"),
    ("a fraction in a loop", "s = fill(1, 3)\nfor t in 2:3\n s[t] = 0.5\nend", "holds whole numbers"),
    ("a fraction added by group", "s = fill(0, 3)\nfor i in g\n s[i] += 0.5\nend", "holds whole numbers"),
    ("a parameter among whole numbers", "s = [1, 2, 3]\ns[2] = a", "holds whole numbers"),
    ("a fraction everywhere", "s = fill(1, 3)\ns .= 0.5", "holds whole numbers"),
    ("a fraction after a whole number", "s = fill(1, 3)\ns[1] = 2.0\ns[2] -= 0.5", "holds whole numbers"),
    ("a fraction added everywhere", "s = fill(1, 3)\ns .+= 0.5", "holds whole numbers"),
    ("a number in all places", "s = zeros(3)\ns[:] = 1", "many places"),
    ("a number in some places", "s = zeros(3)\ns[1:2] = a", "many places"),
    ("a number by codes", "s = zeros(3)\ns[g] = 1", "many places"),
    ("a number in a row", "s = zeros(3, 2)\ns[1, :] = 1", "many places"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_with_a_place(body: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        tracked(f"@model function m(g)\na ~ Normal(0, 1)\n{body}\nr := s\nend", "r", {"a": 0.5}, g=np.array([1, 3]))
    assert all(found.span is not None for found in error.value.diagnostics)


TAKEN = [
    ("a whole number written as a real", "s = fill(1, 2)\ns[1] = 3.0", [3, 1]),
    ("whole numbers counted", "s = fill(0, 3)\nfor i in g\n s[i] += 1\nend", [1, 0, 1]),
    ("whole numbers in an array of reals", "s = zeros(3)\ns .= 1\ns[2] = 5", [1, 5, 1]),
    ("a number in each place", "s = zeros(3)\ns[2:end] .= a", [0, 0.5, 0.5]),
    (
        "a fraction after whole numbers, among reals",
        "s = zeros(3)\nfor i in 1:3\n s[i] = i\nend\ns[2] = a",
        [1, 0.5, 3],
    ),
    ("an array in its part", "s = zeros(3)\ns[2:3] = [a, 1]", [0, 0.5, 1]),
    ("a place that N counts", "s = zeros(3)\nfor j in 1:1\n s[N + 1] += 1\nend", [0, 0, 1]),
]


@pytest.mark.parametrize(("body", "wanted"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_taken(body: str, wanted: Any) -> None:
    text = f"@model function m(g, N)\na ~ Normal(0, 1)\n{body}\nr := s\nend"
    assert tracked(text, "r", {"a": 0.5}, g=np.array([1, 3]), N=2).tolist() == wanted


SIZES = [
    ("of a part", "r := length(y[N:end])", 2),
    ("of each part", "r := sum([length(y[n:3]) for n in 1:3])", 6),
    ("of a mask, in a loop that carries", "t = 0.0\nfor n in 1:2\n t = 2t + length(y[y .> n])\nend\nr := t", 8),
    (
        "of an array made from data that a loop runs over",
        "h = fill(0.5, N)\nt = 0.0\nfor v in h\n t -= N\nend\nr := t",
        -4,
    ),
]


@pytest.mark.parametrize(("body", "wanted"), [case[1:] for case in SIZES], ids=[case[0] for case in SIZES])
def test_sizes_that_the_data_tell(body: str, wanted: float) -> None:
    text = f"@model function m(y, N)\n{body}\na ~ Normal(0, 1)\nend"
    assert tracked(text, "r", {"a": 0.5}, y=np.array([1.5, 2.5, 3.5]), N=2).tolist() == wanted


@pytest.mark.parametrize("condition", ["0", "n", "y[n]"])
def test_a_condition_that_is_a_number_is_refused(condition: str) -> None:
    text = f"@model function m(y)\na ~ Normal(0, 1)\nr := sum([1 for n in 1:2 if {condition}])\nend"
    with pytest.raises(SpecError, match="truth value"):
        tracked(text, "r", {"a": 0.5}, y=np.array([1.5, 2.5]))


COUNTED = [
    ("data added up in two loops", "t = 0\nrun = zeros(3)\nfor i in 1:3\n for s in 1:2\n  t += 1\n end\n run[i] = t\nend\nr := run", [2, 4, 6]),
    ("whole numbers of a column", "t = 0\nrun = zeros(2)\nfor i in 1:2\n t += c[i]\n run[i] = t\nend\nr := run", [3, 7]),
    ("a sum of nothing", "r := sum([v for v in y if y[1] > 9])", 0.0),
    ("sums of some or nothing", "r := [sum([v for v in y if v > k]) for k in 1:4]", [7.5, 6.0, 3.5, 0.0]),
    ("a condition on a parameter in a loop", "s = zeros(2)\nfor i in 1:2\n s[i] = sum([1 for v in y if i > a + v])\nend\nr := s", [0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), [case[1:] for case in COUNTED], ids=[case[0] for case in COUNTED])
def test_counted(body: str, wanted: Any) -> None:
    text = f"@model function m(y, c)\na ~ Normal(0, 1)\n{body}\nend"
    assert tracked(text, "r", {"a": 0.5}, y=np.array([1.5, 2.5, 3.5]), c=np.array([3, 4])).tolist() == wanted


def test_there_is_no_maximum_of_nothing() -> None:
    with pytest.raises(SpecError, match="no maximum of nothing"):
        tracked("@model function m()\na ~ Normal(0, 1)\nr := maximum(a for l in 2:1)\nend", "r", {"a": 0.5})
