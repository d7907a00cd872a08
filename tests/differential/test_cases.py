"""Programs that were once computed otherwise than Julia computes them, each the smallest of its kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.differential.compare import compare
from tests.differential.programs import Program

X = np.array([-1.8, 0.43, -0.43, 2.0])
PLACES = np.array([2, 1, 1, 3])

CASES = {
    "a slice of data under two names": "s = x[1:end]; w = s; s[g[4]] -= 1; seen := w",
    "a copy of data under two names": "s = copy(x); w = s; s[1] *= 0.5; seen := w",
    "an exchange with a name of the step": "t = 0.5\nfor j in 1:5\nc = 0.0; (c, t) = (t, c)\nend\nseen := t",
    "an exchange with a name `part`": "part = 0.5\nfor j in 1:5\nc = j; (part, c) = (c + part, part)\nend\nseen := part",
    "a range of a name that changes": "t = 0.0\nfor j in 1:2\nc = j; r = 1:c; c = 9\nfor k in r\nt = t * 2 + c\nend\nend\nseen := t",
    "an exchange in a branch": "t = 0.5\nfor j in 1:4\nif t < 1\nt += 1\nelse\nc = j; (c, t) = (t, c)\nend\nend\nseen := t",
    "two names stored into in a loop": "a = zeros(3); w = a\nfor t in 1:3\nw[t] += b\na[g[1]] = t\nend\nseen := w",
    "two names, the other first": "s = fill(0.0, 4); q = s\nfor t in 4:-1:1\ns[g[t]] -= b; q[t] *= 0.5\nend\nseen := s; also := q",
    "a loop over an array that its body replaces": "a = zeros(3); a[g[1]] -= b; t = 0.0\nfor n in a\nt = 2t + n; a = x\nend\nseen := t",
    "a diagonal": "A = zeros(4, 4)\nfor i in eachindex(x)\nA[i, i] = i\nend\nseen := A",
    "beside a diagonal": "A = zeros(4, 4)\nfor i in 1:3\nA[i, i + 1] = x[i]; A[i + 1, i] += b\nend\nseen := A",
    "a diagonal of rows": "A = zeros(2, 2, 4)\nfor i in 1:2\nA[i, i, :] = x .* i\nend\nseen := A",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_agrees(name: str) -> None:
    assert compare(_program(CASES[name])).kind == "agree", compare(_program(CASES[name]))


@pytest.mark.parametrize(
    "body",
    [
        "a = zeros(3); w = a\nfor n in a\nw[1] = n + 1; a = x\nend\nseen := w",
        "A = zeros(2, 2)\nfor i in 1:2\nA[i, i] .= 3\nend\nseen := A",
        "a = zeros(3); a[2] .*= 0.5; seen := a",
        "n = 0\nfor i in 1:1\nn += 1\nend\nx[n - 1]; seen := n",
        "c = fill(1, 4)\nfor n in 1:4\nif g[n] > 2\nc = x[1:4]\nend\nc[g[n]] = b\nend\nseen := c",
        "n = 0\nfor i in 1:1\nn += 1\nend\nf = (u, v) -> u; seen := f(1, x[n - 1])",
    ],
)
def test_is_refused(body: str) -> None:
    assert compare(_program(body)).kind in ("refused", "both refuse")


@pytest.mark.parametrize("family", ["Normal(-25, 2)", "Laplace(-25, 1)", "Logistic(-25, 1)", "Cauchy(-25, 0.1)"])
def test_truncation_far_out(family: str) -> None:
    """The reference's tails keep their digits where the distribution function is nearly 1."""
    assert compare(_program(f"x .~ truncated({family}; lower=-9)")).kind == "agree"


def _program(body: str) -> Program:
    arguments: dict[str, Any] = {"x": X, "g": PLACES}
    return Program(f"@model function m(x, g)\nb ~ Normal(0, 1)\n{body}\nend\n", arguments, {"b": 0.25})
