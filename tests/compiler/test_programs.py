"""Models as their users write them in Turing: each checks without data, binds, and has the density written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from scipy import special, stats

import mlmdsl
from tests.compiler.density import bound, log_density

rng = np.random.default_rng(23)
N = 12
x = rng.normal(size=N)
X = rng.normal(size=(N, 3))
counts = rng.poisson(3, size=N)
g = np.array([1, 2, 3, 1, 2, 3, 4, 4, 1, 2, 4, 3])
h = np.array([1, 1, 2, 2, 3, 3, 1, 2, 3, 1, 2, 3])


def normal(value: Any, mean: Any = 0.0, sd: Any = 1.0) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(value, mean, sd)))


def half_cauchy(value: Any, scale: float = 1.0) -> float:
    """The summed log density of `truncated(Cauchy(0, s); lower=0)`."""
    return float(np.sum(stats.halfcauchy.logpdf(value, 0, scale)))


def exponential(value: Any, scale: float = 1.0) -> float:
    """The summed exponential log density."""
    return float(np.sum(stats.expon.logpdf(value, scale=scale)))


@dataclass(frozen=True)
class Program:
    """A model, its data, values for its parameters, and the log density at these."""

    text: str
    data: dict[str, Any]
    values: dict[str, Any]
    density: Callable[..., float]


def linear(α: Any, β: Any, σ2: Any) -> float:
    """Turing's linear regression."""
    prior = stats.truncnorm.logpdf(σ2, 0, np.inf, 0, 10) + normal(α, 0, np.sqrt(3)) + normal(β, 0, np.sqrt(10))
    return prior + normal(y_linear, α + X @ β, np.sqrt(σ2))


y_linear = X @ [0.4, -1, 0.2] + rng.normal(size=N)
labels = rng.integers(0, 2, size=N)
grades = np.array([1, 2, 3, 1, 2, 4, 3, 2, 1, 4, 2, 3])
schools_y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
schools_s = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
times = rng.exponential(2, size=N)
event = rng.random(N) < 0.7
classes = np.array([1, 2, 3, 2, 1, 3, 3, 2, 1, 1, 2, 3])
answers = rng.integers(0, 2, size=(5, 4))


def ordinal(β: Any, c: Any) -> float:
    """Cumulative logits, cut at c."""
    cdf = special.expit(np.concatenate([[-np.inf], c, [np.inf]])[None, :] - (X @ β)[:, None])
    p = np.diff(cdf, axis=1)[np.arange(N), grades - 1]
    return normal(β) + normal(c, 0, 5) + float(np.log(p).sum())


def gp(ρ: Any, α: Any, σ: Any) -> float:
    """A zero-mean Gaussian process."""
    K = α**2 * np.exp(-((x[:, None] - x[None]) ** 2) / (2 * ρ**2)) + (σ**2 + 1e-6) * np.eye(N)
    prior = stats.invgamma.logpdf(ρ, 5, scale=5) + normal(α) + np.log(2) + exponential(σ)
    return float(prior + stats.multivariate_normal.logpdf(y_linear, np.zeros(N), K))


def mixture(μ: Any, w: Any, σ: Any) -> float:
    """Two components, marginalised."""
    parts = np.log(w)[None, :] + stats.norm.logpdf(y_linear[:, None], μ[None, :], σ)
    prior = normal(μ, [-1, 1], 2) + float(stats.dirichlet.logpdf(w, [2, 2])) + exponential(σ)
    return prior + float(special.logsumexp(parts, axis=1).sum())


def hmm(p1: Any, p2: Any, μ: Any) -> float:
    """The forward algorithm."""
    T = np.stack([p1, p2])
    state = np.log([0.5, 0.5]) + stats.norm.logpdf(y_linear[0], μ, 1)
    for t in range(1, N):
        state = special.logsumexp(state[:, None] + np.log(T), axis=0) + stats.norm.logpdf(y_linear[t], μ, 1)
    prior = float(stats.dirichlet.logpdf(p1, [3, 1]) + stats.dirichlet.logpdf(p2, [1, 3])) + normal(μ, 0, 3)
    return prior + float(special.logsumexp(state))


def softmax_regression(β: Any) -> float:
    """The last class is the reference."""
    logits = np.column_stack([X @ β, np.zeros(N)])
    return normal(β) + float(special.log_softmax(logits, axis=1)[np.arange(N), classes - 1].sum())


