"""Statements: assignments of every form, tracked values, returns, densities added, missing arguments, names of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyro
import pytest
import torch
from scipy import stats

import mlmdsl
from mlmdsl.language.errors import MlmError, SpecError
from tests.compiler.density import bound, log_density
from tests.compiler.evaluate import tracked

Y = np.array([0.4, -1.2, 2.5, 0.9])


def normal(x: Any, m: Any = 0.0, s: Any = 1.0) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(x, m, s)))


def model(*lines: str, arguments: str = "y") -> str:
    """A model of these lines."""
    return "\n".join([f"@model function m({arguments})", *(f"    {line}" for line in lines), "end"])


def sites(text: str, **data: Any) -> dict[str, Any]:
    """What a program draws, by site."""
    pyro.set_rng_seed(1)
    trace = pyro.poutine.trace(bound(text, **data).program).get_trace()
    return {
        name: node
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and "_Subsample" not in type(node["fn"]).__name__
    }


# ── assignments ──────────────────────────────────────────────────────────────────────────────────────────────────────

ASSIGNMENTS: list[tuple[list[str], Any]] = [
    (["c = 2a", "result := c + 1"], 2.4),
    (["c, d = a, 2a", "result := d - c"], 0.7),
    (["c, d = (3, 4)", "result := c * a + d"], 6.1),
    (["c, d = [a, 3a]", "result := c + d"], 2.8),
    (["(c, d) = (a, 1)", "result := c + d"], 1.7),
    (["a2, a3 = a^2, a^3", "c, d = a3, a2", "result := c - d"], 0.7**3 - 0.7**2),
    (["c, d = 1, 2", "c, d = d, c", "result := c * a + d"], 2.4),
    (["n, k = size(X)", "result := n * a + k"], 4.8),
    (["c = a", "c += 1", "result := c"], 1.7),
    (["c = a", "c -= 1", "c *= 2", "c /= 4", "c ^= 2", "result := c"], (-0.3 * 2 / 4) ** 2),
    (["c = 1", "c = c + a", "c = 2c", "result := c"], 3.4),
    (["c = y", "c = c .+ a", "result := sum(c)"], Y.sum() + 4 * 0.7),
    (["c = copy(y)", "c[1] = a", "result := c"], np.append(0.7, Y[1:])),
    (["c = copy(y)", "c[2:3] .= a", "result := c"], np.array([0.4, 0.7, 0.7, 0.9])),
    (["c = copy(y)", "c[2:3] = [a, 1.0]", "result := c"], np.array([0.4, 0.7, 1.0, 0.9])),
    (["c = zeros(4)", "c .= y", "c .*= a", "result := c"], 0.7 * Y),
    (["c = zeros(2, 2)", "c[1, :] = [a, 1]", "c[:, 2] .= 5", "result := c"], np.array([[0.7, 5], [0, 5]])),
    (["c = zeros(2, 2)", "c[1, 2] += a", "c[1, 2] *= 2", "result := c"], np.array([[0, 1.4], [0, 0]])),
    (["c = (first=a, second=2)", "result := c.first * c.second"], 1.4),
    (["c = [a, 2a]; d = c[1]", "result := d"], 0.7),
    (["Σ = Diagonal([a, 2])", "result := Σ * [1, 1]"], np.array([0.7, 2])),
    (["u = [a, 1]'", "result := u * [2, 3]"], 4.4),
    (["idx = [2, 1]", "v = [a, 5.0]", "result := v[idx]"], np.array([5, 0.7])),
    (["f = exp", "result := f(a)"], np.exp(0.7)),
    (["r = 1:3", "result := sum(r) * a"], 4.2),
    (["let_me = a", "result := let_me"], 0.7),
    (["c = 1.0", "if length(y) > 2", "c = a", "end", "result := c"], 0.7),
    (["c = length(y) > 2 ? a : 0.0", "result := c"], 0.7),
    (["c = length(y) > 2 && size(X, 2) == 2 ? a : 0.0", "result := c"], 0.7),
    (["d = @view y[2:3]", "result := d .* a"], Y[1:3] * 0.7),
    (["result := @. a * y + 1"], 0.7 * Y + 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [pytest.param(lines, wanted, id="; ".join(lines)) for lines, wanted in ASSIGNMENTS],
)
def test_assignments(lines: list[str], wanted: Any) -> None:
    """The value after assignments in Julia's order."""
    text = model("a ~ Flat()", *lines, arguments="y, X")
    got = tracked(text, "result", {"a": 0.7}, y=Y, X=np.ones((4, 2)))
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_if_on_a_parameter_is_refused() -> None:
    """A branch that a parameter would choose is an error that offers `ifelse`."""
    text = model(
        "a ~ Normal()", "if a > 0", "    c = 1.0", "else", "    c = 2.0", "end", "y ~ filldist(Normal(c, 1), 4)"
    )
    with pytest.raises(SpecError, match="ifelse"):
        bound(text, y=Y)


