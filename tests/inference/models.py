"""Pyro models written by hand for tests and benchmarks of the sampler: the tutorial's four listings, smaller ones."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

Model = Callable[[], Any]
CHEESE = Path(__file__).parents[2] / "specs" / "cheese" / "cheese.csv"


def cheese(device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """The 160 ratings: dummies X (160, 4), the group of each row (160,), y (160,)."""
    with CHEESE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    x = torch.tensor([[float(row["cheese"] == c) for c in "ABCD"] for row in rows], dtype=torch.float64)
    group = torch.tensor([int(row["background"] == "urban") for row in rows])
    y = torch.tensor([float(row["y"]) for row in rows], dtype=torch.float64)
    return x.to(device), group.to(device), y.to(device)


def _real(value: float, like: Tensor) -> Tensor:
    return torch.tensor(value, dtype=like.dtype, device=like.device)


def _exponential(mean: Tensor) -> dist.Exponential:
    return dist.Exponential(1 / mean)


def varying_intercept(device: str = "cpu") -> Model:
    x, group, y = cheese(device)
    zero, two = _real(0, y), _real(2, y)

    def model() -> None:
        α = pyro.sample("α", dist.Normal(y.mean(), 2.5 * y.std()))
        β = pyro.sample("β", dist.Normal(zero, two).expand([4]).to_event(1))
        σ = pyro.sample("σ", _exponential(y.std()))
        τ = pyro.sample("τ", dist.HalfCauchy(two))
        αⱼ = pyro.sample("αⱼ", dist.Normal(zero, τ).expand([2]).to_event(1))
        with pyro.plate("rows", len(y)):
            pyro.sample("y", dist.Normal(α + x @ β + αⱼ[group], σ), obs=y)

    return model


def varying_slope(device: str = "cpu") -> Model:
    x, _, y = cheese(device)
    zero, one, two = _real(0, y), _real(1, y), _real(2, y)

    def model() -> None:
        α = pyro.sample("α", dist.Normal(y.mean(), 2.5 * y.std()))
        σ = pyro.sample("σ", _exponential(y.std()))
        τ = pyro.sample("τ", dist.HalfCauchy(two).expand([2]).to_event(1))
        βⱼ = pyro.sample("βⱼ", dist.Normal(zero, one).expand([4, 2]).to_event(2))
        with pyro.plate("rows", len(y)):
            pyro.sample("y", dist.Normal(α + x @ βⱼ @ τ, σ), obs=y)

    return model


def varying_intercept_slope(device: str = "cpu") -> Model:
    x, group, y = cheese(device)
    zero, one, two = _real(0, y), _real(1, y), _real(2, y)

    def model() -> None:
        α = pyro.sample("α", dist.Normal(y.mean(), 2.5 * y.std()))
        σ = pyro.sample("σ", _exponential(y.std()))
        τₐ = pyro.sample("τₐ", dist.HalfCauchy(two))
        τᵦ = pyro.sample("τᵦ", dist.HalfCauchy(two).expand([2]).to_event(1))
        αⱼ = pyro.sample("αⱼ", dist.Normal(zero, τₐ).expand([2]).to_event(1))
        βⱼ = pyro.sample("βⱼ", dist.Normal(zero, one).expand([4, 2]).to_event(2))
        with pyro.plate("rows", len(y)):
            pyro.sample("y", dist.Normal(α + αⱼ[group] + x @ βⱼ @ τᵦ, σ), obs=y)

    return model


def correlated_varying_intercept_slope(device: str = "cpu") -> Model:
    x, group, y = cheese(device)
    x = torch.cat([torch.ones_like(x[:, :1]), x], dim=1)
    zero, two, five = _real(0, y), _real(2, y), _real(5, y)
    jitter = 1e-6 * torch.eye(5, dtype=y.dtype, device=y.device)

    def model() -> None:
        Ω = pyro.sample("Ω", dist.LKJCholesky(5, two))
        σ = pyro.sample("σ", _exponential(y.std()))
        τ = pyro.sample("τ", dist.HalfCauchy(two).expand([5]).to_event(1))
        γ = pyro.sample("γ", dist.Normal(zero, five).expand([5, 2]).to_event(2))
        L = τ.unsqueeze(-1) * Ω + jitter
        β = pyro.deterministic("coefficients", L @ L.mT @ γ)
        with pyro.plate("rows", len(y)):
            pyro.sample("y", dist.Normal((x * β.mT[group]).sum(-1), σ), obs=y)

    return model


CHEESE_MODELS: dict[str, Callable[..., Model]] = {
    "varying_intercept": varying_intercept,
    "varying_slope": varying_slope,
    "varying_intercept_slope": varying_intercept_slope,
    "correlated_varying_intercept_slope": correlated_varying_intercept_slope,
}


def eight_schools(centred: bool = False) -> Model:
    """Rubin (1981); the priors of Stan's posteriordb: μ ~ Normal(0, 5), τ ~ HalfCauchy(5)."""
    y = torch.tensor([28.0, 8, -3, 7, -1, 1, 18, 12], dtype=torch.float64)
    σ = torch.tensor([15.0, 10, 16, 11, 9, 11, 10, 18], dtype=torch.float64)
    zero, one, five = _real(0, y), _real(1, y), _real(5, y)

    def model() -> None:
        μ = pyro.sample("mu", dist.Normal(zero, five))
        τ = pyro.sample("tau", dist.HalfCauchy(five))
        with pyro.plate("schools", 8):
            if centred:
                θ = pyro.sample("theta", dist.Normal(μ, τ))
            else:
                θ = pyro.deterministic("theta", μ + τ * pyro.sample("theta_trans", dist.Normal(zero, one)))
            pyro.sample("y", dist.Normal(θ, σ), obs=y)

    return model


def gaussian(mean: Tensor, covariance: Tensor) -> Model:
    def model() -> None:
        pyro.sample("x", dist.MultivariateNormal(mean, covariance))

    return model