def irt(θ: Any, a: Any, b: Any) -> float:
    """Two-parameter logistic items."""
    p = special.expit(a[None, :] * (θ[:, None] - b[None, :]))
    prior = normal(θ) + float(stats.lognorm.logpdf(a, 0.5).sum()) + normal(b)
    return prior + float(stats.bernoulli.logpmf(answers, p).sum())


PROGRAMS = {
    "linear regression": Program(
        """
using Turing, LinearAlgebra
# Bayesian linear regression.
@model function linear_regression(X, y)
    # Set variance prior.
    σ² ~ truncated(Normal(0, 10); lower=0)
    # Set intercept prior.
    intercept ~ Normal(0, sqrt(3))
    # Set the priors on our coefficients.
    nfeatures = size(X, 2)
    coefficients ~ MvNormal(zeros(nfeatures), 10.0 * I)
    # Calculate all the mu terms.
    mu = intercept .+ X * coefficients
    return y ~ MvNormal(mu, σ² * I)
end
""",
        {"X": X, "y": y_linear},
        {"intercept": 0.2, "coefficients": np.array([0.5, -0.8, 0.1]), "σ²": 1.4},
        lambda **v: linear(v["intercept"], v["coefficients"], v["σ²"]),
    ),
    "logistic regression": Program(
        """
@model function logistic_regression(x, y, n, σ)
    intercept ~ Normal(0, σ)
    student ~ Normal(0, σ)
    balance ~ Normal(0, σ)
    for i in 1:n
        v = logistic(intercept + student * x[i, 1] + balance * x[i, 2])
        y[i] ~ Bernoulli(v)
    end
end;
""",
        {"x": X, "y": labels, "n": N, "σ": 1.5},
        {"intercept": 0.2, "student": -0.3, "balance": 0.8},
        lambda intercept, student, balance: (
            normal([intercept, student, balance], 0, 1.5)
            + float(
                stats.bernoulli.logpmf(labels, special.expit(intercept + student * X[:, 0] + balance * X[:, 1])).sum()
            )
        ),
    ),
    "Poisson with an offset": Program(
        """
@model function poisson_regression(x, y, exposure, n; σ²=2.0)
    b0 ~ Normal(0, sqrt(σ²))
    b1 ~ Normal(0, sqrt(σ²))
    for i in 1:n
        theta = b0 + b1 * x[i] + log(exposure[i])
        y[i] ~ Poisson(exp(theta))
    end
end
""",
        {"x": x, "y": counts, "exposure": np.abs(x) + 1, "n": N},
        {"b0": 0.4, "b1": 0.3},
        lambda b0, b1: (
            normal([b0, b1], 0, np.sqrt(2))
            + float(stats.poisson.logpmf(counts, np.exp(b0 + b1 * x) * (np.abs(x) + 1)).sum())
        ),
    ),
    "negative binomial": Program(
        """
function NegativeBinomial2(μ, ϕ)
    p = 1 / (1 + μ / ϕ)
    r = ϕ
    return NegativeBinomial(r, p)
end
@model function negative_binomial(X, y)
    α ~ Normal(0, 2.5)
    β ~ filldist(TDist(3), size(X, 2))
    ϕ⁻ ~ Gamma(0.5, 2)
    ϕ = 1 / ϕ⁻
    y ~ arraydist([NegativeBinomial2(μ, ϕ) for μ in exp.(α .+ X * β)])
end
""",
        {"X": X, "y": counts},
        {"α": 0.9, "β": np.array([0.2, 0.1, -0.4]), "ϕ⁻": 0.4},
        lambda **v: (
            normal(v["α"], 0, 2.5)
            + float(stats.t.logpdf(v["β"], 3).sum() + stats.gamma.logpdf(v["ϕ⁻"], 0.5, scale=2))
            + float(stats.nbinom.logpmf(counts, 2.5, 1 / (1 + np.exp(v["α"] + X @ v["β"]) / 2.5)).sum())
        ),
    ),
    "ordinal": Program(
        """
@model function ordinal(X, y; ncateg=maximum(y), predictors=size(X, 2))
    β ~ filldist(Normal(), predictors)
    c ~ Bijectors.ordered(filldist(Normal(0, 5), ncateg - 1))
    y ~ arraydist([OrderedLogistic(X[i, :] ⋅ β, c) for i in 1:length(y)])
end
""",
        {"X": X, "y": grades},
        {"β": np.array([0.3, -0.5, 0.8]), "c": np.array([-1.0, 0.4, 1.6])},
        ordinal,
    ),
    "robust": Program(
        """
@model function robust_regression(X, y; predictors=size(X, 2))
    α ~ LocationScale(median(y), 2.5 * mad(y), TDist(3))
    β ~ filldist(TDist(3), predictors)
    σ ~ Exponential(1)
    ν ~ LogNormal(2, 1)
    y ~ arraydist(LocationScale.(α .+ X * β, σ, TDist.(ν)))
end
""",
        {"X": X, "y": y_linear},
        {"α": 0.1, "β": np.array([0.5, -0.8, 0.1]), "σ": 0.9, "ν": 6.0},
        lambda **v: (
            float(
                stats.t.logpdf(
                    v["α"], 3, np.median(y_linear), 2.5 * stats.median_abs_deviation(y_linear, scale="normal")
                )
                + stats.t.logpdf(v["β"], 3).sum()
                + stats.lognorm.logpdf(v["ν"], 1, scale=np.exp(2))
                + stats.t.logpdf(y_linear, v["ν"], v["α"] + X @ v["β"], v["σ"]).sum()
            )
            + exponential(v["σ"])
        ),
    ),
    "eight schools, centred": Program(
        """
@model function eight_schools(J, y, σ)
    μ ~ Normal(0, 5)
    τ ~ truncated(Cauchy(0, 5), 0, Inf)
    θ = Vector{Float64}(undef, J)
    for j in 1:J
        θ[j] ~ Normal(μ, τ)
        y[j] ~ Normal(θ[j], σ[j])
    end
end
""",
        {"J": 8, "y": schools_y, "σ": schools_s},
        {"μ": 4.0, "τ": 3.0, "θ": np.linspace(-3, 9, 8)},
        lambda μ, τ, θ: normal(μ, 0, 5) + half_cauchy(τ, 5) + normal(θ, μ, τ) + normal(schools_y, θ, schools_s),
    ),
    "eight schools, non-centred": Program(
        """
@model function eight_schools(y, σ; J=length(y))
    μ ~ Normal(0, 5)
    τ ~ truncated(Cauchy(0, 5); lower=0)
    z ~ filldist(Normal(), J)
    θ := μ .+ τ .* z
    for j in eachindex(y)
        y[j] ~ Normal(θ[j], σ[j])
    end
    return θ
end
""",
        {"y": schools_y, "σ": schools_s},
        {"μ": 4.0, "τ": 3.0, "z": np.linspace(-1, 1, 8)},
        lambda μ, τ, z: normal(μ, 0, 5) + half_cauchy(τ, 5) + normal(z) + normal(schools_y, μ + τ * z, schools_s),
    ),
    "radon with group predictors": Program(
        """
@model function radon(floor, county, u, y; n_counties=length(u))
    γ₀ ~ Normal(0, 10)
    γ₁ ~ Normal(0, 10)
    β ~ Normal(0, 10)
    σ_α ~ Exponential(1)
    σ_y ~ Exponential(1)
    α ~ arraydist([Normal(γ₀ + γ₁ * u[j], σ_α) for j in 1:n_counties])
    for i in eachindex(y)
        y[i] ~ Normal(α[county[i]] + β * floor[i], σ_y)
    end
end
""",
        {"floor": labels, "county": g, "u": np.array([0.2, -0.4, 1.0, 0.3]), "y": y_linear},
        {"γ₀": 1.0, "γ₁": 0.5, "β": -0.6, "σ_α": 0.4, "σ_y": 0.8, "α": np.array([0.9, 0.7, 1.6, 1.3])},
        lambda **v: (
            normal([v["γ₀"], v["γ₁"], v["β"]], 0, 10)
            + exponential([v["σ_α"], v["σ_y"]])
            + normal(v["α"], v["γ₀"] + v["γ₁"] * np.array([0.2, -0.4, 1.0, 0.3]), v["σ_α"])
            + normal(y_linear, v["α"][g - 1] + v["β"] * labels, v["σ_y"])
        ),
    ),
    "nested and crossed effects": Program(
        """
@model function crossed(school, rater, y; n_s=maximum(school), n_r=maximum(rater))
    μ ~ Normal(0, 2)
    τ ~ filldist(truncated(Normal(0, 1); lower=0), 3)
    a ~ filldist(Normal(0, τ[1]), n_s)
    b ~ filldist(Normal(0, τ[2]), n_r)
    ab ~ filldist(Normal(0, τ[3]), n_s, n_r)
    σ ~ Exponential(1)
    y ~ MvNormal([μ + a[school[i]] + b[rater[i]] + ab[school[i], rater[i]] for i in eachindex(y)], σ^2 * I)
end
""",
        {"school": g, "rater": h, "y": y_linear},
        {
            "μ": 0.3,
            "τ": np.array([0.5, 1.0, 0.7]),
            "a": np.array([0.1, -0.2, 0.4, 0.6]),
            "b": np.array([0.3, -0.9, 0.2]),
            "ab": rng.normal(size=(4, 3)),
            "σ": 1.1,
        },
        lambda **v: (
            normal(v["μ"], 0, 2)
            + normal(v["τ"])
            + 3 * np.log(2)
            + normal(v["a"], 0, v["τ"][0])
            + normal(v["b"], 0, v["τ"][1])
            + normal(v["ab"], 0, v["τ"][2])
            + exponential(v["σ"])
            + normal(y_linear, v["μ"] + v["a"][g - 1] + v["b"][h - 1] + v["ab"][g - 1, h - 1], v["σ"])
        ),
    ),
    "measurement error": Program(
        """
@model function measurement_error(x_obs, y, τ)
    N = length(y)
    α ~ Normal(0, 5)
    β ~ Normal(0, 5)
    σ ~ truncated(Cauchy(0, 5); lower=0)
    x ~ filldist(Normal(0, 2), N)
    x_obs .~ Normal.(x, τ)
    y .~ Normal.(α .+ β .* x, σ)
end
""",
        {"x_obs": x, "y": y_linear, "τ": 0.4},
        {"α": 0.3, "β": 1.2, "σ": 0.7, "x": x + 0.1},
        lambda α, β, σ, x: (
            normal([α, β], 0, 5)
            + half_cauchy(σ, 5)
            + normal(x, 0, 2)
            + normal(X_OBSERVED, x, 0.4)
            + normal(y_linear, α + β * x, σ)
        ),
    ),
    "Gaussian mixture": Program(
        """
@model function gaussian_mixture(y)
    μ ~ arraydist([Normal(m, 2) for m in [-1.0, 1.0]])
    w ~ Dirichlet(2, 2.0)
    σ ~ Exponential(1)
    for i in eachindex(y)
        y[i] ~ MixtureModel([Normal(μ[k], σ) for k in 1:2], w)
    end
end
""",
        {"y": y_linear},
        {"μ": np.array([-0.5, 1.3]), "w": np.array([0.4, 0.6]), "σ": 0.8},
        mixture,
    ),
    "hidden Markov model": Program(
        """
@model function hmm(y; K=2)
    p1 ~ Dirichlet([3.0, 1.0])
    p2 ~ Dirichlet([1.0, 3.0])
    μ ~ filldist(Normal(0, 3), K)
    T = [p1 p2]'
    α = log(0.5) .+ logpdf.(Normal.(μ, 1), y[1])
    for t in 2:length(y)
        α_new = zeros(K)
        for k in 1:K
            α_new[k] = logsumexp(α .+ log.(T[:, k])) + logpdf(Normal(μ[k], 1), y[t])
        end
        α = α_new
    end
    Turing.@addlogprob! logsumexp(α)
end
""",
        {"y": y_linear},
        {"p1": np.array([0.8, 0.2]), "p2": np.array([0.3, 0.7]), "μ": np.array([-0.4, 0.9])},
        hmm,
    ),
    "AR(1) state space": Program(
        """
@model function local_level(y)
    σ_level ~ Exponential(1)
    σ_y ~ Exponential(1)
    level = Vector{Float64}(undef, length(y))
    level[1] ~ Normal(0, 1)
    y[1] ~ Normal(level[1], σ_y)
    for t in 2:length(y)
        level[t] ~ Normal(level[t-1], σ_level)
        y[t] ~ Normal(level[t], σ_y)
    end
end
""",
        {"y": y_linear},
        {"σ_level": 0.5, "σ_y": 0.9, **{f"level[{t + 1}]": 0.1 * t for t in range(N)}},
        lambda **v: (
            exponential([v["σ_level"], v["σ_y"]])
            + normal(0.0)
            + normal(np.full(N - 1, 0.1), 0, v["σ_level"])
            + normal(y_linear, 0.1 * np.arange(N), v["σ_y"])
        ),
    ),
    "Gaussian process": Program(
        """
@model function gp(x, y; n=length(x))
    ρ ~ InverseGamma(5, 5)
    α ~ truncated(Normal(0, 1); lower=0)
    σ ~ Exponential(1)
    K = [α^2 * exp(-(x[i] - x[j])^2 / (2ρ^2)) for i in 1:n, j in 1:n] + 1e-6 * I
    y ~ MvNormal(zeros(n), K + σ^2 * I)
end
""",
        {"x": x, "y": y_linear},
        {"ρ": 0.9, "α": 1.2, "σ": 0.5},
        gp,
    ),
    "item response": Program(
        """
@model function irt_2pl(y; I_persons=size(y, 1), J=size(y, 2))
    θ ~ filldist(Normal(0, 1), I_persons)
    a ~ filldist(LogNormal(0, 0.5), J)
    b ~ filldist(Normal(0, 1), J)
    for i in 1:I_persons, j in 1:J
        y[i, j] ~ BernoulliLogit(a[j] * (θ[i] - b[j]))
    end
end
""",
        {"y": answers},
        {
            "θ": np.array([0.3, -1.0, 0.5, 1.2, 0.1]),
            "a": np.array([0.8, 1.2, 1.0, 0.6]),
            "b": np.array([0.2, -0.4, 1.0, 0.5]),
        },
        irt,
    ),
    "horseshoe": Program(
        """
@model function horseshoe(X, y)
    D = size(X, 2)
    halfcauchy = truncated(Cauchy(0, 1); lower=0)
    τ ~ halfcauchy
    λ ~ filldist(halfcauchy, D)
    z ~ MvNormal(zeros(D), I)
    β = z .* λ .* τ
    σ ~ Exponential(1)
    y ~ MvNormal(X * β, σ^2 * I)
end
""",
        {"X": X, "y": y_linear},
        {"τ": 0.3, "λ": np.array([0.5, 1.5, 0.8]), "z": np.array([1.0, -0.6, 0.2]), "σ": 1.2},
        lambda τ, λ, z, σ: (
            half_cauchy(τ) + half_cauchy(λ) + normal(z) + exponential(σ) + normal(y_linear, X @ (z * λ * τ), σ)
        ),
    ),
    "softmax regression": Program(
        """
@model function softmax_regression(X, y; K=3)
    β ~ filldist(Normal(0, 1), size(X, 2), K - 1)
    η = hcat(X * β, zeros(size(X, 1)))
    for i in axes(X, 1)
        p = softmax(η[i, :])
        y[i] ~ Categorical(p)
    end
end
""",
        {"X": X, "y": classes},
        {"β": np.array([[0.3, -0.5], [0.8, 0.1], [0.2, 0.9]])},
        softmax_regression,
    ),
    "time-varying coefficients": Program(
        """
@model function time_varying(x, y; n=length(y))
    τ ~ Exponential(0.5)
    σ ~ Exponential(1)
    steps ~ filldist(Normal(0, 1), n)
    β := cumsum(τ .* steps)
    y ~ arraydist(Normal.(β .* x, σ))
end
""",
        {"x": x, "y": y_linear},
        {"τ": 0.4, "σ": 0.9, "steps": rng.normal(size=N)},
        lambda τ, σ, steps: (
            exponential(τ, 0.5) + exponential(σ) + normal(steps) + normal(y_linear, np.cumsum(τ * steps) * x, σ)
        ),
    ),
    "survival": Program(
        """
@model function survival(x, t, died)
    β₀ ~ Normal(0, 2)
    β ~ Normal(0, 1)
    k ~ Gamma(2, 1)
    for i in eachindex(t)
        λ = exp(β₀ + β * x[i])
        if died[i]
            @addlogprob! logpdf(Weibull(k, λ), t[i])
        else
            @addlogprob! -(t[i] / λ)^k
        end
    end
end
""",
        {"x": x, "t": times, "died": event},
        {"β₀": 0.4, "β": 0.2, "k": 1.3},
        lambda **v: (
            normal(v["β₀"], 0, 2)
            + normal(v["β"])
            + float(stats.gamma.logpdf(v["k"], 2))
            + float(stats.weibull_min.logpdf(times, v["k"], scale=np.exp(v["β₀"] + v["β"] * x))[event].sum())
            + float(stats.weibull_min.logsf(times, v["k"], scale=np.exp(v["β₀"] + v["β"] * x))[~event].sum())
        ),
    ),
    "censored": Program(
        """
@model function censored_normal(y, limit)
    μ ~ Normal(0, 3)
    σ ~ Exponential(1)
    y .~ censored(Normal(μ, σ); upper=limit)
end
""",
        {"y": np.minimum(y_linear, 0.5), "limit": 0.5},
        {"μ": 0.3, "σ": 1.1},
        lambda μ, σ: (
            normal(μ, 0, 3)
            + exponential(σ)
            + normal(y_linear[y_linear < 0.5], μ, σ)
            + float(np.sum(y_linear >= 0.5) * stats.norm.logsf(0.5, μ, σ))
        ),
    ),
}
X_OBSERVED = x
CASES = [pytest.param(program, id=name) for name, program in PROGRAMS.items()]


