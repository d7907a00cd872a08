"""The hard models of tests/benchmarks/hard in PyMC, parameter for parameter, as its users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from pymc.distributions.transforms import ordered as ordering
from pytensor import tensor as pt

Array = Any


def ordered(name: str, scale: float, size: int) -> Array:
    """Normal about 0, restricted to ordered vectors."""
    return pm.Normal(name, 0, scale, shape=size, transform=ordering, initval=np.linspace(-1, 1, size))


# ── regressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def poisson_glm(x: Array, y: Array) -> None:
    a, b = pm.Normal("a", 0, 10), pm.Normal("b", 0, 10)
    pm.Poisson("y", pt.exp(a + b * x), observed=y)


def poisson_glmm(year: Array, y: Array) -> None:
    α, β, σ = pm.Uniform("α", -20, 20), pm.Uniform("β", -10, 10, shape=3), pm.Uniform("σ", 0, 5)
    ε = pm.Normal("ε", 0, σ, shape=len(y))
    pm.Poisson("y", pt.exp(α + β[0] * year + β[1] * year**2 + β[2] * year**3 + ε), observed=y)


def election(
    y: Array, black: Array, female: Array, v_prev: Array,
    age: Array, edu: Array, age_edu: Array, state: Array, region: Array,
) -> None:  # fmt: skip
    β = pm.Normal("β", 0, 100, shape=5)
    logits = β[0] + β[1] * black + β[2] * female + β[3] * v_prev + β[4] * female * black
    factors = {"age": age, "edu": edu, "age_edu": age_edu, "state": state, "region": region}
    for name, (factor, index), size in zip("abcde", factors.items(), (4, 4, 16, 51, 5), strict=True):
        logits += pm.Normal(name, 0, pm.Uniform(f"σ_{factor}", 0, 100), shape=size)[index - 1]
    pm.Bernoulli("y", logit_p=logits, observed=y)


def scales(X: Array, y: Array) -> None:
    α, β = pm.Normal("α", 0, 10), pm.Normal("β", 0, 10_000, shape=X.shape[1])
    pm.Bernoulli("y", logit_p=α + X @ β, observed=y)


def offset(x: Array, y: Array) -> None:
    α, β, σ = pm.Normal("α", 0, 1e7), pm.Normal("β", 0, 100), pm.HalfCauchy("σ", 10)
    pm.Logistic("y", α + β * x, σ, observed=y)


def ordered_logit(x: Array, group: Array, y: Array) -> None:
    c, β, τ = ordered("c", 5, 4), pm.Normal("β", 0, 2), pm.Exponential("τ", 1)
    u = pm.Normal("u", 0, τ, shape=int(group.max()))
    pm.OrderedLogistic("y", eta=β * x + u[group - 1], cutpoints=c, observed=y - 1, compute_p=False)


def negative_binomial(x: Array, group: Array, y: Array) -> None:
    α, β = pm.Normal("α", 0, 5), pm.Normal("β", 0, 2)
    τ, r = pm.Exponential("τ", 1), pm.Exponential("r", scale=10)
    u = pm.Normal("u", 0, τ, shape=int(group.max()))
    pm.NegativeBinomial("y", mu=pt.exp(α + β * x + u[group - 1]), alpha=r, observed=y)


def student_t(x: Array, y: Array) -> None:
    α, β, σ = pm.Normal("α", 0, 10), pm.Normal("β", 0, 10), pm.HalfCauchy("σ", 5)
    pm.StudentT("y", nu=pm.Gamma("ν", 2, 1 / 10), mu=α + β * x, sigma=σ, observed=y)


# ── series ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def arma(y: Array) -> None:
    μ, φ, θ = pm.Normal("μ", 0, 10), pm.Normal("φ", 0, 2), pm.Normal("θ", 0, 2)
    σ = pm.HalfCauchy("σ", 2.5)
    first = float(y[0]) - (μ + φ * μ)
    errors = pytensor.scan(
        lambda before, now, error, μ, φ, θ: now - (μ + φ * before + θ * error),
        sequences=[pt.as_tensor(y[:-1]), pt.as_tensor(y[1:])],
        outputs_info=first,
        non_sequences=[μ, φ, θ],
        strict=True,
        return_updates=False,
    )
    pm.Potential("errors", pm.logp(pm.Normal.dist(0, σ), pt.concatenate([first[None], errors])).sum())


def latent_ar1(y: Array) -> None:
    φ, σ, τ = pm.Uniform("φ", -1, 1), pm.Exponential("σ", 1), pm.Exponential("τ", 1)
    h = pm.AR("h", [φ], sigma=σ, init_dist=pm.Normal.dist(0, 1), shape=len(y))
    pm.Normal("y", h, τ, observed=y)


def volatility(y: Array) -> None:
    μ, φ, σ = pm.Normal("μ", 0, 5), pm.Uniform("φ", -1, 1), pm.Exponential("σ", scale=0.5)
    first = pm.Normal.dist(μ, σ / pt.sqrt(1 - φ**2))
    h = pm.AR("h", [μ * (1 - φ), φ], sigma=σ, init_dist=first, constant=True, shape=len(y))
    pm.Normal("y", 0, pt.exp(h / 2), observed=y)


def garch(y: Array) -> None:
    μ, ω, α = pm.Normal("μ", 0, 10), pm.HalfNormal("ω", 5), pm.Uniform("α", 0, 1)
    β = pm.Uniform("β", 0, 1 - α)
    first = pt.as_tensor(np.var(y, ddof=1))
    h = pytensor.scan(
        lambda before, h, μ, ω, α, β: ω + α * (before - μ) ** 2 + β * h,
        sequences=[pt.as_tensor(y[:-1])],
        outputs_info=first,
        non_sequences=[μ, ω, α, β],
        strict=True,
        return_updates=False,
    )
    pm.Normal("y", μ, pt.sqrt(pt.concatenate([first[None], h])), observed=y)


def hmm(y: Array) -> None:
    stay, μ, σ = pm.Beta("stay", 4, 2, shape=2), ordered("μ", 5, 2), pm.Exponential("σ", 1)
    move = pt.log(pt.stack([pt.stack([stay[0], 1 - stay[0]]), pt.stack([1 - stay[1], stay[1]])]))
    emission = pm.logp(pm.Normal.dist(μ, σ), y[:, None])
    log_share = pytensor.scan(
        lambda each, log_share, move: pt.logsumexp(log_share[:, None] + move, axis=0) + each,
        sequences=[emission[1:]],
        outputs_info=np.log(0.5) + emission[0],
        non_sequences=[move],
        strict=True,
        return_updates=False,
    )
    pm.Potential("paths", pt.logsumexp(log_share[-1]))


def lotka_volterra(hare: Array, lynx: Array, steps: int = 5) -> None:
    α, γ = (pm.TruncatedNormal(name, 1, 0.5, lower=0) for name in "αγ")
    β, δ = (pm.TruncatedNormal(name, 0.05, 0.05, lower=0) for name in "βδ")
    start, σ = pm.LogNormal("start", np.log(10), 1, shape=2), pm.LogNormal("σ", -1, 1, shape=2)

    def slope(state: Array, α: Array, β: Array, γ: Array, δ: Array) -> Array:
        return pt.stack([(α - β * state[1]) * state[0], (-γ + δ * state[0]) * state[1]])

    def step(state: Array, *rates: Array) -> Array:
        h = 1 / steps
        k1 = slope(state, *rates)
        k2 = slope(state + h / 2 * k1, *rates)
        k3 = slope(state + h / 2 * k2, *rates)
        k4 = slope(state + h * k3, *rates)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    states = pytensor.scan(
        step, outputs_info=start, non_sequences=[α, β, γ, δ], n_steps=(len(hare) - 1) * steps, strict=True,
        return_updates=False,
    )  # fmt: skip
    years = pt.concatenate([start[None], states[steps - 1 :: steps]])
    pm.LogNormal("y", pt.log(years), σ, observed=np.stack([hare, lynx], 1))


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def funnel() -> None:
    pm.Normal("x", 0, pt.exp(pm.Normal("v", 0, 3) / 2), shape=9)


def mixture(y: Array) -> None:
    μ, σ, θ = ordered("μ", 2, 2), pm.HalfNormal("σ", 2, shape=2), pm.Beta("θ", 5, 5)
    pm.NormalMixture("y", pt.stack([θ, 1 - θ]), μ, σ, observed=y)


def eight_schools(y: Array, s: Array) -> None:
    μ, τ = pm.Normal("μ", 0, 5), pm.HalfCauchy("τ", 5)
    pm.Normal("y", pm.Normal("θ", μ, τ, shape=len(y)), s, observed=y)


def horseshoe(X: Array, y: Array) -> None:
    α, σ, τ = pm.Normal("α", 0, 5), pm.Exponential("σ", 1), pm.HalfCauchy("τ", 0.1)
    λ, z = pm.HalfCauchy("λ", 1, shape=X.shape[1]), pm.Normal("z", 0, 1, shape=X.shape[1])
    pm.Normal("y", α + X @ (z * λ * τ), σ, observed=y)


def irt_2pl(person: Array, item: Array, y: Array) -> None:
    θ = pm.Normal("θ", 0, pm.HalfCauchy("σ_θ", 2), shape=int(person.max()))
    a = pm.LogNormal("a", 0, pm.HalfCauchy("σ_a", 2), shape=int(item.max()))
    b = pm.Normal("b", pm.Normal("μ_b", 0, 5), pm.HalfCauchy("σ_b", 2), shape=int(item.max()))
    pm.Bernoulli("y", logit_p=a[item - 1] * (θ[person - 1] - b[item - 1]), observed=y)


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def factor(x: Array, α: Array, ρ: Array, jitter: float) -> Array:
    """The Cholesky factor of the squared-exponential kernel's matrix."""
    kernel = α**2 * pt.exp(-((x[:, None] - x) ** 2) / (2 * ρ**2))
    return pt.linalg.cholesky(kernel + jitter * np.eye(len(x)))


