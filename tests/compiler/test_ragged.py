"""Ranges whose ends change from step to step, and end before they start: each iteration has the elements that Julia's has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.compiler.density import bound, log_density
from tests.compiler.evaluate import tracked

Y = np.array([0.5, -0.3, 1.2, 0.1])
START, STOP = np.array([1, 3, 3]), np.array([2, 2, 4])
"""Rows 1:2, none, and 3:4."""

SEEN = [
    ("up to the outer variable", "for i in 1:3, j in 1:i\n y[j] ~ Normal(a, 1)\nend", [0, 0, 1, 0, 1, 2]),
    ("from the outer variable", "for i in 1:3\n for j in i:3\n  y[j] ~ Normal(a, 1)\n end\nend", [0, 1, 2, 1, 2, 2]),
    ("to an end before", "for i in 1:3, j in i:1\n y[j] ~ Normal(a, 1)\nend", [0]),
    ("by columns of ends", "for i in 1:3\n for j in start[i]:stop[i]\n  y[j] ~ Normal(a, 1)\n end\nend", [0, 1, 2, 3]),
    ("by a counter", "k = 0\nfor i in 1:2\n k += i\n for j in 1:k\n  y[j] ~ Normal(a, 1)\n end\nend", [0, 0, 1, 2]),
    ("the same element again", "for i in 1:3, j in 1:i\n y[1] ~ Normal(a, 1)\nend", [0] * 6),
    ("parts at once", "for i in 1:3\n y[1:i] ~ filldist(Normal(a, 1), i)\nend", [0, 0, 1, 0, 1, 2]),
]


@pytest.mark.parametrize(("body", "seen"), [case[1:] for case in SEEN], ids=[case[0] for case in SEEN])
def test_ragged_observations(body: str, seen: list[int]) -> None:
    text = f"@model function m(y, start, stop)\na ~ Normal(0, 1)\n{body}\nend"
    model = bound(text, y=Y, start=START, stop=STOP)
    wanted = stats.norm.logpdf(0.7) + stats.norm.logpdf(Y[seen], 0.7).sum()
    assert log_density(model, {"a": 0.7}) == pytest.approx(wanted, rel=1e-12)


VALUES = [
    ("sums of parts", "s = zeros(3)\nfor i in 1:3\n s[i] = sum(y[start[i]:stop[i]])\nend\nr := s", [0.2, 0, 1.3]),
    ("sums over parts", "s = zeros(3)\nfor i in 1:3\n s[i] = sum(a for k in i:1)\nend\nr := s", [0.5, 0, 0]),
    ("counts", "r := [length(y[i:2]) for i in 1:4]", [2, 1, 0, 0]),
    (
        "a range that ends long before its start",
        "r := length(5:N) + sum([a for i in 5:N]) + length([i for i in 1:N-4])",
        0,
    ),
    ("a loop over nothing", "b = a\nfor i in 5:N\n b *= 2\nend\nr := b", 0.5),
]


@pytest.mark.parametrize(("body", "wanted"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES])
def test_ragged_values(body: str, wanted: Any) -> None:
    text = f"@model function m(y, start, stop, N)\na ~ Normal(0, 1)\n{body}\nend"
    assert tracked(text, "r", {"a": 0.5}, y=Y, start=START, stop=STOP, N=1) == pytest.approx(
        np.array(wanted), abs=1e-12
    )