@pytest.mark.parametrize("program", CASES)
def test_density(program: Program) -> None:
    """The program's log density is the one written by hand."""
    wanted = program.density(**program.values)
    np.testing.assert_allclose(log_density(bound(program.text, **program.data), program.values), wanted, rtol=1e-10)


@pytest.mark.parametrize("program", CASES)
def test_checked_without_data(program: Program) -> None:
    """What is right is not refused before its data are there, and its program can be printed."""
    spec = mlmdsl.parse(program.text)
    spec.check()
    compile(spec.pyro_source(), "<program>", "exec")
    assert "def model(" in spec.pyro_source()


@pytest.mark.parametrize("program", CASES)
def test_runs(program: Program) -> None:
    """The program draws from its prior, and its density has finite gradients there."""
    model = bound(program.text, **program.data).program
    pyro.set_rng_seed(3)
    trace = pyro.poutine.trace(model).get_trace()
    values = {
        name: site["value"].detach().requires_grad_()
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site["is_observed"] and site["value"].is_floating_point()
        and "_Subsample" not in type(site["fn"]).__name__
    }  # fmt: skip
    density = pyro.poutine.trace(pyro.poutine.condition(model, data=values)).get_trace().log_prob_sum()
    gradients = torch.autograd.grad(density, list(values.values()))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


