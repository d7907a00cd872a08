"""Effects whose centring can be chosen: which are found, and that sampling them otherwise changes no density.

Exactness: at a random point q of the program with its effects written centred in any coordinates, log π(q) is the plain program's
log density at the author's parameters plus log |det ∂(parameters)/∂q|, the determinant by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pyro import poutine

import mlmdsl
from mlmdsl.inference.recentring import Evidence
from mlmdsl.inference.sites import Sites, read_sites

DATA = {
    "y": [3, 0, 2, 1, 4, 0],
    "x": [0.5, -1.0, 1.5, 0.2, -0.3, 1.1],
    "g": [1, 2, 3, 1, 2, 3],
    "h": [1, 1, 2, 2, 1, 2],
}
TOP = "α ~ Normal(0, 1); β ~ Normal(0, 1); τ ~ Exponential(1)"


def bound(body: str) -> mlmdsl.Bound:
    """A model of counts in groups g and h with a predictor x."""
    return mlmdsl.parse(f"@model function m(y, x, g, h)\n{body}\nend").bind(**DATA)


CASES = {
    # the author's form, and what is sampled centred: the location and the scale of its site
    "centred": (f"{TOP}; a ~ filldist(Normal(0, τ), 3); y ~ arraydist(LogPoisson.(a[g] .* x))", "(0, τ)"),
    "centred, with an intercept": (
        f"{TOP}; a ~ filldist(Normal(0, τ), 3); y ~ arraydist(LogPoisson.(α .+ a[g] .+ β .* x))",
        "(α, τ)",
    ),
    "about a mean": (f"{TOP}; a ~ filldist(Normal(α, τ), 3); y ~ arraydist(Poisson.(exp.(a[g])))", "(α, τ)"),
    "scaled": (
        f"{TOP}; z ~ filldist(Normal(0, 1), 3); a = τ .* z; y ~ arraydist(LogPoisson.(α .+ a[g]))",
        "(α, τ)",
    ),
    "scaled where it is used": (
        f"{TOP}; z ~ filldist(Normal(0, 1), 3); y ~ arraydist(LogPoisson.(z[g] .* τ .- β))",
        "(-β, τ)",
    ),
    "slopes": (
        f"{TOP}; z ~ filldist(Normal(0, 1), 3); y ~ arraydist(LogPoisson.(α .+ β .* x .+ τ .* z[g] .* x))",
        "(β, τ)",
    ),
    "slopes in brackets": (
        f"{TOP}; z ~ filldist(Normal(0, 1), 3); y ~ arraydist(LogPoisson.(α .+ (β .+ τ .* z[g]) .* x))",
        "(β, τ)",
    ),
    "drawn before its scale": (
        f"z ~ filldist(Normal(0, 1), 3); {TOP}; y ~ arraydist(LogPoisson.(α .+ τ .* z[g]))",
        "(α, τ)",
    ),
    "in a loop": (
        f"{TOP}; a ~ filldist(Normal(0, τ), 3)\nfor i in eachindex(y)\n y[i] ~ LogPoisson(α + a[g[i]])\nend",
        "(α, τ)",
    ),
    "of several scales": (
        "s ~ filldist(Exponential(1), 3); z ~ filldist(Normal(0, 1), 3, 2); b = s .* z"
        "\nfor i in eachindex(y)\n y[i] ~ LogPoisson(b[g[i], h[i]])\nend",
        "(0, s)",
    ),
    "another family": (
        f"{TOP}; a ~ filldist(Laplace(0, τ), 3); y ~ arraydist(LogPoisson.(α .+ a[g]))",
        "(α, τ)",
    ),
    "heavy tails": (f"{TOP}; a ~ filldist(τ * TDist(4), 3); y ~ arraydist(LogPoisson.(α .+ a[g]))", "(α, τ, TDist(4))"),
    "a funnel": ("v ~ Normal(0, 3); a ~ filldist(Normal(0, exp(v / 2)), 3)", "(0, exp(v / 2))"),
    "one number": (f"{TOP}; b ~ Normal(0, τ); y ~ arraydist(LogPoisson.(α .+ b .* x))", "(0, τ)"),
}


def location_and_scale(model: mlmdsl.Bound) -> list[str]:
    """The arguments of the effects' sites, as the IR shows them."""
    from mlmdsl.compiler.show import show_ir

    recentred, effects = model.recentred()
    lines = [line.strip() for line in show_ir(recentred).splitlines()]
    return [next(line for line in lines if line.startswith(f"sample {effect.site} ~")) for effect in effects]


@pytest.mark.parametrize("case", CASES)
def test_what_is_sampled_centred(case: str) -> None:
    body, wanted = CASES[case]
    model = bound(body)
    (line,) = location_and_scale(model)
    shown = wanted.replace("exp(v / 2)", "exp((/ v 2))").replace("-β", "(- β)")
    assert shown in line, line


def sampled(model: mlmdsl.Bound, form: str) -> Sites:
    """The program with its effects written centred, and these sampled so, not so, or by evidence drawn at random."""
    sites = read_sites(model.compiled(recentred=True))
    chosen = {effect.site for effect in model.recentred()[1]}
    shapes = {site.name: site.shape for site in sites.latent if site.name in chosen and form != "centred"}
    size = 0.0 if form == "noncentred" else 3.0
    centring = {
        name: Evidence(*(size * draw(shape, dtype=torch.float64) for draw in (torch.rand, torch.randn, torch.rand)))
        for name, shape in shapes.items()
    }
    return replace(sites, centring=centring)


