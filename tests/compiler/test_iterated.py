"""Loops over arrays that their bodies change, and parts of arrays: Julia's value, or a refusal with a place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlmdsl import SpecError
from tests.compiler.density import bound, log_density
from tests.compiler.evaluate import tracked

REFUSED = [
    ("changed and replaced", "s = [1.0, 2.0, a]\nfor v in s\n s[2] = v\n s = s .* a\nend", "changes and replaces"),
    ("a row", "s = zeros(2, 2)\nfor row in eachrow(s)\n row .= 1\nend", "is a part of what this loop runs over"),
    ("an element of a row", "s = zeros(2, 2)\nfor (i, row) in enumerate(eachrow(s))\n row[1] = i\nend", "is a part of"),
    ("a transpose", "s = zeros(2, 2)\nw = s'\nw[1, 2] = 5", "is a view"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_with_a_place(body: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        tracked(f"@model function m(g)\na ~ Normal(0, 1)\n{body}\nr := s\nend", "r", {"a": 0.5}, g=np.array([2, 3, 1]))
    assert all(found.span is not None for found in error.value.diagnostics)


TAKEN = [
    ("each at its turn", "s = [1.0, 2.0, a]\nfor (i, v) in enumerate(s)\n s[i] = 2v\nend", [2, 4, 1]),
    ("an element ahead", "s = [1.0, 2.0, a]\nfor v in s\n s[2] *= 2\n s[3] = v\nend", [1, 16, 4]),
    ("from the end", "s = [1.0, 2.0, a]\nfor (i, v) in enumerate(s)\n s[4 - i] = v\nend", [1, 2, 1]),
    ("by another name", "s = [1.0, 2.0, a]\nw = s\nfor v in s\n w[2] = 2v\nend", [1, 1, 0.5]),
    (
        "what it was, in order",
        "s = [1.0, 2.0, a]\nc = a\nfor (i, v) in enumerate(s)\n s[i] = 2v\n c = c + v\nend\ns[1] = c",
        [4, 4, 1],
    ),
    ("a copy", "s = [1.0, 2.0, a]\nfor v in copy(s)\n s[2] += v\nend", [1, 5.5, 0.5]),
    ("the array itself", "s = zeros(2)\nw = identity(s)\nw[1] = 5", [5, 0]),
    ("another array", "s = zeros(2)\nfor (i, v) in enumerate([3.0, a])\n s[3 - i] = v\nend", [0.5, 3]),
]


@pytest.mark.parametrize(("body", "wanted"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_taken(body: str, wanted: Any) -> None:
    text = f"@model function m()\na ~ Normal(0, 1)\n{body}\nr := s\nend"
    assert tracked(text, "r", {"a": 0.5}).tolist() == wanted


def test_observing_data_changes_nothing() -> None:
    text = "@model function m(y)\na ~ Normal(0, 1)\nfor (t, before) in zip(2:3, y)\n y[t] ~ Normal(a * before, 1)\nend\nend"
    y = np.array([0.5, -0.3, 1.2])
    wanted = stats.norm.logpdf(0.7) + stats.norm.logpdf(y[1:], 0.7 * y[:-1]).sum()
    assert log_density(bound(text, y=y), {"a": 0.7}) == pytest.approx(wanted, rel=1e-12)
