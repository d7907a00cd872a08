"""Loops that carry values, write into arrays of data, or write where the data say: each density against a loop in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.compiler.density import bound, log_density

Y = np.array([0.4, -1.2, 2.5, 0.9])
G = np.array([1, 2, 2, 3])
P = np.array([3, 1, 4, 2])
A = 0.3


def n(x: Any, m: Any = 0.0) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(x, m, 1.0)))


def means(name: str, lines: list[str], wanted: Any) -> Any:
    """A model whose rows of y have these means at a = 0.3."""
    wanted = np.asarray(wanted, dtype=float)
    return pytest.param("\n".join(["@model function m(y, g, p)", "a ~ Normal()", *lines, "end"]), wanted, id=name)


def matrix(put: bool) -> Any:
    """Elements (g[i], 1 or 2) of a matrix, added to or put."""
    made = np.zeros((3, 2))
    for i in range(4):
        made[G[i] - 1, i % 2] = A * Y[i] + (0 if put else made[G[i] - 1, i % 2])
    return made


def swapped() -> list[float]:
    """The first of two numbers after each of four steps u, v = v, u + v."""
    u, v, found = 1.0, A, []
    for _ in range(4):
        u, v = v, u + v
        found.append(u)
    return found


COUNTS = np.array([1.0, 2.0, 1.0])
BY_GROUP = np.array([Y[0], Y[1] + Y[2], Y[3]])
LAST = np.array([Y[0], Y[2], Y[3]])
THREE = "y[1:3] ~ MvNormal(x, I)"
ALL = "y ~ MvNormal(x, I)"
COPIES = "y ~ filldist(Normal(s, 1), 4)"

CASES = [
    means("counts", ["x = zeros(3)", "for i in eachindex(g) x[g[i]] += 1 end", "y[1:3] ~ MvNormal(a .+ x, I)"], A + COUNTS),
    means("counts in words", ["x = zeros(3)", "for i in eachindex(g) x[g[i]] = x[g[i]] + 1 end", "y[1:3] ~ MvNormal(a .+ x, I)"], A + COUNTS),
    means("nested carry", ["t = 0.0", "for i in 1:4", "for s in 1:2 t = t + 1 end", "y[i] ~ Normal(a + t, 1)", "end"], A + np.array([2, 4, 6, 8])),
    means("nested carry of two", ["t, u = 0.0, 1.0", "for i in 1:4", "for s in 1:2", "t, u = t + u, t", "end", "y[i] ~ Normal(a + t, 1)", "end"], A + np.array([1, 3, 8, 21])),
    means("carry in a branch", ["k = 0", "for i in 1:4", "if g[i] == 2", "k = k + 1", "end", "y[i] ~ Normal(a + k, 1)", "end"], A + np.array([0, 1, 2, 2])),
    means("carry through two loops", ["t = 0.0", "for i in 1:3 t = t + y[i] end", "w = t", "for i in 1:3 t = t + y[i] end", "y ~ filldist(Normal(a * w + t, 1), 4)"], [(A + 2) * sum(Y[:3])] * 4),
    means("a loop that may not run", ["k = 5", "for i in 1:4", "for j in 2:g[i] k = 1 end", "y[i] ~ Normal(a * k, 1)", "end"], A * np.array([5, 1, 1, 1])),
    means("running sum", ["x = zeros(4)", "x[1] = y[1]", "for i in 2:4 x[i] = x[i - 1] + y[i] end", "y ~ MvNormal(a .+ x, I)"], A + np.cumsum(Y)),
    means("lag", ["q = 0.0", "for i in 1:4", "y[i] ~ Normal(a + q, 1)", "q = y[i]", "end"], A + np.array([0, *Y[:3]])),
    means("swap of numbers", ["u, v = 0.0, 1.0", "for i in 1:4", "u, v = v, u", "y[i] ~ Normal(a + u, 1)", "end"], A + np.array([1, 0, 1, 0])),
    means("swap and sum", ["u, v = 1.0, a", "for i in 1:4", "u, v = v, u + v", "y[i] ~ Normal(u, 1)", "end"], swapped()),
    means("swap of elements", ["x = [1.0, 2.0, 3.0, 4.0]", "for i in 1:3 x[i], x[i + 1] = x[i + 1], x[i] end", "y ~ MvNormal(a .+ x, I)"], A + np.array([2, 3, 4, 1])),
    means("swap by a third", ["x = [1.0, 2.0, 3.0, 4.0]", "for i in 1:3", "t = x[i]", "x[i] = x[i + 1]", "x[i + 1] = t", "end", "y ~ MvNormal(a .+ x, I)"], A + np.array([2, 3, 4, 1])),
    means("a distribution keeps its parameters", ["t = 0.0", "for i in 1:4", "d = Normal(a + t, 1)", "t = t + 1", "y[i] ~ d", "end"], A + np.arange(4)),
    means("a range keeps its ends", ["t, s = 0, 0.0", "for i in 1:3", "t = t + 1", "r = 1:t", "t = t + 1", "for k in r s = s + k * a end", "end", COPIES], [A * 22] * 4),
    means("a tuple keeps its parts", ["t = 0.0", "for i in 1:4", "q = (t, a)", "t = t + 1", "y[i] ~ Normal(q[1] + q[2], 1)", "end"], A + np.arange(4)),
    means("over values", ["x = zeros(3)", "for j in g x[j] += a end", THREE], A * COUNTS),
    means("over values and places", ["x = zeros(3)", "for (i, j) in enumerate(g) x[j] += a * y[i] end", THREE], A * BY_GROUP),
    means("over pairs", ["x = zeros(3)", "for (j, v) in zip(g, y) x[j] -= a * v end", THREE], -A * BY_GROUP),
    means("over pairs, put", ["x = zeros(3)", "for (j, v) in zip(g, y) x[j] = a * v end", THREE], A * LAST),
    means("by an index, put", ["x = zeros(3)", "for i in 1:4 x[g[i]] = a * y[i] end", THREE], A * LAST),
    means("by an index, product", ["x = ones(3)", "for i in 1:4 x[g[i]] *= a * y[i] end", THREE], [A * Y[0], A**2 * Y[1] * Y[2], A * Y[3]]),
    means("distinct values, put", ["x = zeros(4)", "for j in p x[j] = a * y[j] + j end", ALL], A * Y + [1, 2, 3, 4]),
    means("matrix, added to", ["M = zeros(3, 2)", "for i in 1:4 M[g[i], 2 - i % 2] += a * y[i] end", "x = vec(M)[1:4]", ALL], matrix(False).ravel(order="F")[:4]),
    means("matrix, put", ["M = zeros(3, 2)", "for i in 1:4 M[g[i], 2 - i % 2] = a * y[i] end", "x = vec(M)[1:4]", ALL], matrix(True).ravel(order="F")[:4]),
    means("a row's own column", ["M = zeros(4, 3)", "for i in 1:4 M[i, g[i]] = a * y[i] end", "x = M[:, 2]", ALL], A * Y * (G == 2)),
    means("two loops into the inner", ["x = zeros(3)", "for i in 1:4, j in 1:3 x[j] += a * y[i] * j end", THREE], A * sum(Y) * np.arange(1, 4)),
    means("two loops into the outer", ["x = zeros(4)", "for i in 1:4, j in 1:3 x[i] += a * y[i] * j end", ALL], 6 * A * Y),
    means("filled and added to", ["x = zeros(4)", "for i in 1:4", "x[i] = a", "for j in 1:3 x[i] += a * y[i] * j end", "end", ALL], A + 6 * A * Y),
    means("shifted place", ["x = zeros(5)", "for i in 1:4 x[i + 1] = a * y[i] end", "y ~ MvNormal(x[2:5], I)"], A * Y),
    means("every other", ["x = zeros(4)", "for i in 1:2:4 x[i] = a * y[i] end", ALL], A * Y * [1, 0, 1, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_the_means_are_those_of_the_loop_run_in_order(text: str, wanted: Any) -> None:
    density = log_density(bound(text, y=Y, g=G, p=P), {"a": A})
    assert density == pytest.approx(n(A) + n(Y[: len(wanted)], wanted), rel=1e-10)


def test_a_name_that_a_generator_binds_anew_is_not_the_loops() -> None:
    lines = ["a ~ Normal()", "x = [1.0, 2.0, 3.0, 4.0]", "for i in 1:4 x[i] = a * sum(x[i] for i in 1:3) end", ALL]
    x = np.array([1.0, 2.0, 3.0, 4.0])
    for i in range(4):
        x[i] = A * x[:3].sum()
    density = log_density(bound("\n".join(["@model function m(y)", *lines, "end"]), y=Y), {"a": A})
    assert density == pytest.approx(n(A) + n(Y, x), rel=1e-10)


DRAWS = {
    "by a branch": ["if t == 1", "x[t] ~ Normal()", "else", "x[t] ~ Normal(x[t - 1], 1)", "end"],
    "by a choice": ["x[t] ~ Normal(t > 1 ? x[t - 1] : 0.0, 1)"],
}


@pytest.mark.parametrize("lines", DRAWS.values(), ids=DRAWS)
def test_elements_drawn_in_order_see_those_before(lines: list[str]) -> None:
    text = "\n".join(
        ["@model function m(y)", "x = zeros(4)", "for t in 1:4", *lines, "end", "y ~ MvNormal(x, I)", "end"]
    )
    x = np.array([0.3, 0.1, -0.2, 0.5])
    density = log_density(bound(text, y=Y), {f"x[{k + 1}]": x[k] for k in range(4)})
    assert density == pytest.approx(n(x, [0, *x[:3]]) + n(Y, x), rel=1e-10)


def test_elements_are_drawn_at_the_places_that_data_give() -> None:
    text = "@model function m(y, p)\nx = zeros(4)\nfor j in p x[j] ~ Normal(j, 1) end\ny ~ MvNormal(x, I)\nend"
    x = np.array([0.3, 0.1, -0.2, 0.5])
    density = log_density(bound(text, y=Y, p=P), {f"x[{k + 1}]": x[k] for k in range(4)})
    assert density == pytest.approx(n(x, np.arange(1, 5)) + n(Y, x), rel=1e-10)


SIZES = [
    ("a ~ Dirichlet(2, 1.0)\nb ~ Dirichlet(5, 1.0)\nc ~ Dirichlet(2, 1.0)\nd ~ Dirichlet(3, 1.0)", (2, 5, 2, 3)),
    ("a ~ filldist(Normal(), 2)\nb ~ filldist(Normal(), 5)\nc ~ filldist(Normal(), 2, 3)\nd ~ filldist(Normal(), 3)", (2, 5, (2, 3), 3)),
    ("a ~ LKJ(2, 1.0)\nb ~ LKJ(3, 1.0)\nc ~ LKJ(2, 2.0)\nd ~ LKJ(4, 1.0)", ((2, 2), (3, 3), (2, 2), (4, 4))),
    ("a ~ MvNormal(zeros(2), I)\nb ~ MvNormal(zeros(5), I)\nc ~ MvNormal(2, 1.0)\nd ~ MvNormal(4, 1.0)", (2, 5, 2, 4)),
    ("a ~ arraydist([Normal() for i in 1:2])\nb ~ arraydist([Normal() for i in 1:5])\nc ~ product_distribution(fill(Normal(), 2))\nd ~ Product(fill(Normal(), 3))", (2, 5, 2, 3)),
    ("a ~ filldist(Normal(), length([zeros(2); zeros(3)]))\nb ~ filldist(Normal(), length(vcat(zeros(4), 1.0, zeros(3))))\nc ~ filldist(Normal(), length(1:3))\nd ~ filldist(Normal(), length(2:2:8))", (5, 8, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "shapes"), SIZES)
def test_each_array_has_its_own_size(lines: str, shapes: tuple[Any, ...]) -> None:
    import pyro

    model = mlmdsl.parse(f"@model function m()\n{lines}\nend").bind()
    trace = pyro.poutine.trace(model.program).get_trace()
    wanted = tuple((shape,) if isinstance(shape, int) else shape for shape in shapes)
    assert tuple(tuple(trace.nodes[name]["value"].shape) for name in "abcd") == wanted


RAGGED = {
    "an inner loop as long as the step": ["for j in 1:3, k in 1:j y[k] ~ Normal(a * j, 1) end"],
    "an inner loop that carries too": ["t = 0.0", "for j in 1:3", "t = t + a", "for k in 1:j y[k] ~ Normal(t, 1) end", "end"],
    "an inner loop that starts empty": ["y[1] ~ Normal(a, 1)", "for j in 1:3, k in 1:(j - 1) y[k] ~ Normal(a * j, 1) end", "y[2] ~ Normal(2a, 1)", "y[3] ~ Normal(3a, 1)"],
}  # fmt: skip


@pytest.mark.parametrize("lines", RAGGED.values(), ids=RAGGED)
def test_inner_loops_of_unequal_lengths(lines: list[str]) -> None:
    density = log_density(bound("\n".join(["@model function m(y)", "a ~ Normal()", *lines, "end"]), y=Y), {"a": A})
    assert density == pytest.approx(n(A) + sum(n(Y[:j], A * j) for j in range(1, 4)), rel=1e-10)
