"""The reference itself, held against values worked out by hand and against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.differential.densities import univariate
from tests.differential.programs import program
from tests.differential.statements import Outcome, reference
from tests.differential.values import JuliaError


def run(body: str, values: dict[str, Any] | None = None, **arguments: Any) -> Outcome:
    """A model of these lines, run by the reference."""
    text = f"@model function m({', '.join(arguments)})\n{body}\nend"
    arrays = {name: np.array(value) if isinstance(value, list) else value for name, value in arguments.items()}
    return reference(mlmdsl.parse(text).tree, arrays, values or {})


def last(body: str, **arguments: Any) -> Any:
    """What the lines track as `r`."""
    value = run(body, **arguments).tracked["r"]
    return value.tolist() if isinstance(value, np.ndarray) else value


VALUES = [
    ("counts by group", "n = zeros(3)\nfor i in eachindex(g) n[g[i]] += 1 end\nr := n", {"g": [1, 2, 1, 3, 1]}, [3, 1, 1]),
    ("counts by value", "n = zeros(3)\nfor j in g n[j] += 1 end\nr := n", {"g": [1, 2, 1]}, [2, 1, 0]),
    ("a total through two loops", "t = 0.0\ns = zeros(3)\nfor n in 1:3\n for k in 1:2\n  t = t + 1\n end\n s[n] = t\nend\nr := s", {}, [2, 4, 6]),
    ("end of an indexed array", "r := (2 .* h[[2, 1, 3, 3]])[end-3]", {"h": [1.0, 2.0, 3.0]}, 4),
    ("two names, one array", "z = zeros(2)\nw = z\nw[1] = 5\nr := z", {}, [5, 0]),
    ("a new array", "z = zeros(2)\nw = z\nw = w .+ 1\nr := z", {}, [0, 0]),
    ("`.=` keeps the array", "z = zeros(2)\nw = z\nw .= w .+ 1\nr := z", {}, [1, 1]),
    ("`+=` of an array makes a new one", "z = zeros(2)\nw = z\nw += [1.0, 1.0]\nr := z", {}, [0, 0]),
    ("a copy", "z = zeros(2)\nw = copy(z)\nw[1] = 5\nr := z", {}, [0, 0]),
    ("a slice is a copy", "z = zeros(3)\nw = z[1:2]\nw[1] = 5\nr := z", {}, [0, 0, 0]),
    ("a swap", "z = [1.0, 2.0]\nz[1], z[2] = z[2], z[1]\nr := z", {}, [2, 1]),
    ("zip stops at the shorter", "r := [a + b for (a, b) in zip([1, 2, 3], [10, 20])]", {}, [11, 22]),
    ("whole numbers are exact", "r := 9007199254740993 - 9007199254740992", {}, 1),
    ("division of integers", "r := [7 ÷ 2, -7 ÷ 2, -7 % 3, mod(-7, 3)]", {}, [3, -3, -1, 2]),
    ("a chain", "r := 1 < 2 < 2 ? 1 : 0", {}, 0),
    ("first index fastest", "A = [1 2; 3 4]\nr := [A[3], vec(A)[2]]", {}, [2, 3]),
    ("a matrix of a comprehension", "r := [10i + j for i in 1:2, j in 1:3]", {}, [[11, 12, 13], [21, 22, 23]]),
    ("a mask", "r := x[x .> 1]", {"x": [1, 2, 3]}, [2, 3]),
    ("a row times a vector", "r := x' * x", {"x": [1.0, 2.0]}, 5),
    ("outer product", "r := [1, 2] * [3, 4]'", {}, [[3, 4], [6, 8]]),
    ("broadcasting lines up first axes", "r := [1, 2] .+ [10 20; 30 40]", {}, [[11, 21], [32, 42]]),
    ("a closure sees its names as they are", "t = 1\nf = x -> x + t\nt = 5\nr := f(1)", {}, 6),
    ("an inner name ends with its iteration", "s = 0\nfor i in 1:3\n k = i\n s += k\nend\nr := s", {}, 6),
    ("vcat of slices", "r := reduce(vcat, [x[1:1], x[2:3]])", {"x": [1, 2, 3]}, [1, 2, 3]),
    ("an empty range", "s = 0\nfor i in 3:2 s += 1 end\nr := s", {}, 0),
    ("backwards", "r := [i for i in 5:-2:1]", {}, [5, 3, 1]),
    ("a power", "r := [2^-1, 10^-3, 2^3]", {}, [0.5, 0.001, 8]),
    ("a quotient by zero", "r := 1 / 0", {}, float("inf")),
    ("the last value stored stays", "z = zeros(2)\nfor (i, v) in zip([1, 1], [5, 7]) z[i] = v end\nr := z", {}, [7, 0]),
    ("short circuit", "r := (length(x) > 3 && x[4] > 0) ? 1 : 2", {"x": [1, 2]}, 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "arguments", "wanted"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES]
)
def test_values(body: str, arguments: dict[str, Any], wanted: Any) -> None:
    assert last(body, **arguments) == wanted


ERRORS = [
    ("index 0", "r := x[g[1]]", {"x": [1.0], "g": [0]}, "bounds"),
    ("before the first", "for t in 1:2\n y[t] ~ Normal(y[t - 1], 1)\nend", {"y": [1.0, 2.0]}, "bounds"),
    ("past the end", "r := x[end + 1]", {"x": [1.0]}, "bounds"),
    ("a store past the end", "z = zeros(2)\nz[3] = 1", {}, "bounds"),
    ("a Bool as an index", "r := x[true]", {"x": [1.0]}, "type"),
    ("a number and a vector", "r := x + 1", {"x": [1.0, 2.0]}, "type"),
    ("two sizes", "r := x .+ z", {"x": [1.0, 2.0], "z": [1.0, 2.0, 3.0]}, "dimension"),
    ("a fraction among integers", "z = fill(0, 2)\nz[1] = 0.5", {}, "inexact"),
    ("a number to many places", "z = zeros(2)\nz[1:2] = 1", {}, "type"),
    ("a name before it is there", "r := q", {}, "undefined"),
    ("an inner name after its loop", "for i in 1:2\n k = i\nend\nr := k", {}, "undefined"),
    ("a negative root", "r := sqrt(x)", {"x": -1.0}, "domain"),
    ("a scale below 0", "x ~ Normal(0, -1)", {"x": 1.0}, "domain"),
    ("a store into a range", "z = 1:3\nz[1] = 2", {}, "readonly"),
    ("a condition that is a number", "r := 1 ? 2 : 3", {}, "type"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "arguments", "kind"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_errors(body: str, arguments: dict[str, Any], kind: str) -> None:
    with pytest.raises(JuliaError) as found:
        run(body, **arguments)
    assert found.value.kind == kind


def test_densities_add_up() -> None:
    body = "a ~ Normal(0, 2)\nh = zeros(2)\nfor i in 1:2\n h[i] ~ Normal(a, 1)\n y[i] ~ Normal(h[i], 0.5)\nend\n@addlogprob! a"
    y, h, a = np.array([1.0, 2.0]), np.array([0.3, 0.4]), 0.7
    wanted = stats.norm.logpdf(a, 0, 2) + stats.norm.logpdf(h, a).sum() + stats.norm.logpdf(y, h, 0.5).sum() + a
    assert run(body, {"a": a, "h": h}, y=y).log_density == pytest.approx(wanted, rel=1e-14)


FAMILIES = [
    ("Normal", [0.3, 2.0], 0.7, stats.norm(0.3, 2)),
    ("Cauchy", [0.3, 2.0], 0.7, stats.cauchy(0.3, 2)),
    ("TDist", [3.0], 0.7, stats.t(3)),
    ("Laplace", [0.3, 2.0], 0.7, stats.laplace(0.3, 2)),
    ("Logistic", [0.3, 2.0], 0.7, stats.logistic(0.3, 2)),
    ("Gumbel", [0.3, 2.0], 0.7, stats.gumbel_r(0.3, 2)),
    ("Uniform", [-1.0, 2.0], 0.7, stats.uniform(-1, 3)),
    ("Exponential", [2.0], 0.7, stats.expon(scale=2)),
    ("Gamma", [2.0, 3.0], 0.7, stats.gamma(2, scale=3)),
    ("InverseGamma", [2.0, 3.0], 0.7, stats.invgamma(2, scale=3)),
    ("LogNormal", [0.3, 2.0], 0.7, stats.lognorm(2, scale=np.exp(0.3))),
    ("Weibull", [2.0, 3.0], 0.7, stats.weibull_min(2, scale=3)),
    ("Beta", [2.0, 3.0], 0.7, stats.beta(2, 3)),
    ("Poisson", [2.5], 3, stats.poisson(2.5)),
    ("Binomial", [9, 0.3], 3, stats.binom(9, 0.3)),
    ("NegativeBinomial", [2.5, 0.4], 3, stats.nbinom(2.5, 0.4)),
    ("Geometric", [0.4], 3, stats.geom(0.4, loc=-1)),
    ("Bernoulli", [0.4], 1, stats.bernoulli(0.4)),
    ("LogPoisson", [0.5], 3, stats.poisson(np.exp(0.5))),
    ("BinomialLogit", [9, 0.5], 3, stats.binom(9, 1 / (1 + np.exp(-0.5)))),
    ("BernoulliLogit", [0.5], 0, stats.bernoulli(1 / (1 + np.exp(-0.5)))),
]


@pytest.mark.parametrize(("name", "parameters", "at", "law"), FAMILIES, ids=[case[0] for case in FAMILIES])
def test_families(name: str, parameters: list[float], at: float, law: Any) -> None:
    density = getattr(law, "logpdf", None) if hasattr(law.dist, "logpdf") else law.logpmf
    assert density is not None
    assert univariate(name, parameters).logpdf(at) == pytest.approx(density(at), rel=1e-12)


def test_programs_are_the_same_for_the_same_seed() -> None:
    first, second = program(7), program(7)
    assert first.text == second.text
    assert first.values.keys() == second.values.keys()
    assert all(np.array_equal(first.arguments[name], second.arguments[name]) for name in first.arguments)
