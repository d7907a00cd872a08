"""Forms that only the data decide: missing entries, masks, groups of unequal sizes; each by the density written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.compiler.density import bound, log_density

norm = stats.norm.logpdf
y = [1.5, 2.0, None, None, 0.4, None, -0.3]
ya = np.array([1.5, 2.0, np.nan, np.nan, 0.4, np.nan, -0.3])
m = np.isnan(ya)
g = np.array([1, 2, 2, 3, 3, 3, 1])
x = np.arange(7) * 0.5
mu = 0.7
P = norm(mu, 0, 5)
O = norm(ya[~m], mu, 1).sum()

CASES: dict[str, tuple[str, Any]] = {
"if-else": ("for i in eachindex(y)\nif ismissing(y[i])\n@addlogprob! -μ\nelse\ny[i] ~ Normal(μ, 1)\nend\nend", P+O-3*mu),
"not": ("for i in eachindex(y)\nif !ismissing(y[i])\ny[i] ~ Normal(μ, 1)\nend\nend", P+O),
"and": ("for i in 1:length(y)\nif !ismissing(y[i]) && y[i] > 0\ny[i] ~ Normal(μ, 1)\nend\nend", P+norm(ya[~m&(ya>0)],mu,1).sum()),
"elseif": ("for i in 1:length(y)\nif ismissing(y[i])\n@addlogprob! -μ\nelseif y[i] > 1\ny[i] ~ Normal(μ, 1)\nelse\ny[i] ~ Normal(μ, 2)\nend\nend", P-3*mu+norm(ya[ya>1],mu,1).sum()+norm(ya[ya<=1],mu,2).sum()),
"ternary": ("s = [ismissing(y[i]) ? μ : 2 * y[i] for i in eachindex(y)]\n@addlogprob! sum(s .* x)", P+(np.where(m,mu,2*ya)*x).sum()),
"coalesce": ("for i in eachindex(y)\nx[i] ~ Normal(coalesce(y[i], μ), 1)\nend", P+norm(x,np.where(m,mu,ya),1).sum()),
"coalesce.": ("x ~ MvNormal(coalesce.(y, μ), I)", P+norm(x,np.where(m,mu,ya),1).sum()),
"mask": ("y[.!ismissing.(y)] ~ MvNormal(fill(μ, count(!ismissing, y)), I)", P+O),
"mask2": ("ok = .!ismissing.(y)\ny[ok] ~ MvNormal(μ .+ x[ok], I)", P+norm(ya[~m],mu+x[~m],1).sum()),
"skip": ("@addlogprob! μ * mean(skipmissing(y)) * sum(ismissing.(y))", P+mu*np.nanmean(ya)*3),
"any": ("if any(ismissing, y)\n@addlogprob! μ\nend\nif all(ismissing, y)\n@addlogprob! -2μ\nend", P+mu),
"ifelse.": ("x ~ MvNormal(ifelse.(ismissing.(y), μ, y), I)", P+norm(x,np.where(m,mu,ya),1).sum()),
"carried": ("h = 0.0\nfor i in eachindex(y)\nif ismissing(y[i])\nh = h + μ\nelse\nh = 0.5 * h\ny[i] ~ Normal(h + μ, 1)\nend\nend", None),
"groups": ("for j in 1:3\nx[g .== j] ~ MvNormal(fill(μ * j, count(g .== j)), I)\nend", P+norm(x,mu*g,1).sum()),
"groups sum": ("s = [sum(x[g .== j] .* μ) for j in 1:3]\n@addlogprob! sum(s .* [1, 2, 3])", P+(x*mu*g).sum()),
"lengths": ("n = [length(x[g .== j]) for j in 1:3]\n@addlogprob! sum(μ .* n .* [1, 2, 3])", P+mu*(2+4+9)),
"ragged": ("a = [1, 4, 5]\nb = [3, 4, 7]\nfor j in 1:3\nx[a[j]:b[j]] ~ MvNormal(fill(μ * j, b[j] - a[j] + 1), I)\nend", P+norm(x,mu*np.array([1,1,1,2,3,3,3]),1).sum()),
"ragged sum": ("a = [1, 4, 5]\nb = [3, 4, 7]\nfor j in 1:3\n@addlogprob! sum(x[a[j]:b[j]] .* μ) * j\nend", P+(x*mu*np.array([1,1,1,2,3,3,3])).sum()),
"ragged carried": ("a = [1, 4, 5]\nb = [3, 4, 7]\nt = 0.0\nfor j in 1:3\nt = t / 2 + sum(x[a[j]:b[j]])\nx[a[j]:b[j]] ~ MvNormal(fill(μ * t, b[j] - a[j] + 1), I)\nend", None),
"isnan": ("z = [1.0, NaN, 2.0]\nfor i in 1:3\nif isnan(z[i])\n@addlogprob! μ\nelse\n@addlogprob! z[i] * μ^2\nend\nend", P+mu+3*mu**2),
"store parts": ("s = zeros(7)\nfor i in eachindex(y)\nif ismissing(y[i])\ns[i] = μ\nelse\nw = y[i] * 2\ns[i] = w\nend\nend\nx ~ MvNormal(s, I)", P+norm(x,np.where(m,mu,2*ya),1).sum()),
"sum acc": ("t = 0.0\nfor i in eachindex(y)\nif !ismissing(y[i])\nt += y[i] * μ\nend\nend\n@addlogprob! t", P+np.nansum(ya)*mu),
"continue-like pair": ("for i in eachindex(y)\nm = ismissing(y[i]) ? 0.0 : y[i]\nx[i] ~ Normal(m * μ, 1)\nend", P+norm(x,np.where(m,0,ya)*mu,1).sum()),
"2d": ("Y = [1 2; 3 4]\nfor i in 1:2, j in 1:2\nif Y[i, j] > i\n@addlogprob! μ * Y[i, j]\nend\nend", P+mu*(2+3+4)),
}  # fmt: skip
h, tot = 0.0, P
for i in range(7):
    h = h + mu if m[i] else 0.5 * h
    tot += 0 if m[i] else norm(ya[i], h + mu, 1)
CASES["carried"] = (CASES["carried"][0], tot)
t, tot = 0.0, P
for a, b in [(0, 3), (3, 4), (4, 7)]:
    t = t / 2 + x[a:b].sum()
    tot += norm(x[a:b], mu * t, 1).sum()
CASES["ragged carried"] = (CASES["ragged carried"][0], tot)


TEXT = "@model function m(y, x, g)\nμ ~ Normal(0, 5)\n{}\nend"


@pytest.mark.parametrize("name", CASES)
def test_data_decide_the_form(name: str) -> None:
    body, expected = CASES[name]
    text = TEXT.format(body)
    mlmdsl.parse(text).check()
    assert log_density(bound(text, y=y, x=x, g=g), {"μ": mu}) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "for i in eachindex(y)\nx[i] ~ Normal(ismissing(y[1]) ? 0 : y[i], 1)\nend",
            "`y` is missing here (rows 3, 4, 6)",
        ),
        (
            "for i in eachindex(y)\nif y[i] > 0 || ismissing(y[1])\nx[i] ~ Normal(μ, 1)\nend\nend",
            "this condition is missing",
        ),
        ("x ~ MvNormal(coalesce(y, μ), I)", "coalesce"),
    ],
)
def test_a_missing_entry_is_not_read(body: str, words: str) -> None:
    with pytest.raises((mlmdsl.SpecError, mlmdsl.DataError)) as caught:
        mlmdsl.parse(TEXT.format(body)).bind(y=y, x=x, g=g)
    assert words in str(caught.value)
    assert all(found.span is not None for found in caught.value.diagnostics)


@pytest.mark.parametrize(
    "body",
    [
        "for j in 1:3\nx[g .== j] ~ MvNormal(fill(μ, count(g .== j)), I)\nend",
        "for i in eachindex(y)\nif ismissing(y[i])\n@addlogprob! μ\nelse\ny[i] ~ Normal(μ, 1)\nend\nend",
        "J = length(unique(g))\nu ~ filldist(Normal(0, 1), J)",
    ],
)
def test_without_data_the_program_says_where_it_needs_them(body: str) -> None:
    spec = mlmdsl.parse(TEXT.format(body))
    spec.check()
    with pytest.raises(mlmdsl.SpecError) as caught:
        spec.pyro_source()
    (found,) = caught.value.diagnostics
    assert "known only with data" in found.message and found.span is not None


def test_an_entry_that_no_branch_observes_is_no_parameter() -> None:
    body, _ = CASES["if-else"]
    fit = bound(TEXT.format(body), y=y, x=x, g=g).sample(seed=1, chains=2, draws=20, tune=20)
    assert set(fit.summary()["parameter"]) == {"μ"}


def test_thousands_of_groups_are_a_statement_for_each_size() -> None:
    rng = np.random.default_rng(5)
    group = np.sort(rng.integers(1, 2001, 8000))
    group = np.unique(group, return_inverse=True)[1] + 1
    value = rng.normal(size=8000)
    text = (
        "@model function m(v, h; J=length(unique(h)))\nμ ~ Normal(0, 5)\nu ~ filldist(Normal(0, 1), J)\n"
        "for j in 1:J\nv[h .== j] ~ MvNormal(fill(μ + u[j], count(h .== j)), I)\nend\nend"
    )
    model = mlmdsl.parse(text).bind(v=value, h=group)
    sizes = len(set(np.bincount(group)[1:].tolist()))
    assert model.pyro_source().count("pyro.sample('v[") == sizes
    u = rng.normal(size=group.max())
    expected = norm(mu, 0, 5) + norm(u).sum() + norm(value, mu + u[group - 1], 1).sum()
    assert log_density(model, {"μ": mu, "u": u}) == pytest.approx(float(expected), rel=1e-10)
