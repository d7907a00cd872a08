"""The hard models of tests/benchmarks/hard in NumPyro, parameter for parameter, in the coordinates of the specs.

Ordered vectors and the states of a series have no distribution of that form there: they are flat on their support, and
their density is a factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro.distributions import constraints

Array = Any


def normal(name: str, mean: Any, scale: Any, *shape: int) -> Array:
    return numpyro.sample(name, dist.Normal(mean, scale).expand(shape).to_event(len(shape)))


def half_normal(name: str, scale: Any, *shape: int) -> Array:
    return numpyro.sample(name, dist.HalfNormal(scale).expand(shape).to_event(len(shape)))


def half_cauchy(name: str, scale: Any, *shape: int) -> Array:
    return numpyro.sample(name, dist.HalfCauchy(scale).expand(shape).to_event(len(shape)))


def exponential(name: str, scale: float = 1.0) -> Array:
    return numpyro.sample(name, dist.Exponential(1 / scale))


def uniform(name: str, low: Any, high: Any, *shape: int) -> Array:
    return numpyro.sample(name, dist.Uniform(low, high).expand(shape).to_event(len(shape)))


def ordered(name: str, scale: float, size: int) -> Array:
    """Normal about 0, restricted to ordered vectors."""
    value = numpyro.sample(name, dist.ImproperUniform(constraints.ordered_vector, (), (size,)))
    numpyro.factor(f"{name} prior", dist.Normal(0, scale).log_prob(value).sum())
    return value


# ── regressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def poisson_glm(x: Array, y: Array) -> None:
    a, b = normal("a", 0, 10), normal("b", 0, 10)
    numpyro.sample("y", dist.Poisson(jnp.exp(a + b * x)), obs=y)


def poisson_glmm(year: Array, y: Array) -> None:
    α, β, σ = uniform("α", -20, 20), uniform("β", -10, 10, 3), uniform("σ", 0, 5)
    ε = normal("ε", 0, σ, len(y))
    numpyro.sample("y", dist.Poisson(jnp.exp(α + β[0] * year + β[1] * year**2 + β[2] * year**3 + ε)), obs=y)


def election(
    y: Array, black: Array, female: Array, v_prev: Array,
    age: Array, edu: Array, age_edu: Array, state: Array, region: Array,
) -> None:  # fmt: skip
    β = normal("β", 0, 100, 5)
    logits = β[0] + β[1] * black + β[2] * female + β[3] * v_prev + β[4] * female * black
    factors = {"age": age, "edu": edu, "age_edu": age_edu, "state": state, "region": region}
    for name, (factor, index), size in zip("abcde", factors.items(), (4, 4, 16, 51, 5), strict=True):
        logits += normal(name, 0, uniform(f"σ_{factor}", 0, 100), size)[index - 1]
    numpyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def scales(X: Array, y: Array) -> None:
    α, β = normal("α", 0, 10), normal("β", 0, 10_000, X.shape[1])
    numpyro.sample("y", dist.Bernoulli(logits=α + X @ β), obs=y)


def offset(x: Array, y: Array) -> None:
    α, β, σ = normal("α", 0, 1e7), normal("β", 0, 100), half_cauchy("σ", 10)
    numpyro.sample("y", dist.Logistic(α + β * x, σ), obs=y)


def ordered_logit(x: Array, group: Array, y: Array) -> None:
    c, β, τ = ordered("c", 5, 4), normal("β", 0, 2), exponential("τ")
    u = normal("u", 0, τ, int(group.max()))
    numpyro.sample("y", dist.OrderedLogistic(β * x + u[group - 1], c), obs=y - 1)


def negative_binomial(x: Array, group: Array, y: Array) -> None:
    α, β, τ, r = normal("α", 0, 5), normal("β", 0, 2), exponential("τ"), exponential("r", 10)
    u = normal("u", 0, τ, int(group.max()))
    numpyro.sample("y", dist.NegativeBinomial2(jnp.exp(α + β * x + u[group - 1]), r), obs=y)


def student_t(x: Array, y: Array) -> None:
    α, β, σ = normal("α", 0, 10), normal("β", 0, 10), half_cauchy("σ", 5)
    ν = numpyro.sample("ν", dist.Gamma(2, 1 / 10))
    numpyro.sample("y", dist.StudentT(ν, α + β * x, σ), obs=y)


# ── series ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def arma(y: Array) -> None:
    μ, φ, θ, σ = normal("μ", 0, 10), normal("φ", 0, 2), normal("θ", 0, 2), half_cauchy("σ", 2.5)

    def step(before: Array, pair: Array) -> tuple[Array, Array]:
        error = pair[1] - (μ + φ * pair[0] + θ * before)
        return error, error

    first = y[0] - (μ + φ * μ)
    _, errors = jax.lax.scan(step, first, jnp.stack([y[:-1], y[1:]], 1))
    numpyro.factor("errors", dist.Normal(0, σ).log_prob(jnp.append(errors, first)).sum())


def latent_ar1(y: Array) -> None:
    φ, σ, τ = uniform("φ", -1, 1), exponential("σ"), exponential("τ")
    h = numpyro.sample("h", dist.ImproperUniform(constraints.real_vector, (), (len(y),)))
    numpyro.factor("first", dist.Normal(0, 1).log_prob(h[0]))
    numpyro.factor("states", dist.Normal(φ * h[:-1], σ).log_prob(h[1:]).sum())
    numpyro.sample("y", dist.Normal(h, τ), obs=y)


def volatility(y: Array) -> None:
    μ, φ, σ = normal("μ", 0, 5), uniform("φ", -1, 1), exponential("σ", 0.5)
    h = numpyro.sample("h", dist.ImproperUniform(constraints.real_vector, (), (len(y),)))
    numpyro.factor("first", dist.Normal(μ, σ / jnp.sqrt(1 - φ**2)).log_prob(h[0]))
    numpyro.factor("states", dist.Normal(μ + φ * (h[:-1] - μ), σ).log_prob(h[1:]).sum())
    numpyro.sample("y", dist.Normal(0, jnp.exp(h / 2)), obs=y)


def garch(y: Array) -> None:
    μ, ω, α = normal("μ", 0, 10), half_normal("ω", 5), uniform("α", 0, 1)
    β = uniform("β", 0, 1 - α)

    def step(h: Array, before: Array) -> tuple[Array, Array]:
        new = ω + α * (before - μ) ** 2 + β * h
        return new, new

    first = jnp.var(y, ddof=1)
    _, h = jax.lax.scan(step, first, y[:-1])
    numpyro.sample("y", dist.Normal(μ, jnp.sqrt(jnp.append(first, h))), obs=y)


def hmm(y: Array) -> None:
    stay = numpyro.sample("stay", dist.Beta(4, 2).expand([2]).to_event(1))
    μ, σ = ordered("μ", 5, 2), exponential("σ")
    move = jnp.log(jnp.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]]))
    emission = dist.Normal(μ, σ).log_prob(y[:, None])

    def step(log_share: Array, each: Array) -> tuple[Array, None]:
        return logsumexp(log_share[:, None] + move, axis=0) + each, None

    log_share, _ = jax.lax.scan(step, jnp.log(0.5) + emission[0], emission[1:])
    numpyro.factor("paths", logsumexp(log_share))


def lotka_volterra(hare: Array, lynx: Array, steps: int = 5) -> None:
    α, γ = (numpyro.sample(name, dist.TruncatedNormal(1, 0.5, low=0)) for name in "αγ")
    β, δ = (numpyro.sample(name, dist.TruncatedNormal(0.05, 0.05, low=0)) for name in "βδ")
    start = numpyro.sample("start", dist.LogNormal(jnp.log(10), 1).expand([2]).to_event(1))
    σ = numpyro.sample("σ", dist.LogNormal(-1, 1).expand([2]).to_event(1))

    def slope(state: Array) -> Array:
        return jnp.array([(α - β * state[1]) * state[0], (-γ + δ * state[0]) * state[1]])

    def step(state: Array, _: None) -> tuple[Array, Array]:
        h = 1 / steps
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), state

    _, states = jax.lax.scan(step, start, None, length=len(hare) * steps)
    numpyro.sample("y", dist.LogNormal(jnp.log(states[::steps]), σ), obs=jnp.stack([hare, lynx], 1))


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def funnel() -> None:
    v = normal("v", 0, 3)
    normal("x", 0, jnp.exp(v / 2), 9)


def mixture(y: Array) -> None:
    μ, σ, θ = ordered("μ", 2, 2), half_normal("σ", 2, 2), numpyro.sample("θ", dist.Beta(5, 5))
    weights = dist.Categorical(probs=jnp.stack([θ, 1 - θ]))
    numpyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(μ, σ)), obs=y)


def eight_schools(y: Array, s: Array) -> None:
    μ, τ = normal("μ", 0, 5), half_cauchy("τ", 5)
    numpyro.sample("y", dist.Normal(normal("θ", μ, τ, len(y)), s), obs=y)


def horseshoe(X: Array, y: Array) -> None:
    α, σ, τ = normal("α", 0, 5), exponential("σ"), half_cauchy("τ", 0.1)
    λ, z = half_cauchy("λ", 1, X.shape[1]), normal("z", 0, 1, X.shape[1])
    numpyro.sample("y", dist.Normal(α + X @ (z * λ * τ), σ), obs=y)


def irt_2pl(person: Array, item: Array, y: Array) -> None:
    θ = normal("θ", 0, half_cauchy("σ_θ", 2), int(person.max()))
    a = numpyro.sample("a", dist.LogNormal(0, half_cauchy("σ_a", 2)).expand([int(item.max())]).to_event(1))
    b = normal("b", normal("μ_b", 0, 5), half_cauchy("σ_b", 2), int(item.max()))
    numpyro.sample("y", dist.Bernoulli(logits=a[item - 1] * (θ[person - 1] - b[item - 1])), obs=y)


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def factor(x: Array, α: Array, ρ: Array, jitter: float) -> Array:
    """The Cholesky factor of the squared-exponential kernel's matrix."""
    kernel = α**2 * jnp.exp(-((x[:, None] - x) ** 2) / (2 * ρ**2))
    return jnp.linalg.cholesky(kernel + jitter * jnp.eye(len(x)))