def hetero_gp(x: Array, y: Array) -> None:
    ρ, α = pm.InverseGamma("ρ", 5, 5, shape=2), pm.HalfNormal("α", 2, shape=2)
    level, z, w = pm.Normal("level", 0, 2), pm.Normal("z", 0, 1, shape=len(x)), pm.Normal("w", 0, 1, shape=len(x))
    f = factor(x, α[0], ρ[0], 1e-6) @ z
    g = factor(x, α[1], ρ[1], 1e-6) @ w
    pm.Normal("y", f, pt.exp(level + g), observed=y)


def gp_poisson(x: Array, y: Array) -> None:
    ρ, α, z = pm.Gamma("ρ", 25, 4), pm.HalfNormal("α", 2), pm.Normal("z", 0, 1, shape=len(x))
    pm.Poisson("y", pt.exp(factor(x, α, ρ, 1e-8) @ z), observed=y)


def amplitude(s: Array, ℓ: Array, λ: Array) -> Array:
    """The root of the kernel's spectral density."""
    return s * pt.sqrt(np.sqrt(2 * np.pi) * ℓ) * pt.exp(-0.25 * ℓ**2 * λ**2)


def motorcycle(B: Array, λ: Array, y: Array) -> None:
    level, log_σ = pm.StudentT("level", 3, mu=-13, sigma=36), pm.StudentT("log_σ", 3, mu=0, sigma=10)
    s, s_σ = (pm.Truncated(name, pm.StudentT.dist(3, mu=0, sigma=36), lower=0) for name in ("s", "s_σ"))
    ℓ, ℓ_σ = (pm.InverseGamma(name, 1.124909, 0.0177) for name in ("ℓ", "ℓ_σ"))
    f = level + B @ (amplitude(s, ℓ, λ) * pm.Normal("z", 0, 1, shape=40))
    g = log_σ + B[:, :20] @ (amplitude(s_σ, ℓ_σ, λ[:20]) * pm.Normal("w", 0, 1, shape=20))
    pm.Normal("y", f, pt.exp(g), observed=y)


MODELS: dict[str, Callable[..., None]] = {
    model.__name__: model
    for model in (
        poisson_glm, poisson_glmm, election, scales, offset, ordered_logit, negative_binomial, student_t,
        arma, latent_ar1, volatility, garch, hmm, lotka_volterra,
        funnel, mixture, eight_schools, horseshoe, irt_2pl,
        hetero_gp, gp_poisson, motorcycle,
    )
}  # fmt: skip