# ── tracked values, returns, factors ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        ("return a", 0.7),
        ("return 2a", 1.4),
        ("return y ~ filldist(Normal(a, 1), 4)", Y),
        ("return c = a + 1", 1.7),
        ("return", None),
        ("return a, y", None),
    ],
)
def test_return(last: str, wanted: Any) -> None:
    """A program returns what the model returns."""
    program = bound(model("a ~ Flat()", last), y=Y).program
    with pyro.validation_enabled(False):
        returned = pyro.poutine.condition(program, data={"a": torch.tensor(0.7, dtype=torch.float64)})()
    if wanted is None:
        assert returned is None or isinstance(returned, tuple)
    else:
        np.testing.assert_allclose(np.asarray(returned), wanted)


@pytest.mark.parametrize(
    "factor",
    [
        "@addlogprob! -a^2",
        "Turing.@addlogprob! -a^2",
        "Turing.@addlogprob!(-a^2)",
        "@addlogprob! logpdf(Normal(a, 1), 0.3) - a^2 - logpdf(Normal(a, 1), 0.3)",
        "@addlogprob! sum(logpdf.(Normal(a, 1), y)) - a^2 - loglikelihood(Normal(a, 1), y)",
        "@addlogprob! logpdf(MvNormal([a, a], I), [0.1, 0.2]) - logpdf(filldist(Normal(a, 1), 2), [0.1, 0.2]) - a^2",
    ],
)
def test_added_density(factor: str) -> None:
    """`@addlogprob!` adds a term to the log density."""
    text = model("a ~ Normal(0, 2)", factor, "y ~ filldist(Normal(a, 1), 4)")
    wanted = normal(0.7, 0, 2) - 0.49 + normal(Y, 0.7)
    np.testing.assert_allclose(log_density(bound(text, y=Y), {"a": 0.7}), wanted, rtol=1e-12)


def test_tracked_value_is_a_deterministic_site() -> None:
    """`:=` records the value under its name."""
    trace = pyro.poutine.trace(bound(model("a ~ Normal()", "b := a .+ y", "c = 2a"), y=Y).program).get_trace()
    assert "b" in trace.nodes and "c" not in trace.nodes
    np.testing.assert_allclose(trace.nodes["b"]["value"], trace.nodes["a"]["value"].numpy() + Y)


# ── observed, sampled, missing ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "likelihood",
    [
        ["y ~ filldist(Normal(a, 1), n)"],
        ["y .~ Normal(a, 1)"],
        ["y ~ MvNormal(fill(a, n), I)"],
        ["for i in 1:n", "    y[i] ~ Normal(a, 1)", "end"],
        ["y ~ arraydist([Normal(a, 1) for i in 1:n])"],
    ],
)
def test_an_argument_is_observed_or_sampled(likelihood: list[str]) -> None:
    """Supplied it is data; passed `missing`, or not there, it is drawn."""
    text = model("a ~ Normal()", *likelihood, arguments="y, n")
    np.testing.assert_allclose(log_density(bound(text, y=Y, n=4), {"a": 0.7}), normal(0.7) + normal(Y, 0.7))
    lone = text.replace("y .~ Normal(a, 1)", "y ~ filldist(Normal(a, 1), n)")
    for model_without in (bound(lone, y=None, n=4), mlmdsl.parse(lone).bind(n=4)):
        drawn = log_density(model_without, {"a": 0.7, "y": Y})
        np.testing.assert_allclose(drawn, normal(0.7) + normal(Y, 0.7))


