"""Integrating Gaussian effects out: what qualifies, and that the collapsed density is the integral of the plain one.

For effects z that are Gaussian given the rest, p(y, z | θ) / p(z | y, θ) = p(y | θ) for every z. The quotient is computed
from the plain program and the collapsed distribution's own conditional; a conditional that is normalised but wrong would
make the quotient vary with z.
"""

from __future__ import annotations

import math

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine

import mlmdsl
from mlmdsl.compiler.passes.marginalize import NotCollapsible, collapse
from mlmdsl.runtime import CollapsedNormal

DATA = {
    "y": [1.2, 0.3, 2.2, -0.7, 1.9, 0.4],
    "x": [0.5, -1.0, 1.5, 0.2, -0.3, 1.1],
    "g": [1, 2, 3, 1, 2, 3],
    "h": [1, 1, 2, 2, 1, 2],
    "s": [0.5, 1.0, 1.5, 0.7, 0.9, 1.1],
    "b": [0, 1, 1, 0, 1, 0],
}


def bound(body: str, arguments: str = "y, x, g, h") -> mlmdsl.Bound:
    """A model of these arguments, with data."""
    text = f"@model function m({arguments})\n{body}\nend"
    return mlmdsl.parse(text).bind(**{name.strip(): DATA[name.strip()] for name in arguments.split(",")})


def marginal_by_quotient(model: mlmdsl.Bound, collapsed: CollapsedNormal, theta: dict[str, torch.Tensor]) -> float:
    """log p(y, θ) as log p(y, z, θ) − log p(z | y, θ) at a random z."""
    noise = torch.randn(collapsed.size, dtype=torch.float64)
    factor, half, _ = collapsed._solved()
    u = torch.linalg.solve_triangular(factor.T, (half + noise)[:, None], upper=True)[:, 0]
    effects = collapsed.effects(u)[0]

    def stacked(u: torch.Tensor) -> torch.Tensor:
        return torch.cat([value.reshape(-1) for value in collapsed.effects(u)[0].values()])

    jacobian = torch.linalg.slogdet(torch.autograd.functional.jacobian(stacked, u)).logabsdet
    log_normal = (-0.5 * noise**2 - 0.5 * math.log(2 * math.pi)).sum() + torch.diagonal(factor).log().sum()
    with poutine.block():
        trace = poutine.trace(poutine.condition(model.program, data={**theta, **effects})).get_trace()
    return float(trace.log_prob_sum() - (log_normal - jacobian))


def drawn(model: mlmdsl.Bound) -> dict[str, torch.Tensor]:
    """A draw from the prior of what stays."""
    with poutine.block():
        trace = poutine.trace(model.program).get_trace()
    names = [node.target for node in collapse(model.lowered.model).body if hasattr(node, "dist")]
    return {name: trace.nodes[name]["value"] for name in names}


def verify_collapsed(model: mlmdsl.Bound) -> None:
    """The collapsed density at five draws of θ and a random z each, to 1e-9 relative."""
    pyro.set_rng_seed(1)
    program = model.compiled(collapsed=True)
    for _ in range(5):
        theta = drawn(model)
        with poutine.block():
            trace = poutine.trace(poutine.condition(program, data=theta)).get_trace()
        node = next(n for n in trace.nodes.values() if isinstance(n.get("fn"), CollapsedNormal))
        assert marginal_by_quotient(model, node["fn"], theta) == pytest.approx(float(trace.log_prob_sum()), rel=1e-9)


SHIPPED = {
    "cheese/varying_intercept": ("α", "β", "αⱼ"),
    "cheese/varying_slope": ("α", "βⱼ"),
    "cheese/varying_intercept_slope": ("α", "αⱼ", "βⱼ"),
    "cheese/correlated_varying_intercept_slope": ("γ",),
    "multilevel/slopes_by_group": ("α", "z"),
    "multilevel/intercepts_and_slopes_by_group": ("α", "μᵦ", "zₐ", "zᵦ"),
    "multilevel/correlated_intercepts_and_slopes": ("μ₁", "μ₂", "z"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_collapse_exactly(name: str) -> None:
    model = mlmdsl.load(name).bind()
    assert model.marginalized == SHIPPED[name]
    verify_collapsed(model)


COLLAPSING = {
    "linear regression": ("α ~ Normal(0, 2); β ~ Normal(0, 1); σ ~ Exponential(1)\n y .~ Normal.(α .+ β .* x, σ)", ("α", "β")),
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
    model = bound("s ~ Normal(0, 1); z ~ filldist(Normal(0, 1), 3); σ ~ Exponential(1)\n y ~ MvNormal(s .* z[g], σ^2 * I)")
    assert model.marginalized == ("z",)
    verify_collapsed(model)


def test_scales_near_zero_are_finite_and_right() -> None:
    model = bound("τ ~ Exponential(1); σ ~ Exponential(1); a ~ filldist(Normal(0, τ), 3)\n y ~ MvNormal(a[g], σ^2 * I)")
    program = model.compiled(collapsed=True)
    theta = {"τ": torch.tensor(0.0, dtype=torch.float64), "σ": torch.tensor(0.7, dtype=torch.float64)}
    with poutine.block():
        trace = poutine.trace(poutine.condition(program, data=theta)).get_trace()
        trace.compute_log_prob()
    expected = sum(-0.5 * (v / 0.7) ** 2 - math.log(0.7 * math.sqrt(2 * math.pi)) for v in DATA["y"])
    assert float(trace.nodes["y"]["log_prob_sum"]) == pytest.approx(expected, rel=1e-12)


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
