"""Helper functions, lambdas and functions as values stand for their bodies, as in Julia."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import mlmdsl
from mlmdsl.language.errors import SpecError
from tests.compiler.density import bound, log_density
from tests.compiler.evaluate import tracked

X = np.array([0.4, -1.2, 2.5, 0.9])
A, B = 0.7, -0.3


def value(helpers: str, expression: str) -> Any:
    """An expression of a, b (parameters) and x (data) under helper functions."""
    text = f"{helpers}\n@model function m(x)\n    a ~ Flat()\n    b ~ Flat()\n    result := {expression}\nend"
    return tracked(text, "result", {"a": A, "b": B}, x=X)


CASES: list[tuple[str, str, str, Any]] = [
    ("one line", "f(u, v) = u + 2v", "f(a, b)", A + 2 * B),
    ("block", "function f(u, v)\n    w = u * v\n    return w + 1\nend", "f(a, b)", A * B + 1),
    ("last expression", "function f(u, v)\n    w = u * v\n    w + 1\nend", "f(a, b)", A * B + 1),
    ("last assignment", "function f(u)\n    w = u + 1\nend", "f(a)", A + 1),
    ("default", "f(u, v=2) = u + v", "f(a)", A + 2),
    ("default given", "f(u, v=2) = u + v", "f(a, b)", A + B),
    ("default of an argument before", "f(u, v=2u) = u + v", "f(a)", 3 * A),
    ("keyword", "f(u; scale=2) = u * scale", "f(a; scale=b)", A * B),
    ("keyword default", "f(u; scale=2) = u * scale", "f(a)", A * 2),
    ("keyword with a comma", "f(u; scale=2) = u * scale", "f(a, scale=3)", A * 3),
    ("types", "function f(u::Real, v::Float64)\n    return u - v\nend", "f(a, b)", A - B),
    ("calls another", "g(u) = u^2\nf(u, v) = g(u) + g(v)", "f(a, b)", A**2 + B**2),
    ("another below", "f(u) = g(u) + 1\ng(u) = u^2", "f(a)", A**2 + 1),
    ("names of its own", "function f(u)\n    a = 10u\n    b = a + 1\n    return b\nend", "f(b) + a", 10 * B + 1 + A),
    ("dotted", "f(u) = u^2 + 1", "f.(x)", X**2 + 1),
    ("dotted with a number", "f(u, v) = u * v", "f.(x, a)", X * A),
    ("dotted, two vectors", "f(u, v) = u * v", "f.(x, 2 .* x)", 2 * X**2),
    ("of a vector", "f(u) = u .- mean(u)", "f(x .* a)", (X - X.mean()) * A),
    ("of a vector and a loop", "f(u, k) = sum(u[1:2]) * k", "[f(x, k) for k in 1:3]", (X[0] + X[1]) * np.arange(1, 4)),
    ("tuple", "f(u) = (u, 2u)", "f(a)[2]", 2 * A),
    ("if on settings", "function f(u, squared)\n    if squared\n        return u^2\n    end\n    return u\nend",
     "f(a, true) + f(b, false)", A**2 + B),
    ("if on values", "function f(u)\n    if u > 0\n        return u\n    else\n        return -2u\n    end\nend",
     "f(a) + f(b)", A - 2 * B),
    ("elseif", "function f(u)\n    if u > 1\n        1.0\n    elseif u > 0\n        2.0\n    else\n        3.0\n    end\nend",
     "f(a) + 10f(b)", 32.0),
    ("ternary", "f(u) = u > 0 ? u : -2u", "f(a) + f(b)", A - 2 * B),
    ("loop", "function f(u)\n    total = 0.0\n    for v in u\n        total += v^2\n    end\n    return total\nend",
     "f(x) * a", (X**2).sum() * A),
    ("carried loop", "function f(u, r)\n    s = 0.0\n    for i in 1:length(u)\n        s = r * s + u[i]\n    end\n    return s\nend",
     "f(x, a)", ((X[0] * A + X[1]) * A + X[2]) * A + X[3]),
    ("filled array", "function f(u, r)\n    w = zeros(length(u))\n    for i in eachindex(u)\n        w[i] = r * u[i]\n    end\n    return w\nend",
     "f(x, a)", A * X),
    ("lambda", "", "(u -> u^2 + b)(a)", A**2 + B),
    ("lambda of two", "", "((u, v) -> u * v)(a, b)", A * B),
    ("map a helper", "f(u) = u^2", "map(f, x)", X**2),
    ("map with an index", "f(u, i) = u * i", "map(i -> f(x[i], i), 1:4)", X * np.arange(1, 5)),
    ("sum a helper", "f(u) = u^2", "sum(f, x)", (X**2).sum()),
    ("a function as argument", "apply(g, u) = g(u)\nsquare(u) = u^2", "apply(square, a) + apply(exp, b)", A**2 + np.exp(B)),
    ("pipe", "square(u) = u^2", "a |> square", A**2),
    ("composition of names", "softplus(u) = log1p(exp(u))", "softplus.(x .+ a)", np.log1p(np.exp(X + A))),
    ("shadows a function", "logistic(u) = 1 / (1 + exp(-u)) + 100", "logistic(a)", special.expit(A) + 100),
    ("comprehension inside", "K(u, ℓ) = [exp(-(u[i] - u[j])^2 / ℓ) for i in eachindex(u), j in eachindex(u)]", "K(x, a)",
     np.exp(-((X[:, None] - X[None]) ** 2) / A)),
]  # fmt: skip


@pytest.mark.parametrize(("helpers", "expression", "wanted"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_value(helpers: str, expression: str, wanted: Any) -> None:
    """The value of the call is that of the body."""
    np.testing.assert_allclose(value(helpers, expression), wanted, rtol=1e-12)


def test_local_function_of_a_model() -> None:
    """A lambda given a name in a model sees the model's names."""
    text = "@model function m(x)\n    a ~ Flat()\n    f = u -> a * u\n    result := f(2) .+ map(f, x)\nend"
    np.testing.assert_allclose(tracked(text, "result", {"a": A}, x=X), 2 * A + A * X)