def hetero_gp(x: Array, y: Array) -> None:
    ρ = numpyro.sample("ρ", dist.InverseGamma(5, 5).expand([2]).to_event(1))
    α, level = half_normal("α", 2, 2), normal("level", 0, 2)
    f = factor(x, α[0], ρ[0], 1e-6) @ normal("z", 0, 1, len(x))
    g = factor(x, α[1], ρ[1], 1e-6) @ normal("w", 0, 1, len(x))
    numpyro.sample("y", dist.Normal(f, jnp.exp(level + g)), obs=y)


def gp_poisson(x: Array, y: Array) -> None:
    ρ, α = numpyro.sample("ρ", dist.Gamma(25, 4)), half_normal("α", 2)
    numpyro.sample("y", dist.Poisson(jnp.exp(factor(x, α, ρ, 1e-8) @ normal("z", 0, 1, len(x)))), obs=y)


def amplitude(s: Array, ℓ: Array, λ: Array) -> Array:
    """The root of the kernel's spectral density."""
    return s * jnp.sqrt(jnp.sqrt(2 * jnp.pi) * ℓ) * jnp.exp(-0.25 * ℓ**2 * λ**2)


def motorcycle(B: Array, λ: Array, y: Array) -> None:
    level, log_σ = (
        numpyro.sample(*pair) for pair in (("level", dist.StudentT(3, -13, 36)), ("log_σ", dist.StudentT(3, 0, 10)))
    )
    s, s_σ = (
        numpyro.sample(name, dist.LeftTruncatedDistribution(dist.StudentT(3, 0, 36), low=0)) for name in ("s", "s_σ")
    )
    ℓ, ℓ_σ = (numpyro.sample(name, dist.InverseGamma(1.124909, 0.0177)) for name in ("ℓ", "ℓ_σ"))
    f = level + B @ (amplitude(s, ℓ, λ) * normal("z", 0, 1, 40))
    g = log_σ + B[:, :20] @ (amplitude(s_σ, ℓ_σ, λ[:20]) * normal("w", 0, 1, 20))
    numpyro.sample("y", dist.Normal(f, jnp.exp(g)), obs=y)


MODELS: dict[str, Callable[..., None]] = {
    model.__name__: model
    for model in (
        poisson_glm, poisson_glmm, election, scales, offset, ordered_logit, negative_binomial, student_t,
        arma, latent_ar1, volatility, garch, hmm, lotka_volterra,
        funnel, mixture, eight_schools, horseshoe, irt_2pl,
        hetero_gp, gp_poisson, motorcycle,
    )
}  # fmt: skip
