"""The tutorial's four listings for NumPyro, site for site those of tests/inference/models.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from tests.inference.models import cheese

numpyro.enable_x64()
X, GROUP, Y = (jnp.asarray(part.numpy()) for part in cheese())
MEAN, SD = Y.mean(), Y.std(ddof=1)


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
    x = jnp.concatenate([jnp.ones_like(X[:, :1]), X], 1)
    Ω = numpyro.sample("Ω", dist.LKJCholesky(5, 2.0))
    σ = numpyro.sample("σ", dist.Exponential(1 / SD))
    τ = numpyro.sample("τ", dist.HalfCauchy(2).expand([5]).to_event(1))
    γ = numpyro.sample("γ", dist.Normal(0, 5).expand([5, 2]).to_event(2))
    L = τ[:, None] * Ω + 1e-6 * jnp.eye(5)
    β = L @ L.T @ γ
    numpyro.sample("y", dist.Normal((x * β.T[GROUP]).sum(-1), σ), obs=Y)


NUMPYRO_MODELS: dict[str, Callable[[], Any]] = {
    model.__name__: model
    for model in (varying_intercept, varying_slope, varying_intercept_slope, correlated_varying_intercept_slope)
}
