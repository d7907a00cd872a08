"""Models of sequences: each step follows from the one before, so a record of them is as long as they are.

Their texts, and data of any length T simulated from a seed; the benchmark `compiling` and tests of long records use them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Data = dict[str, Any]


class Sequence(NamedTuple):
    """A model's text, and its data for a length."""

    text: str
    data: Callable[[int], Data]


def _series(length: int) -> Data:
    """A noisy autoregression."""
    rng = np.random.default_rng(length)
    y = rng.normal(size=length)
    for t in range(1, length):
        y[t] += 0.6 * y[t - 1]
    return {"y": y}


def _switching(length: int) -> Data:
    rng = np.random.default_rng(length)
    return {"y": rng.normal(size=length) + 2 * (np.sin(np.arange(length) / 7) > 0)}


def _counts(length: int) -> Data:
    rng = np.random.default_rng(length)
    return {"y": rng.poisson(0.8, size=length)}


def _cycles(length: int) -> Data:
    """Two populations, about their rest."""
    rng = np.random.default_rng(length)
    phase = np.arange(length) / 5
    return {"u": np.exp(0.3 * np.sin(phase) + 0.05 * rng.normal(size=length)), "v": np.exp(0.3 * np.cos(phase))}


SEQUENCES = {
    "garch": Sequence(
        """@model function garch(y; T=length(y))
    μ ~ Normal(0, 5)
    α0 ~ Exponential(1)
    α1 ~ Uniform(0, 1)
    β1 ~ Uniform(0, 1)
    h = zeros(T)
    h[1] = 1.0
    y[1] ~ Normal(μ, 1)
    for t in 2:T
        h[t] = α0 + α1 * (y[t-1] - μ)^2 + β1 * h[t-1]
        y[t] ~ Normal(μ, sqrt(h[t]))
    end
end
""",
        _series,
    ),
    "ar": Sequence(
        """@model function ar(y; T=length(y))
    ρ ~ Uniform(-1, 1)
    c ~ Normal(0, 1)
    σ ~ Exponential(1)
    m = zeros(T)
    m[1] = c
    for t in 2:T
        m[t] = c + ρ * y[t-1] + 0.1 * m[t-1]
        y[t] ~ Normal(m[t], σ)
    end
end
""",
        _series,
    ),
    "arma": Sequence(
        """@model function arma(y; T=length(y))
    μ ~ Normal(0, 10)
    φ ~ Normal(0, 2)
    θ ~ Normal(0, 2)
    σ ~ truncated(Cauchy(0, 2.5); lower=0)
    e = zeros(T)
    e[1] = y[1] - (μ + φ * μ)
    for t in 2:T
        e[t] = y[t] - (μ + φ * y[t-1] + θ * e[t-1])
    end
    for t in 1:T
        @addlogprob! logpdf(Normal(0, σ), e[t])
    end
end
""",
        _series,
    ),
    "latent_ar1": Sequence(
        """@model function latent_ar1(y; T=length(y))
    φ ~ Uniform(-1, 1)
    σ ~ Exponential(1)
    h = zeros(T)
    h[1] ~ Normal(0, 1)
    for t in 2:T
        h[t] ~ Normal(φ * h[t-1], σ)
    end
    y ~ arraydist([Poisson(exp(h[t])) for t in 1:T])
end
""",
        _counts,
    ),
    "hmm": Sequence(
        """@model function hmm(y; T=length(y), K=2)
    μ ~ Bijectors.ordered(MvNormal(zeros(2), 9.0 * I))
    σ ~ Exponential(1)
    p ~ filldist(Beta(4, 1), 2)
    a = [logpdf(Normal(μ[1], σ), y[1]) - log(2), logpdf(Normal(μ[2], σ), y[1]) - log(2)]
    for t in 2:T
        stay = logsumexp([a[1] + log(p[1]), a[2] + log1p(-p[2])])
        move = logsumexp([a[1] + log1p(-p[1]), a[2] + log(p[2])])
        a = [stay + logpdf(Normal(μ[1], σ), y[t]), move + logpdf(Normal(μ[2], σ), y[t])]
    end
    @addlogprob! logsumexp(a)
end
""",
        _switching,
    ),
    "ode": Sequence(
        """@model function ode(u, v; T=length(u), h=0.2)
    a ~ LogNormal(0, 0.5)
    b ~ LogNormal(0, 0.5)
    c ~ LogNormal(0, 0.5)
    d ~ LogNormal(0, 0.5)
    σ ~ Exponential(1)
    x = u[1]
    z = v[1]
    for t in 2:T
        k1 = a * x - b * x * z
        l1 = -c * z + d * x * z
        x2 = x + h / 2 * k1
        z2 = z + h / 2 * l1
        k2 = a * x2 - b * x2 * z2
        l2 = -c * z2 + d * x2 * z2
        x3 = x + h / 2 * k2
        z3 = z + h / 2 * l2
        k3 = a * x3 - b * x3 * z3
        l3 = -c * z3 + d * x3 * z3
        x4 = x + h * k3
        z4 = z + h * l3
        k4 = a * x4 - b * x4 * z4
        l4 = -c * z4 + d * x4 * z4
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        z = z + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        u[t] ~ Normal(x, σ)
        v[t] ~ Normal(z, σ)
    end
end
""",
        _cycles,
    ),
    "state_space": Sequence(
        """@model function state_space(y; T=length(y))
    σ ~ Exponential(1)
    τ ~ Exponential(1)
    m = 0.0
    P = 10.0
    for t in 1:T
        S = P + σ^2
        @addlogprob! logpdf(Normal(m, sqrt(S)), y[t])
        K = P / S
        m = m + K * (y[t] - m)
        P = (1 - K) * P + τ^2
    end
end
""",
        _series,
    ),
    "branches": Sequence(
        """@model function branches(y; T=length(y))
    λ ~ Exponential(1)
    p ~ Beta(1, 1)
    for i in 1:T
        if y[i] > 0
            @addlogprob! log1p(-p) + logpdf(Poisson(λ), y[i])
        else
            @addlogprob! log(p + (1 - p) * exp(-λ))
        end
    end
end
""",
        _counts,
    ),
    "counter": Sequence(
        """@model function counter(y; T=length(y))
    a ~ Normal(0, 1)
    b ~ Normal(0, 1)
    σ ~ Exponential(1)
    n = 0
    level = a
    for i in 1:T
        if y[i] > 0
            n += 1
        end
        level = level + b * n / T
        y[i] ~ Normal(level, σ)
    end
end
""",
        _series,
    ),
}