def test_missing_argument_in_a_prior_is_an_error() -> None:
    """A value that is sampled later cannot set a prior."""
    with pytest.raises(MlmError, match="missing"):
        bound(model("a ~ Normal(mean(y), 1)", "y ~ filldist(Normal(a, 1), 4)"), y=None)


def test_default_missing() -> None:
    """`y=missing` as a default: the model generates."""
    text = "@model function m(n, y=missing)\n    a ~ Normal()\n    y ~ filldist(Normal(a, 1), n)\nend"
    assert set(sites(text, n=3)) == {"a", "y"}
    assert not sites(text, n=3)["y"]["is_observed"]
    assert sites(text, n=4, y=Y)["y"]["is_observed"]


@pytest.mark.parametrize(
    "branch",
    [
        ["if y === missing", "    y = zeros(3)", "end", "b ~ Normal()"],
        ["if ismissing(y)", "    y = zeros(3)", "end", "b ~ Normal()"],
    ],
)
def test_asking_whether_an_argument_is_missing(branch: list[str]) -> None:
    """Turing's idiom for generation."""
    text = model(*branch, "for i in 1:3", "    y[i] ~ Normal(b, 1)", "end")
    np.testing.assert_allclose(
        log_density(bound(text, y=None), {"b": 0.2, "y": Y[:3]}), normal(0.2) + normal(Y[:3], 0.2)
    )
    np.testing.assert_allclose(log_density(bound(text, y=Y[:3]), {"b": 0.2}), normal(0.2) + normal(Y[:3], 0.2))


@pytest.mark.parametrize(
    "likelihood",
    [["y ~ filldist(Normal(a, 1), 4)"], ["y .~ Normal(a, 1)"], ["for i in 1:4", "    y[i] ~ Normal(a, 1)", "end"]],
)
def test_missing_entries_are_latent(likelihood: list[str]) -> None:
    """Missing entries of a column are drawn, the others observed: the joint density is the complete data's."""
    pd = pytest.importorskip("pandas")
    column = pd.Series([0.4, None, 2.5, None], dtype="Float64")
    model_ = mlmdsl.parse(model("a ~ Normal()", *likelihood)).bind(pd.DataFrame({"y": column}))
    given = {"a": torch.tensor(0.7, dtype=torch.float64), "y": torch.tensor([-1.2, 0.9], dtype=torch.float64)}
    trace = pyro.poutine.trace(pyro.poutine.condition(model_.program, data=given)).get_trace()
    np.testing.assert_allclose(float(trace.log_prob_sum()), normal(0.7) + normal(Y, 0.7), rtol=1e-12)


