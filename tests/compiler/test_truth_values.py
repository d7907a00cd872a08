"""Truth values that a loop keeps: flags, marks of what was seen, masks; each by the density written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.compiler.density import bound, log_density

norm = stats.norm.logpdf
a = 0.7
y = np.array([0.3, -1.2, 0.8, 2.1, -0.4])
x = np.array([-0.6, -0.1, 0.9, -1.5, 0.2])
g = np.array([2, 1, 2, 3, 1])
first = np.array([a, a, 2 * a, a, 2 * a])
above = np.cumsum(x > 0) > 0

CASES = {
    "marks": ("seen = falses(3)\nfor i in eachindex(y)\nif !seen[g[i]]\ny[i] ~ Normal(a, 1)\nseen[g[i]] = true\n"
              "else\ny[i] ~ Normal(2a, 1)\nend\nend", first),
    "marks by fill": ("seen = fill(false, 3)\nfor i in eachindex(y)\ny[i] ~ Normal(seen[g[i]] ? 2a : a, 1)\n"
                      "seen[g[i]] = true\nend", first),
    "flag": ("found = false\nfor i in eachindex(y)\nif !found && g[i] == 3\nfound = true\nend\n"
             "y[i] ~ Normal(found ? 2a : a, 1)\nend", np.array([a, a, a, 2 * a, 2 * a])),
    "flag by or": ("found = false\nfor i in eachindex(y)\nfound = found || x[i] > 0\n"
                   "y[i] ~ Normal(found ? 2a : a, 1)\nend", np.where(above, 2 * a, a)),
    "flag of a parameter": ("hit = false\nfor i in 1:5\nhit = hit || x[i] > a\ny[i] ~ Normal(hit ? 2a : a, 1)\nend",
                            np.where(np.cumsum(x > a) > 0, 2 * a, a)),
    "toggle": ("on = true\nfor i in 1:5\ny[i] ~ Normal(a * on, 1)\non = !on\nend", a * np.array([1, 0, 1, 0, 1])),
    "counted": ("t = trues(5)\nt[2] = false\nfor i in 3:4\nt[i] = x[i] > 0\nend\ny ~ MvNormal(fill(a * sum(t), 5), I)",
                np.full(5, a * 3)),
    "stored comparisons": ("up = falses(5)\nfor i in 1:5\nup[i] = a > x[i]\nend\ny ~ MvNormal(a .* up, I)", a * (a > x)),
    "marks at places": ("t = falses(3)\nfor k in [3, 1]\nt[k] = true\nend\n"
                        "for i in 1:5\ny[i] ~ Normal(!t[g[i]] ? 2a : a, 1)\nend", np.array([2 * a, a, 2 * a, a, a])),
    "marks by data": ("t = falses(5)\nfor i in 1:3\nt[g[i + 1]] = true\nend\n"
                      "y ~ MvNormal(a .* .!t, I)", a * np.array([0, 0, 0, 1, 1])),
    "one and zero": ("t = falses(5)\nt[2] = 1\nt[3] = 0\ny ~ MvNormal(a .* t, I)", a * np.array([0, 1, 0, 0, 0])),
    "numbers": ("y ~ MvNormal(falses(5) .+ a .* trues(5), I)", np.full(5, a)),
    "chosen": ("y ~ MvNormal(ifelse.(trues(5), a, 0.0), I)", np.full(5, a)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_density(case: str) -> None:
    body, means = CASES[case]
    text = f"@model function m(y, x, g)\na ~ Normal(0, 1)\n{body}\nend"
    expected = float(norm(a) + norm(y, means, 1).sum())
    assert log_density(bound(text, y=y, x=x, g=g), {"a": a}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("expression", ["!a", "a && true", "false || a", ".!x"])
def test_reals_are_no_truth_values(expression: str) -> None:
    text = f"@model function m(y, x)\na ~ Normal(0, 1)\nz = {expression}\ny ~ Normal(a, 1)\nend"
    with pytest.raises(mlmdsl.SpecError, match="truth value"):
        mlmdsl.parse(text).bind(y=0.3, x=x)


@pytest.mark.parametrize(
    "body",
    ["for i in 1:5\nt[g[i]] += 1\nend", "t[1] = 2", "t[2] = g[1]", "for i in 1:3\nt[i] = g[i]\nend", "t[1] = x[1]"],
)
def test_numbers_are_no_truth_values(body: str) -> None:
    """Julia converts 0 and 1, and has an InexactError for all others."""
    text = f"@model function m(y, x, g)\na ~ Normal(0, 1)\nt = falses(3)\n{body}\ny ~ MvNormal(a .* t[g], I)\nend"
    with pytest.raises(mlmdsl.SpecError, match="truth values"):
        mlmdsl.parse(text).bind(y=y, x=x, g=g)
