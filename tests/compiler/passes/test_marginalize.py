"""Integrating Gaussian effects out: what qualifies, and that the collapsed density is the integral of the plain one.

The integral is exact (`tests.compiler.gaussian`), and comes from the plain program's density alone; the draws of the effects
are linear in their noise, so their mean and covariance are exact too. Both ways of integrating, dense and by groups, are held
against it. Tolerances are of rounding: 1e-9 of the log density, and of the largest variance.
"""

from __future__ import annotations

import math

import numpy as np
import pyro
import pytest
import torch
from scipy.integrate import quad

import mlmdsl
from mlmdsl.compiler.passes import marginalize
from mlmdsl.compiler.passes.marginalize import NotCollapsible, collapse
from mlmdsl.runtime import Collapsed, GroupedNormal
from tests.compiler.gaussian import conditional_of, integrated, traced

DATA = {
    "y": [1.2, 0.3, 2.2, -0.7, 1.9, 0.4],
    "x": [0.5, -1.0, 1.5, 0.2, -0.3, 1.1],
    "g": [1, 2, 3, 1, 2, 3],
    "h": [1, 1, 2, 2, 1, 2],
    "s": [0.5, 1.0, 1.5, 0.7, 0.9, 1.1],
    "b": [0, 1, 1, 0, 1, 0],
    "w": [0.3, -0.8, 1.2],
    "u": [1, 2, 2],
}


def bound(body: str, arguments: str = "y, x, g, h") -> mlmdsl.Bound:
    """A model of these arguments, with data."""
    text = f"@model function m({arguments})\n{body}\nend"
    return mlmdsl.parse(text).bind(**{name.strip(): DATA[name.strip()] for name in arguments.split(",")})