def test_two_priors_for_one_variable() -> None:
    """A second `~` for a name is an error, whatever stands between."""
    for lines in (["a ~ Normal()", "a ~ Normal()"], ["a ~ Normal()", "b = a", "a ~ Exponential(1)"]):
        with pytest.raises(SpecError, match="two distributions"):
            bound(model(*lines), y=Y)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["b = a", "a ~ Normal()"], "used before"),
        (["a ~ Normal()", "a = 2"], "is a parameter"),
        (["a ~ Normal()", "a += 2"], "is a parameter"),
        (["a ~ 3"], "needs a distribution"),
        (["a = Normal() + y"], ""),
        (["c = y + 1"], ".+"),
        (["c = exp(y)"], "exp.("),
        (["c = unknown_name"], "unknown name"),
        (["c = y + [1, 2]"], "one shape"),
        (["c = nromal(0)"], "unknown function"),
        (["for i in 1:a", "b[i] ~ Normal()", "end", "a ~ Normal()"], "before"),
        (["a ~ Normal()", "for i in 1:a", "c = i", "end"], "not known before sampling"),
        (["for i in 1:3", "b ~ Normal()", "end"], "anew"),
        (["c, d = 1"], "names"),
        (["c = [1, 2]", "c[3] = 1"], "past the end"),
        (["for i in 1:4", "c := i", "end"], "outside loops"),
    ],
)
def test_refused(lines: list[str], said: str) -> None:
    """What cannot be right is an error at its line."""
    with pytest.raises(SpecError) as caught:
        bound(model(*lines), y=Y)
    assert said in str(caught.value)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = [
    "lambda", "torch", "dist", "real", "pyro", "REAL", "model", "constants", "runtime", "len", "None_", "class", "def",
    "is", "not", "and", "math", "partial", "range", "int", "x̃", "ϕ₂", "σ²", "ŷ", "τₐ", "αⱼ", "Ω", "x′", "i", "y_1", "_a",
    "self", "print", "factor", "slice", "ℓ", "∇", "β̂", "a!", "async", "from",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_julia(name: str) -> None:
    """A name that means something to Python, or that Python cannot have, is a variable as any other."""
    text = model(f"{name} ~ Normal(0, 2)", f"c_ = 2{name}", f"for i_ in 1:4\n y[i_] ~ Normal({name} + c_, 1)\n end")
    np.testing.assert_allclose(log_density(bound(text, y=Y), {name: 0.3}), normal(0.3, 0, 2) + normal(Y, 0.9))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_as_an_argument(name: str) -> None:
    """The same for data."""
    text = model("a ~ Normal()", f"{name} ~ filldist(Normal(a, 1), length({name}))", arguments=name)
    np.testing.assert_allclose(
        log_density(mlmdsl.parse(text).bind({name: Y}), {"a": 0.3}), normal(0.3) + normal(Y, 0.3)
    )


def test_names_that_python_would_fold() -> None:
    """αⱼ and αj, ϕ and φ are two names each to Julia, and one to Python."""
    text = model(
        "αⱼ ~ Normal(0, 1)",
        "αj ~ Normal(0, 2)",
        "ϕ ~ Normal(0, 3)",
        "φ ~ Normal(0, 4)",
        "y ~ MvNormal([αⱼ, αj, ϕ, φ], I)",
    )
    values = {"αⱼ": 0.1, "αj": 0.2, "ϕ": 0.3, "φ": 0.4}
    wanted = sum(normal(v, 0, k + 1) for k, v in enumerate(values.values())) + normal(Y, list(values.values()))
    np.testing.assert_allclose(log_density(bound(text, y=Y), values), wanted)


def test_one_name_in_two_normal_forms() -> None:
    """é of one character and é of two are one name, as in Julia."""
    composed, decomposed = "\u00e9", "e\u0301"
    text = model(f"{composed} ~ Normal()", f"y ~ filldist(Normal({decomposed}, 1), 4)")
    np.testing.assert_allclose(log_density(bound(text, y=Y), {composed: 0.2}), normal(0.2) + normal(Y, 0.2))


def test_any_text_as_a_name() -> None:
    """`var"…"` names what is no identifier."""
    text = model('a ~ Normal(mean(var"Sepal.Length"), 1)', 'var"two words" = 2a', 'y ~ filldist(Normal(var"two words", 1), 4)',
                 arguments='y, var"Sepal.Length"')  # fmt: skip
    got = log_density(bound(text, y=Y, **{"Sepal.Length": Y + 1}), {"a": 0.2})
    np.testing.assert_allclose(got, normal(0.2, Y.mean() + 1) + normal(Y, 0.4))


def test_a_name_that_is_a_function_elsewhere() -> None:
    """A variable may be called `mean` or `beta`; as a function the name still is one."""
    text = model("beta ~ Normal(mean(y), 1)", "std = 2.0", "y ~ filldist(Normal(beta, std), length(y))")
    np.testing.assert_allclose(log_density(bound(text, y=Y), {"beta": 0.2}), normal(0.2, Y.mean()) + normal(Y, 0.2, 2))
