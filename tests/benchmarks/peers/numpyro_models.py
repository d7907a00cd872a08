"""NumPyro programs: the tutorial's four listings, site for site those of tests/inference/models.py, and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from tests.benchmarks.peers.cheese import GROUP, MEAN, SD, X1, X, Y

Model = Callable[[], Any]


def varying_intercept() -> None:
    α = numpyro.sample("α", dist.Normal(MEAN, 2.5 * SD))
    β = numpyro.sample("β", dist.Normal(0, 2).expand([4]).to_event(1))
    σ = numpyro.sample("σ", dist.Exponential(1 / SD))
    τ = numpyro.sample("τ", dist.HalfCauchy(2))
    αⱼ = numpyro.sample("αⱼ", dist.Normal(0, τ).expand([2]).to_event(1))
    numpyro.sample("y", dist.Normal(α + X @ β + αⱼ[GROUP], σ), obs=Y)


def varying_slope() -> None:
    α = numpyro.sample("α", dist.Normal(MEAN, 2.5 * SD))
    σ = numpyro.sample("σ", dist.Exponential(1 / SD))
    τ = numpyro.sample("τ", dist.HalfCauchy(2).expand([2]).to_event(1))
    βⱼ = numpyro.sample("βⱼ", dist.Normal(0, 1).expand([4, 2]).to_event(2))
    numpyro.sample("y", dist.Normal(α + X @ βⱼ @ τ, σ), obs=Y)


def varying_intercept_slope() -> None:
    α = numpyro.sample("α", dist.Normal(MEAN, 2.5 * SD))
    σ = numpyro.sample("σ", dist.Exponential(1 / SD))
    τₐ = numpyro.sample("τₐ", dist.HalfCauchy(2))
    τᵦ = numpyro.sample("τᵦ", dist.HalfCauchy(2).expand([2]).to_event(1))
    αⱼ = numpyro.sample("αⱼ", dist.Normal(0, τₐ).expand([2]).to_event(1))
    βⱼ = numpyro.sample("βⱼ", dist.Normal(0, 1).expand([4, 2]).to_event(2))
    numpyro.sample("y", dist.Normal(α + αⱼ[GROUP] + X @ βⱼ @ τᵦ, σ), obs=Y)


def correlated_varying_intercept_slope() -> None:
    Ω = numpyro.sample("Ω", dist.LKJCholesky(5, 2.0))
    σ = numpyro.sample("σ", dist.Exponential(1 / SD))
    τ = numpyro.sample("τ", dist.HalfCauchy(2).expand([5]).to_event(1))
    γ = numpyro.sample("γ", dist.Normal(0, 5).expand([5, 2]).to_event(2))
    L = τ[:, None] * Ω + 1e-6 * jnp.eye(5)
    β = L @ L.T @ γ
    numpyro.sample("y", dist.Normal((X1 * β.T[GROUP]).sum(-1), σ), obs=Y)


CHEESE_MODELS: dict[str, Model] = {
    model.__name__: model
    for model in (varying_intercept, varying_slope, varying_intercept_slope, correlated_varying_intercept_slope)
}


def eight_schools() -> None:
    """Rubin (1981), non-centred, as EIGHT_SCHOOLS in tests/benchmarks/steps.py."""
    y = jnp.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    σ = jnp.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    μ = numpyro.sample("μ", dist.Normal(0, 5))
    τ = numpyro.sample("τ", dist.HalfCauchy(5))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(μ + τ * z, σ), obs=y)


def logistic(x: Any, group: Any, y: Any, centred: bool) -> Model:
    """The varying-intercept logistic model of tests/benchmarks/logistic.py; `group` counts from 0."""
    groups, predictors = int(group.max()) + 1, x.shape[1]

    def model() -> None:
        α = numpyro.sample("α", dist.Normal(0, 2.5))
        β = numpyro.sample("β", dist.Normal(0, 1).expand([predictors]).to_event(1))
        τ = numpyro.sample("τ", dist.HalfNormal(1))
        if centred:
            αⱼ = numpyro.sample("αⱼ", dist.Normal(0, τ).expand([groups]).to_event(1))
        else:
            z = numpyro.sample("z", dist.Normal(0, 1).expand([groups]).to_event(1))
            αⱼ = numpyro.deterministic("αⱼ", τ * z)
        numpyro.sample("y", dist.Bernoulli(logits=α + x @ β + αⱼ[group]), obs=y)

    return model