@pytest.fixture(params=["dense", "by groups"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of integrating, whatever the size."""
    monkeypatch.setattr(marginalize, "FEW_NORMALS", 400 if request.param == "dense" else 0)
    return str(request.param)


def drawn(model: mlmdsl.Bound) -> dict[str, torch.Tensor]:
    """A draw from the prior of what stays."""
    trace = traced(model.program, {})
    names = [node.target for node in collapse(model.lowered.model).body if hasattr(node, "dist")]
    return {name: trace.nodes[name]["value"] for name in names}


def verify_collapsed(model: mlmdsl.Bound, way: str | None = None) -> None:
    """The collapsed density and the effects' conditional at three draws of θ."""
    pyro.set_rng_seed(1)
    program = model.compiled(collapsed=True)
    for _ in range(3):
        theta = drawn(model)
        trace = traced(program, theta)
        exact = integrated(model.program, theta, model.marginalized)
        collapsed = next(n["fn"] for n in trace.nodes.values() if isinstance(n.get("fn"), Collapsed))
        assert way is None or isinstance(collapsed, GroupedNormal) == (way == "by groups")
        assert float(trace.log_prob_sum()) == pytest.approx(exact.log_density, rel=1e-9)
        mean, covariance = conditional_of(collapsed)
        torch.testing.assert_close(mean, exact.mean, rtol=1e-9, atol=1e-9 * float(exact.covariance.max()) ** 0.5)
        torch.testing.assert_close(covariance, exact.covariance, rtol=1e-9, atol=1e-9 * float(exact.covariance.max()))


SHIPPED = {
    "cheese/varying_intercept": ("α", "β", "αⱼ"),
    "cheese/varying_slope": ("α", "βⱼ"),
    "cheese/varying_intercept_slope": ("α", "αⱼ", "βⱼ"),
    "cheese/correlated_varying_intercept_slope": ("γ",),
    "multilevel/slopes_by_group": ("α", "z"),
    "multilevel/intercepts_and_slopes_by_group": ("α", "μᵦ", "zₐ", "zᵦ"),
    "multilevel/correlated_intercepts_and_slopes": ("μ₁", "μ₂", "z"),
}


PRIORS = "N = length(y); μ ~ Normal(1, 2); β ~ Normal(0, 1); σ ~ Exponential(1); τ ~ Exponential(1)"
LOOP = "for i in 1:N\n y[i] ~ Normal(α[g[i]] + x[i] * β, σ)\n end"
CORRELATED = "T ~ filldist(Exponential(1), 2); L ~ LKJCholesky(2, 2.0)"
COVARIANCE = "Diagonal(T) * L.L * L.L' * Diagonal(T)"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_collapse_exactly(name: str) -> None:
    model = mlmdsl.load(name).bind()
    assert model.marginalized == SHIPPED[name]
    verify_collapsed(model)


COLLAPSING = {
    "linear regression": (
        "α ~ Normal(0, 2); β ~ Normal(0, 1); σ ~ Exponential(1)\n y .~ Normal.(α .+ β .* x, σ)",
        ("α", "β"),
    ),
    "a loop": (
        "σ ~ Exponential(1); τ ~ Exponential(1); a ~ filldist(Normal(0, τ), 3); β ~ Normal(0, 1)\n"
        "for i in eachindex(y)\n μ = a[g[i]] + β * x[i]\n y[i] ~ Normal(μ, σ)\n end",
        ("a", "β"),
    ),
    "a chain of locations": (
        "σ ~ Exponential(1); τ ~ Exponential(1); μ ~ Normal(1, 2); a ~ filldist(Normal(μ, τ), 3)\n"
        "y ~ MvNormal(a[g], σ^2 * I)",
        ("μ", "a"),
    ),
    "group-level predictors": (
        "σ ~ Exponential(1); τ ~ Exponential(1); γ ~ filldist(Normal(0, 1), 2)\n"
        "for j in 1:3\n a[j] ~ Normal(γ[1] + γ[2] * j, τ)\n end\n y ~ MvNormal(a[g] .- x, σ^2 * I)",
        ("γ", "a"),
    ),
    "crossed factors": (
        "σ ~ Exponential(1); τ ~ filldist(Exponential(1), 2)\n"
        "a ~ filldist(Normal(0, τ[1]), 3); b ~ filldist(Normal(0, τ[2]), 2)\n"
        "y ~ MvNormal(a[g] .+ b[h] .* x ./ 2, σ^2 * I)",
        ("a", "b"),
    ),
    "an interaction of two factors": (
        "σ ~ Exponential(1); A ~ filldist(Normal(0, 1), 3, 2)\n"
        "y ~ arraydist([Normal(A[g[i], h[i]] * x[i], σ) for i in eachindex(y)])",
        ("A",),
    ),
    "correlated columns": (
        "σ ~ Exponential(1); τ ~ filldist(Exponential(1), 2); Ω ~ LKJCholesky(2, 2.0); μ ~ filldist(Normal(0, 1), 2)\n"
        "β ~ filldist(MvNormal(μ, PDMat(Cholesky(Diagonal(τ) * Ω.L))), 3)\n"
        "for i in eachindex(y)\n y[i] ~ Normal(β[1, g[i]] + β[2, g[i]] * x[i], σ)\n end",
        ("μ", "β"),
    ),
}


@pytest.mark.parametrize("name", COLLAPSING)
def test_models_collapse_exactly(name: str) -> None:
    body, names = COLLAPSING[name]
    model = bound(body)
    assert set(model.marginalized) == set(names)
    verify_collapsed(model)


IDIOMS = {
    "an array that a loop fills": ("α = Vector{Float64}(undef, 3)\n for j in 1:3\n α[j] ~ Normal(μ, τ)\n end", LOOP),
    "an array of zeros that a loop fills": ("α = zeros(3)\n for j in 1:3\n α[j] ~ Normal(μ, τ)\n end", LOOP),
    "a loop without an array": ("for j in 1:3\n α[j] ~ Normal(μ, τ)\n end", LOOP),
    "an array drawn elementwise": ("α = Vector{Float64}(undef, 3)\n α .~ Normal(μ, τ)", LOOP),
    "filldist and arraydist": ("α ~ filldist(Normal(μ, τ), 3)", "y ~ arraydist(Normal.(α[g] .+ x .* β, σ))"),
    "a comprehension of rows": (
        "α ~ filldist(Normal(μ, τ), 3)",
        "y ~ arraydist([Normal(α[g[i]] + x[i] * β, σ) for i in 1:N])",
    ),
    "a vector of rows": ("α ~ filldist(Normal(μ, τ), 3)", "y ~ MvNormal(α[g] .+ x .* β, σ^2 * I)"),
    "rows drawn elementwise": ("α ~ filldist(Normal(μ, τ), 3)", "y .~ Normal.(α[g] .+ x .* β, σ)"),
    "a scale as a matrix": ("α ~ filldist(Normal(μ, τ), 3)", "y ~ MvNormal(α[g] .+ x .* β, σ * I(6))"),
    "known relative scales": ("α ~ filldist(Normal(μ, τ), 3)", "y .~ Normal.(α[g] .+ x .* β, σ .* s)"),
    "a vector of effects": ("α ~ MvNormal(fill(μ, 3), τ^2 * I)", LOOP),
    "locations of their own": ("α ~ arraydist([Normal(μ + w[j] * β, τ) for j in 1:3])", LOOP),
    "locations by an upper level": ("γ ~ filldist(Normal(μ, 1), 2)\n α ~ MvNormal(γ[u], τ^2 * I)", LOOP),
    "an upper level in the mean": (
        "γ ~ filldist(Normal(0, 1), 2); α ~ filldist(Normal(μ, τ), 3)",
        "y .~ Normal.(γ[h] .+ α[g] .+ x .* β, σ)",
    ),
    "not centred": ("z ~ filldist(Normal(0, 1), 3)\n α = μ .+ τ .* z", LOOP),
    "vectors as columns": (
        f"{CORRELATED}\n B ~ filldist(MvNormal([μ, β], {COVARIANCE}), 3)",
        "y ~ MvNormal(B[1, g] .+ B[2, g] .* x, σ^2 * I)",
    ),
    "vectors as columns that a loop fills": (
        f"{CORRELATED}\n B = Matrix{{Float64}}(undef, 2, 3)\n"
        f"for j in 1:3\n B[:, j] ~ MvNormal([μ + w[j] * β, β], {COVARIANCE})\n end",
        "for i in 1:N\n y[i] ~ Normal(B[1, g[i]] + B[2, g[i]] * x[i], σ)\n end",
    ),
    "vectors as rows that a loop fills": (
        f"{CORRELATED}\n B = Matrix{{Float64}}(undef, 3, 2)\n"
        f"for j in 1:3\n B[j, :] ~ MvNormal([μ, β], {COVARIANCE})\n end",
        "for i in 1:N\n y[i] ~ Normal(B[g[i], 1] + B[g[i], 2] * x[i], σ)\n end",
    ),
    "a collection of vectors": (
        f"{CORRELATED}\n B ~ arraydist([MvNormal([μ + w[j] * β, β], {COVARIANCE}) for j in 1:3])",
        "y ~ MvNormal(B[1, g] .+ B[2, g] .* x, σ^2 * I)",
    ),
    "vectors not centred": (
        f"{CORRELATED}\n z ~ filldist(Normal(0, 1), 2, 3)\n B = [μ, β] .+ Diagonal(T) * L.L * z",
        "y ~ MvNormal(B[1, g] .+ B[2, g] .* x, σ^2 * I)",
    ),
    "a row's coefficients scaled": (
        f"{CORRELATED}\n z ~ filldist(Normal(0, 1), 2, 3); X = hcat(1, x)",
        "for i in 1:N\n y[i] ~ Normal(μ + X[i, :] ⋅ (T .* z[:, g[i]]), σ)\n end",
    ),
    "an effect for each row": ("ε ~ filldist(Normal(0, τ), N)", "y ~ MvNormal(μ .+ ε .+ x .* β, σ^2 * I)"),
    "an effect and its row in one loop": (
        "",
        "for i in 1:N\n θ[i] ~ Normal(μ, τ)\n y[i] ~ Normal(θ[i] + x[i] * β, s[i])\n end",
    ),
    "effects, then rows of known scales": ("θ ~ filldist(Normal(μ, τ), N)", "y ~ arraydist(Normal.(θ .+ x .* β, s))"),
}


@pytest.mark.parametrize("name", IDIOMS)
def test_idioms_collapse_exactly(name: str, way: str) -> None:
    groups, rows = IDIOMS[name]
    model = bound(f"{PRIORS}\n{groups}\n{rows}", "y, x, g, h, s, w, u")
    assert {"μ", "β"} < set(model.marginalized) or "scaled" in name
    verify_collapsed(model, way)


def test_rows_of_known_scales_collapse_exactly() -> None:
    model = bound(
        "μ ~ Normal(0, 5); τ ~ truncated(Cauchy(0, 5); lower=0); θ ~ filldist(Normal(μ, τ), 6)\n"
        "y ~ MvNormal(θ, Diagonal(s .^ 2))",
        "y, s",
    )
    assert model.marginalized == ("μ", "θ")
    verify_collapsed(model)


REFUSED = {
    "a Student-t likelihood": "a ~ Normal(0, 1); σ ~ Exponential(1)\n for i in eachindex(y)\n y[i] ~ a + σ * TDist(4)\n end",
    "a Bernoulli likelihood": "a ~ filldist(Normal(0, 1), 3)\n h ~ arraydist(BernoulliLogit.(a[g] .- 100))",
    "a mean that is not affine": "a ~ Normal(0, 1); σ ~ Exponential(1)\n y ~ MvNormal(exp.(a .* x), σ^2 * I)",
    "an effect in the scale": "a ~ Normal(0, 1)\n y ~ MvNormal(fill(a, 6), exp(a) * I)",
    "an effect that another density reads": "a ~ Normal(0, 1); σ ~ Exponential(exp(a))\n y ~ MvNormal(fill(a, 6), σ^2 * I)",
    "an effect in a term of the density": "a ~ Normal(0, 1)\n @addlogprob! -a^4\n y ~ MvNormal(fill(a, 6), I)",
    "a prior that is not normal": "a ~ Laplace(0, 1); σ ~ Exponential(1)\n y ~ MvNormal(fill(a, 6), σ^2 * I)",
    "two likelihoods": "a ~ Normal(0, 1)\n y ~ MvNormal(fill(a, 6), I)\n x ~ MvNormal(fill(a, 6), I)",
    "scales that vary with a parameter": "a ~ Normal(0, 1); b ~ Exponential(1)\n y .~ Normal.(a, exp.(b .* x))",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_qualify_is_refused(name: str) -> None:
    data = {**DATA, "h": DATA["b"]} if "Bernoulli" in name else DATA
    model = mlmdsl.parse(f"@model function m(y, x, g, h)\n{REFUSED[name]}\nend").bind(**{k: data[k] for k in "yxgh"})
    with pytest.raises(NotCollapsible):
        collapse(model.lowered.model)
    assert model.marginalized == ()


def test_of_a_product_of_two_the_larger_is_integrated_out() -> None:
    model = bound(
        "s ~ Normal(0, 1); z ~ filldist(Normal(0, 1), 3); σ ~ Exponential(1)\n y ~ MvNormal(s .* z[g], σ^2 * I)"
    )
    assert model.marginalized == ("z",)
    verify_collapsed(model)


def test_scales_near_zero_are_finite_and_right() -> None:
    model = bound("τ ~ Exponential(1); σ ~ Exponential(1); a ~ filldist(Normal(0, τ), 3)\n y ~ MvNormal(a[g], σ^2 * I)")
    program = model.compiled(collapsed=True)
    theta = {"τ": torch.tensor(0.0, dtype=torch.float64), "σ": torch.tensor(0.7, dtype=torch.float64)}
    trace = traced(program, theta)
    expected = sum(-0.5 * (v / 0.7) ** 2 - math.log(0.7 * math.sqrt(2 * math.pi)) for v in DATA["y"])
    assert float(trace.nodes["y"]["log_prob_sum"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("covariance", [COVARIANCE, "(Diagonal(T) * L.L) * (Diagonal(T) * L.L)'"])
def test_a_covariance_written_as_a_square_is_not_factored(covariance: str, way: str) -> None:
    """So that scales of 0 are exact: without its slopes the model is one of intercepts."""
    rows = "y ~ MvNormal(B[1, g] .+ B[2, g] .* x, σ^2 * I)"
    model = bound(f"{PRIORS}\n{CORRELATED}\n B ~ filldist(MvNormal([μ, 0.0], {covariance}), 3)\n {rows}")
    verify_collapsed(model, way)
    intercepts = bound(f"{PRIORS}\n B ~ filldist(Normal(μ, τ), 3)\n y ~ MvNormal(B[g], σ^2 * I)")
    common = {"σ": torch.tensor(0.7, dtype=torch.float64), "τ": torch.tensor(0.9, dtype=torch.float64)}
    scales = torch.tensor([0.9, 0.0], dtype=torch.float64)
    theta = {**common, "T": scales, "L": torch.eye(2, dtype=torch.float64)}
    found, expected = traced(model.compiled(collapsed=True), theta), traced(intercepts.compiled(collapsed=True), common)
    assert float(found.nodes["y"]["log_prob_sum"]) == pytest.approx(
        float(expected.nodes["y"]["log_prob_sum"]), rel=1e-12
    )


def test_density_is_the_integral_by_quadrature(way: str) -> None:
    """One effect, so that the integral of the plain program's density is one of a line: to 1e-8, the quadrature's own error."""
    model = bound(
        "τ ~ Exponential(1); σ ~ Exponential(1); a ~ filldist(Normal(1, τ), 1)\n y ~ MvNormal(a[fill(1, 6)] .* x, σ^2 * I)"
    )
    theta = {name: torch.tensor(value, dtype=torch.float64) for name, value in (("τ", 0.8), ("σ", 0.6))}

    def density(a: float) -> float:
        values = {**theta, "a": torch.tensor([a], dtype=torch.float64)}
        return math.exp(float(traced(model.program, values).log_prob_sum()))

    integral, _ = quad(density, -3, 5, epsabs=0, epsrel=1e-10)
    found = float(traced(model.compiled(collapsed=True), theta).log_prob_sum())
    assert model.marginalized == ("a",)
    assert found == pytest.approx(math.log(integral), abs=1e-8)


def test_both_ways_agree() -> None:
    """Means with and without integration: each |z| < 4.5 for 7 figures; false alarms below 1e-4 in all."""
    model = bound("σ ~ Exponential(1); τ ~ Exponential(1); μ ~ Normal(0, 2); a ~ filldist(Normal(μ, τ), 3)\n"
                  "d := a[1] - a[2]\n y ~ MvNormal(a[g], σ^2 * I)")  # fmt: skip
    collapsed = model.sample(seed=1, chains=4, draws=250, tune=200).summary().set_index("parameter")
    plain = model.sample(seed=2, chains=4, draws=250, tune=200, marginalize="off", target_accept=0.95).summary()
    plain = plain.set_index("parameter")
    assert set(collapsed.index) == set(plain.index) == {"σ", "τ", "μ", "a[1]", "a[2]", "a[3]", "d"}
    z = (collapsed["mean"] - plain["mean"]) / np.hypot(collapsed["mcse"], plain["mcse"])
    assert float(z.abs().max()) < 4.5