@pytest.mark.parametrize("form", ["centred", "noncentred", "by evidence"])
@pytest.mark.parametrize("case", CASES)
def test_densities_differ_by_the_jacobian(case: str, form: str) -> None:
    torch.manual_seed(3)
    model = bound(CASES[case][0])
    sites = sampled(model, form)
    names = [site.name for site in read_sites(model.program).latent]
    q = torch.randn(sites.dim, dtype=torch.float64)
    values = sites.constrained(q)
    with poutine.block():
        plain = poutine.trace(poutine.condition(model.program, {n: values[n] for n in names})).get_trace()
    # log |det| by reverse mode, of all the author's parameters at once
    jacobian = torch.func.jacrev(lambda at: torch.cat([sites.constrained(at)[n].reshape(-1) for n in names]))(q)
    wanted = plain.log_prob_sum() + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(sites.log_density(q), wanted, rtol=1e-10, atol=1e-10)


REFUSED = {
    "a fixed prior": "a ~ filldist(Normal(0, 2), 3); y ~ arraydist(LogPoisson.(a[g]))",
    "a standard normal that nothing scales": "z ~ filldist(Normal(0, 1), 3); y ~ arraydist(LogPoisson.(z[g]))",
    "a factor that may be negative": f"{TOP}; z ~ filldist(Normal(0, 1), 3); y ~ arraydist(LogPoisson.(β .* z[g]))",
    "two scales": (
        f"{TOP}; s ~ Exponential(1); z ~ filldist(Normal(0, 1), 3)"
        "; y ~ arraydist(LogPoisson.(τ .* z[g] .+ s .* x .* z[g]))"
    ),
    "read before its scale": (
        "z ~ filldist(Normal(0, 1), 3); τ ~ Exponential(exp(sum(z))); y ~ arraydist(LogPoisson.(τ .* z[g]))"
    ),
    "one after another": f"{TOP}; a = zeros(3); a[1] ~ Normal(0, τ)\nfor j in 2:3\n a[j] ~ Normal(a[j - 1], τ)\nend\n"
    "y ~ arraydist(LogPoisson.(a[g]))",
    "a family with a scale and no location": f"{TOP}; a ~ filldist(Exponential(τ), 3); y ~ arraydist(Poisson.(a[g]))",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_one_form_only(case: str) -> None:
    assert bound(REFUSED[case]).recentred()[1] == ()


def test_an_intercept_goes_into_one_effect() -> None:
    """Else no site would be free of it: into that with fewest groups, whose mean it can be mistaken for most."""
    model = bound(
        f"{TOP}; s ~ Exponential(1); a ~ filldist(Normal(0, τ), 3); b ~ filldist(Normal(0, s), 2)"
        "; y ~ arraydist(LogPoisson.(α .+ a[g] .+ b[h]))"
    )
    first, second = location_and_scale(model)
    assert "Normal(0, τ)" in first
    assert "Normal(α, s)" in second


def test_names_are_the_authors() -> None:
    """Draws, order and labels are those of the spec, however it is sampled; the same seed gives the same draws."""
    model = bound(CASES["scaled"][0] + "; total := sum(a)")
    fit = model.sample(seed=4, chains=2, draws=20, tune=20)
    assert [variable.name for variable in fit.variables] == ["α", "β", "τ", "z", "total"]
    np.testing.assert_allclose(fit.values["total"], fit.values["τ"] * fit.values["z"].sum(-1), rtol=1e-12)
    again = model.sample(seed=4, chains=2, draws=20, tune=20)
    assert all(np.array_equal(fit.values[name], again.values[name]) for name in fit.values)
    assert fit.run.centring == again.run.centring
    mean, least, greatest = fit.run.centring["z"]
    assert 0 <= least <= mean <= greatest <= 1


def test_forms_can_be_forced() -> None:
    model = bound(CASES["centred"][0])
    for form, c in (("centred", 1.0), ("noncentred", 0.0)):
        for given in (form, {"a": form}, {"": "auto", "a": form}):
            fit = model.sample(seed=4, chains=2, draws=10, tune=10, centring=given)  # type: ignore[arg-type]
            assert fit.run.centring == {"a": (c, c, c)}


def test_forcing_what_has_one_form_names_it() -> None:
    model = bound(CASES["centred"][0])
    with pytest.raises(ValueError, match="centring of `β` cannot be chosen.* with two are a$"):
        model.sample(seed=4, centring={"β": "centred"})
    assert bound(REFUSED["a fixed prior"]).sample(seed=4, draws=9, tune=9, centring="centred").run.centring == {}


def test_integrated_effects_leave_the_rest_to_be_chosen() -> None:
    """A normal likelihood with its effects integrated out, beside counts whose effects are not."""
    model = mlmdsl.parse(
        "@model function m(y, x, g, h)\n"
        f"{TOP}; a ~ filldist(Normal(0, τ), 3); s ~ Exponential(1); b ~ filldist(Normal(0, s), 2); σ ~ Exponential(1)\n"
        "x ~ arraydist(Normal.(α .+ a[g], σ)); y ~ arraydist(LogPoisson.(β .+ b[h]))\nend"
    ).bind(**DATA)
    fit = model.sample(seed=4, chains=2, draws=20, tune=30)
    assert (fit.run.marginalized, list(fit.run.centring)) == (("α", "a"), ["b"])
    assert [variable.name for variable in fit.variables] == ["α", "β", "τ", "a", "s", "b", "σ"]