# ── the programs are plain Pyro ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["eight schools, non-centred", "AR(1) state space", "item response"])
def test_sampled(name: str) -> None:
    """A few draws come back under the spec's names, with the shapes of its arrays."""
    program = PROGRAMS[name]
    fit = bound(program.text, **program.data).sample(kernel="vectorized", chains=2, draws=10, tune=20, seed=1)
    found = {variable.name: tuple(dim.size for dim in variable.dims) for variable in fit.variables}
    wanted = {
        "eight schools, non-centred": {"μ": (), "τ": (), "z": (8,), "θ": (8,)},
        "AR(1) state space": {"σ_level": (), "σ_y": (), "level": (N,)},
        "item response": {"θ": (5,), "a": (4,), "b": (4,)},
    }
    assert found == wanted[name]


SHIPPED = ["cheese/varying_intercept", "cheese/varying_intercept_slope", "multilevel/slopes_by_group"]


@pytest.mark.parametrize("name", SHIPPED)
def test_svi_and_prediction(name: str) -> None:
    """Variational inference and posterior prediction, as Pyro has them, run on the program as it is."""
    program = mlmdsl.load(name).bind().program
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    guide = pyro.infer.autoguide.AutoNormal(program, init_scale=0.01)
    svi = pyro.infer.SVI(program, guide, pyro.optim.Adam({"lr": 0.05}), pyro.infer.Trace_ELBO())
    losses = [svi.step() for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    drawn = pyro.infer.Predictive(program, guide=guide, num_samples=4)()
    assert all(len(value) == 4 for value in drawn.values())
    assert all(bool(torch.isfinite(value).all()) for value in drawn.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_rendered(name: str) -> None:
    """Pyro draws the model as a graph."""
    pytest.importorskip("graphviz")
    graph = pyro.render_model(mlmdsl.load(name).bind().program)
    assert "y" in graph.source


RANGES = """
@model function ranges(y)
    μ ~ Normal(0, 1)
    for i in 1:3, j in 2:2:4
        y[i, j] ~ Normal(μ * i, j)
    end
    z := sum(collect(1:3) .* μ) + sum((0:0.5:1) .* μ)
end
"""


def test_a_program_makes_no_tensor_off_its_device() -> None:
    """Arithmetic on a GPU takes no tensor of the CPU but single numbers."""
    there = bound(RANGES, y=np.ones((3, 4))).pyro_source(device="cuda")
    assert there.count("torch.arange(") == there.count("device='cuda'") == 5