def test_distribution_from_a_helper() -> None:
    """A helper may return a distribution, in a loop with arguments of its own."""
    text = (
        "half(s; scale=1) = truncated(Normal(0, s * scale); lower=0)\n"
        "function around(m, s)\n    shift = 2m\n    return Normal(shift, s)\nend\n"
        "@model function m(x, y)\n    s ~ half(2; scale=3)\n    t ~ filldist(half(1), 2)\n"
        "    for i in eachindex(y)\n        y[i] ~ around(x[i], s)\n    end\nend"
    )
    y, t = X[::-1].copy(), np.array([0.3, 1.2])
    wanted = (
        stats.halfnorm.logpdf(1.5, scale=6) + stats.halfnorm.logpdf(t).sum() + stats.norm.logpdf(y, 2 * X, 1.5).sum()
    )
    np.testing.assert_allclose(log_density(bound(text, x=X, y=y), {"s": 1.5, "t": t}), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("helpers", "expression", "said"),
    [
        ("f(u) = f(u - 1)", "f(a)", "recursive"),
        ("f(u) = g(u)\ng(u) = f(u)", "f(a)", "recursive"),
        ("f(u) = u", "f(a, b)", "takes 1 argument"),
        ("f(u, v) = u", "f(a)", "needs a value for `v`"),
        ("f(u; scale=1) = u", "f(a; size=2)", "no keyword `size`"),
        ("f(u) = a * u", "f(b)", "`a`"),
        ("function f(u)\n    v ~ Normal()\n    return v\nend", "f(a)", "draws nothing"),
        ("f(u) = u", "ff(a)", "unknown function"),
    ],
)
def test_refused(helpers: str, expression: str, said: str) -> None:
    """What a helper cannot do is said at its place."""
    with pytest.raises(SpecError) as caught:
        value(helpers, expression)
    assert said in str(caught.value)


def test_unused_helpers_do_no_harm() -> None:
    """A helper that nothing calls is not lowered."""
    text = "f(u) = undefined_there(u)\n@model function m()\n    a ~ Normal()\nend"
    assert mlmdsl.parse(text).bind().model_name == "m"
