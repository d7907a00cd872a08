"""Loops: independent iterations are vectorised, carried values run in order, and either way the density is Julia's.

Each model's log density is compared with that of a plain Python loop over SciPy densities.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from tests.compiler.density import bound, log_density

rng = np.random.default_rng(22)
N, J, K = 6, 3, 2
DATA: dict[str, Any] = {
    "y": rng.normal(size=N),
    "x": rng.normal(size=N),
    "X": rng.normal(size=(N, K)),
    "Y": rng.normal(size=(N, J)),
    "idx": np.array([1, 2, 3, 1, 2, 1]),
    "g": np.array([2, 1, 2, 3, 3, 1]),
    "c": np.array([0, 3, 1, 2, 0, 5]),
    "on": np.array([True, False, True, True, False, True]),
    "n": N,
    "t": np.array([1, 2, 2, 3, 4, 6]),
}
VALUES: dict[str, Any] = {
    "a": 0.4,
    "b": -0.7,
    "s": 1.3,
    "r": 0.6,
    "ϕ": 0.8,
    "α": np.array([0.3, -0.5, 1.1]),
    "β": np.array([0.9, -0.2]),
    "B": rng.normal(size=(K, J)),
    "z": rng.normal(size=N),
    "h": rng.normal(size=N),
    "W": rng.normal(size=(N, J)),
    "p": np.array([0.2, 0.5, 0.3]),
}
PRIORS = {
    "a": ("a ~ Normal(0, 1)", lambda a: stats.norm.logpdf(a)),
    "b": ("b ~ Normal(0, 2)", lambda b: stats.norm.logpdf(b, 0, 2)),
    "s": ("s ~ Exponential(2)", lambda s: stats.expon.logpdf(s, scale=2)),
    "r": ("r ~ Beta(2, 2)", lambda r: stats.beta.logpdf(r, 2, 2)),
    "ϕ": ("ϕ ~ Uniform(-1, 1)", lambda v: stats.uniform.logpdf(v, -1, 2)),
    "α": ("α ~ filldist(Normal(0, 1), 3)", lambda v: stats.norm.logpdf(v).sum()),
    "β": ("β ~ filldist(Normal(0, 1), 2)", lambda v: stats.norm.logpdf(v).sum()),
    "B": ("B ~ filldist(Normal(0, 1), 2, 3)", lambda v: stats.norm.logpdf(v).sum()),
    "z": ("z ~ filldist(Normal(0, 1), 6)", lambda v: stats.norm.logpdf(v).sum()),
    "p": ("p ~ Dirichlet(3, 1.0)", lambda v: stats.dirichlet.logpdf(v, np.ones(3))),
}
Values = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A model's body after the priors, and its density by loops: of the data and of what the body draws."""

    name: str
    priors: str
    body: str
    density: Callable[[Any], float]
    """Given all data and values as attributes."""
    drawn: tuple[str, ...] = ()
    sequential: bool = False
    sites: Callable[[Values], Values] | None = field(default=None)
    """Values by site, where elements are sites of their own."""


class Space:
    """Data and values as attributes."""

    def __init__(self, items: Values) -> None:
        self.__dict__.update({unicodedata.normalize("NFKC", name): value for name, value in items.items()})


def normal(x: Any, m: Any, s: Any) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(x, m, s)))


def elements(name: str, first: int = 1) -> Callable[[Values], Values]:
    """Each element of a vector at a site of its own, from the given one."""
    return lambda values: {f"{name}[{i + 1}]": values[name][i] for i in range(first - 1, len(values[name]))}


def ar1(v: Any) -> float:
    """y[t] given y[t-1]."""
    return sum(normal(v.y[t], v.a + v.ϕ * v.y[t - 1], v.s) for t in range(1, N))


def garch(v: Any) -> float:
    """Variances that follow the last shock."""
    total, variance = 0.0, v.s
    for t in range(N):
        if t > 0:
            variance = 0.1 + v.r * 0.5 * (v.y[t - 1] - v.a) ** 2 + 0.3 * variance
        total += normal(v.y[t], v.a, np.sqrt(variance))
    return total


def latent_ar(v: Any) -> float:
    """h[1], then h[t] given h[t-1], then y given h."""
    total = normal(v.h[0], 0, 1) + sum(normal(v.h[t], v.ϕ * v.h[t - 1], v.s) for t in range(1, N))
    return total + normal(v.y, v.h, 1)


def forward(v: Any) -> float:
    """The likelihood of a hidden Markov model."""
    move = np.array([[0.8, 0.2], [0.3, 0.7]])
    state = np.log([0.5, 0.5]) + stats.norm.logpdf(v.y[0], [v.a, v.b], v.s)
    for t in range(1, N):
        state = special.logsumexp(state[:, None] + np.log(move), axis=0) + stats.norm.logpdf(v.y[t], [v.a, v.b], v.s)
    return float(special.logsumexp(state))


def matrix_scan(v: Any) -> float:
    """Rows of a matrix, each from the one above."""
    h = np.zeros((N, J))
    h[0] = v.α
    for t in range(1, N):
        h[t] = v.ϕ * h[t - 1] + v.x[t] * v.α
    return normal(v.Y, h, v.s)


def accumulated(v: Any) -> float:
    """A total over rows of uneven use."""
    total = 0.0
    for i in range(N):
        total += v.a * v.x[i] ** 2
    return normal(v.y, total, v.s)


def moving_average(v: Any) -> float:
    """MA(1): the last error is carried."""
    error, total = 0.0, 0.0
    for t in range(N):
        mean = v.a + v.r * error
        total += normal(v.y[t], mean, v.s)
        error = v.y[t] - mean
    return total


def branches(v: Any) -> float:
    """A mean that data switch."""
    return sum(normal(v.y[i], v.a if v.on[i] else v.b * v.x[i], v.s) for i in range(N))


CASES = [
    Case("plain", "a s", "for i in 1:n\n y[i] ~ Normal(a, s)\nend", lambda v: normal(v.y, v.a, v.s)),
    Case("covariate", "a b s", "for i in 1:length(y)\n y[i] ~ Normal(a + b * x[i], s)\nend",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("local names", "a b s", "for i in eachindex(y)\n m = a + b * x[i]\n v = s^2\n y[i] ~ Normal(m, sqrt(v))\nend",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("rows", "β s", "for i in axes(X, 1)\n y[i] ~ Normal(X[i, :] ⋅ β, s)\nend", lambda v: normal(v.y, v.X @ v.β, v.s)),
    Case("adjoint rows", "β s", "for i in 1:size(X, 1)\n y[i] ~ Normal(X[i, :]' * β, s)\nend",
         lambda v: normal(v.y, v.X @ v.β, v.s)),
    Case("groups", "α s", "for i in 1:n\n y[i] ~ Normal(α[idx[i]], s)\nend", lambda v: normal(v.y, v.α[v.idx - 1], v.s)),
    Case("crossed groups", "α z s", "for i in 1:n\n y[i] ~ Normal(α[idx[i]] + z[g[i]], s)\nend",
         lambda v: normal(v.y, v.α[v.idx - 1] + v.z[v.g - 1], v.s)),
    Case("nested index", "α s", "for i in 1:n\n y[i] ~ Normal(α[idx[g[i]]], s)\nend",
         lambda v: normal(v.y, v.α[v.idx[v.g - 1] - 1], v.s)),
    Case("slopes of groups", "B s", "for i in 1:n\n y[i] ~ Normal(X[i, :] ⋅ B[:, idx[i]], s)\nend",
         lambda v: sum(normal(v.y[i], v.X[i] @ v.B[:, v.idx[i] - 1], v.s) for i in range(N))),
    Case("enumerate", "a b s", "for (i, v) in enumerate(x)\n y[i] ~ Normal(a + b * v, s)\nend",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("zip", "a b s", "for (i, u, w) in zip(1:n, x, t)\n y[i] ~ Normal(a * u + b * w, s)\nend",
         lambda v: normal(v.y, v.a * v.x + v.b * v.t, v.s)),
    Case("eachrow", "β s", "for (i, row) in enumerate(eachrow(X))\n y[i] ~ Normal(row ⋅ β, s)\nend",
         lambda v: normal(v.y, v.X @ v.β, v.s)),
    Case("over rows of the matrix", "α s", "for i in 1:n\n Y[i, :] ~ MvNormal(α, s^2 * I)\nend",
         lambda v: normal(v.Y, v.α[None, :], v.s)),
    Case("over columns of the matrix", "α s", "for j in 1:3\n Y[:, j] ~ filldist(Normal(α[j], s), 6)\nend",
         lambda v: normal(v.Y, v.α[None, :], v.s)),
    Case("two indices", "α b s", "for i in 1:n, j in 1:3\n Y[i, j] ~ Normal(α[j] + b * x[i], s)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("nested loops", "α b s", "for i in 1:n\n for j in 1:3\n  Y[i, j] ~ Normal(α[j] + b * x[i], s)\n end\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("inner loop first", "α b s", "for j in 1:3, i in 1:n\n Y[i, j] ~ Normal(α[j] + b * x[i], s)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("part of the rows", "a s", "for i in 2:n\n y[i] ~ Normal(a, s)\nend", lambda v: normal(v.y[1:], v.a, v.s)),
    Case("every other row", "a s", "for i in 1:2:n\n y[i] ~ Normal(a * i, s)\nend",
         lambda v: normal(v.y[::2], v.a * np.array([1, 3, 5]), v.s)),
    Case("backwards", "a s", "for i in n:-1:1\n y[i] ~ Normal(a * i, s)\nend",
         lambda v: normal(v.y, v.a * np.arange(1, N + 1), v.s)),
    Case("no iterations", "a s", "for i in 3:2\n y[i] ~ Normal(a, s)\nend", lambda v: 0.0),
    Case("autoregression of data", "a ϕ s", "for t in 2:n\n y[t] ~ Normal(a + ϕ * y[t - 1], s)\nend", ar1),
    Case("AR(2) of data", "β s", "for t in 3:n\n y[t] ~ Normal(β[1] * y[t-1] + β[2] * y[t-2], s)\nend",
         lambda v: sum(normal(v.y[t], v.β[0] * v.y[t - 1] + v.β[1] * v.y[t - 2], v.s) for t in range(2, N))),
    Case("AR(p) by dot", "β s", "p = 2\nfor t in (p + 1):n\n y[t] ~ Normal(dot(β, y[t-p:t-1]), s)\nend",
         lambda v: sum(normal(v.y[t], v.β @ v.y[t - 2 : t], v.s) for t in range(2, N))),
    Case("filled zeros", "a b s", "μ = zeros(n)\nfor i in 1:n\n μ[i] = a + b * x[i]\nend\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("filled undef", "a b s",
         "μ = Vector{Float64}(undef, n)\nfor i in eachindex(y)\n μ[i] = a + b * x[i]\n y[i] ~ Normal(μ[i], s)\nend",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("filled similar", "a b s", "μ = similar(y)\nfor i in 1:n\n μ[i] = a + b * x[i]\nend\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("filled matrix", "α b s",
         "μ = zeros(n, 3)\nfor i in 1:n, j in 1:3\n μ[i, j] = α[j] + b * x[i]\nend\nfor i in 1:n\n Y[i, :] ~ MvNormal(μ[i, :], s^2 * I)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("filled rows", "α b s",
         "μ = zeros(n, 3)\nfor i in 1:n\n μ[i, :] = α .+ b * x[i]\nend\nfor i in 1:n, j in 1:3\n Y[i, j] ~ Normal(μ[i, j], s)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("filled columns", "α b s",
         "μ = zeros(n, 3)\nfor j in 1:3\n μ[:, j] = α[j] .+ b .* x\nend\nfor i in 1:n, j in 1:3\n Y[i, j] ~ Normal(μ[i, j], s)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("filled columns with .=", "α b s",
         "μ = zeros(n, 3)\nfor j in 1:3\n μ[:, j] .= α[j] .+ b .* x\nend\nfor i in 1:n, j in 1:3\n Y[i, j] ~ Normal(μ[i, j], s)\nend",
         lambda v: normal(v.Y, v.α[None, :] + v.b * v.x[:, None], v.s)),
    Case("a whole array with .=", "a b s", "μ = zeros(n)\nμ .= a .+ b .* x\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("a whole array with .+=", "a b s", "μ = zeros(n)\nμ .+= a\nμ .+= b .* x\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("elements added to", "a b s", "μ = fill(a, n)\nfor i in 1:n\n μ[i] += b * x[i]\nend\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, v.a + v.b * v.x, v.s)),
    Case("one element", "a b s", "μ = fill(a, n)\nμ[2] = b\nμ[end] *= 2\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, np.array([v.a, v.b, v.a, v.a, v.a, 2 * v.a]), v.s)),
    Case("a slice", "a b s", "μ = zeros(n)\nμ[1:3] .= a\nμ[4:end] .= b .* x[4:end]\ny ~ MvNormal(μ, s^2 * I)",
         lambda v: normal(v.y, np.append(np.full(3, v.a), v.b * v.x[3:]), v.s)),
    Case("a sum", "a s", "total = 0.0\nfor i in 1:n\n total += a * x[i]^2\nend\nfor i in 1:n\n y[i] ~ Normal(total, s)\nend",
         accumulated),
    Case("a sum subtracted", "a s",
         "total = 0.0\nfor i in 1:n\n total -= a * x[i]^2\nend\nfor i in 1:n\n y[i] ~ Normal(-total, s)\nend", accumulated),
    Case("a sum over two loops", "α s", "total = 0.0\nfor i in 1:n, j in 1:3\n total += α[j] * x[i]\nend\ny ~ filldist(Normal(total, s), n)",
         lambda v: normal(v.y, v.α.sum() * v.x.sum(), v.s)),
    Case("a density added up", "a s", "for i in 1:n\n @addlogprob! logpdf(Normal(a, s), y[i])\nend",
         lambda v: normal(v.y, v.a, v.s)),
    Case("a density added up outside", "a s",
         "ll = 0.0\nfor i in 1:n\n ll += logpdf(Normal(a, s), y[i])\nend\nTuring.@addlogprob! ll", lambda v: normal(v.y, v.a, v.s)),
    Case("inner sums", "β s", "for i in 1:n\n m = 0.0\n for k in 1:2\n  m += X[i, k] * β[k]\n end\n y[i] ~ Normal(m, s)\nend",
         lambda v: normal(v.y, v.X @ v.β, v.s)),
    Case("inner comprehensions", "β s", "for i in 1:n\n y[i] ~ Normal(sum(X[i, k] * β[k] for k in 1:2), s)\nend",
         lambda v: normal(v.y, v.X @ v.β, v.s)),
    Case("a scan", "a ϕ s",
         "h = zeros(n)\nh[1] = a\nfor t in 2:n\n h[t] = ϕ * h[t - 1] + x[t]\nend\ny ~ MvNormal(h, s^2 * I)",
         lambda v: normal(v.y, scan(v), v.s), sequential=True),
    Case("a scalar scan", "a ϕ s", "h = a\nfor t in 1:n\n y[t] ~ Normal(h, s)\n h = ϕ * h + x[t]\nend",
         lambda v: scalar_scan(v), sequential=True),
    Case("a matrix scan", "α ϕ s",
         "h = zeros(n, 3)\nh[1, :] = α\nfor t in 2:n\n h[t, :] = ϕ * h[t - 1, :] + x[t] * α\nend\nfor t in 1:n\n Y[t, :] ~ MvNormal(h[t, :], s^2 * I)\nend",
         matrix_scan, sequential=True),
    Case("a vectorised loop in a scan", "α ϕ s",
         "h = zeros(n, 3)\nfor j in 1:3\n h[1, j] = α[j]\nend\nfor t in 2:n\n for j in 1:3\n  h[t, j] = ϕ * h[t - 1, j] + x[t] * α[j]\n end\nend\nfor t in 1:n, j in 1:3\n Y[t, j] ~ Normal(h[t, j], s)\nend",
         matrix_scan, sequential=True),
    Case("GARCH", "a r s",
         "v = s\nfor t in 1:n\n if t > 1\n  v = 0.1 + 0.5r * (y[t - 1] - a)^2 + 0.3v\n end\n y[t] ~ Normal(a, sqrt(v))\nend",
         garch, sequential=True),
    Case("moving average", "a r s",
         "e = 0.0\nfor t in 1:n\n m = a + r * e\n y[t] ~ Normal(m, s)\n e = y[t] - m\nend", moving_average, sequential=True),
    Case("hidden Markov model", "a b s",
         "A = [0.8 0.2; 0.3 0.7]\nμ = [a, b]\nl = [log(0.5) + logpdf(Normal(μ[k], s), y[1]) for k in 1:2]\nfor t in 2:n\n l = [logsumexp([l[j] + log(A[j, k]) for j in 1:2]) + logpdf(Normal(μ[k], s), y[t]) for k in 1:2]\nend\n@addlogprob! logsumexp(l)",
         forward, sequential=True),
    Case("latent of each row", "s", "for i in 1:n\n h[i] ~ Normal(0, s)\n y[i] ~ Normal(h[i], 1)\nend",
         lambda v: normal(v.h, 0, v.s) + normal(v.y, v.h, 1), drawn=("h",)),
    Case("latent preallocated", "s",
         "h = Vector{Float64}(undef, n)\nfor i in 1:n\n h[i] ~ Normal(0, s)\nend\ny ~ MvNormal(h, I)",
         lambda v: normal(v.h, 0, v.s) + normal(v.y, v.h, 1), drawn=("h",)),
    Case("latent zeros", "s", "h = zeros(n)\nfor i in eachindex(h)\n h[i] ~ Normal(0, s)\nend\ny ~ MvNormal(h, I)",
         lambda v: normal(v.h, 0, v.s) + normal(v.y, v.h, 1), drawn=("h",)),
    Case("latent of known sizes", "s", "for j in 1:3\n α[j] ~ Normal(0, s)\nend\nfor i in 1:n\n y[i] ~ Normal(α[idx[i]], 1)\nend",
         lambda v: normal(v.α, 0, v.s) + normal(v.y, v.α[v.idx - 1], 1), drawn=("α",)),
    Case("latent state", "ϕ s",
         "h = Vector{Float64}(undef, n)\nh[1] ~ Normal(0, 1)\nfor t in 2:n\n h[t] ~ Normal(ϕ * h[t - 1], s)\nend\ny ~ MvNormal(h, I)",
         latent_ar, drawn=("h",), sequential=True, sites=elements("h")),
    Case("latent state, observed in the loop", "ϕ s",
         "h = zeros(n)\nh[1] ~ Normal(0, 1)\ny[1] ~ Normal(h[1], 1)\nfor t in 2:n\n h[t] ~ Normal(ϕ * h[t - 1], s)\n y[t] ~ Normal(h[t], 1)\nend",
         latent_ar, drawn=("h",), sequential=True, sites=elements("h")),
    Case("latent matrix", "s", "for i in 1:n, j in 1:3\n W[i, j] ~ Normal(0, s)\nend\nfor i in 1:n, j in 1:3\n Y[i, j] ~ Normal(W[i, j], 1)\nend",
         lambda v: normal(v.W, 0, v.s) + normal(v.Y, v.W, 1), drawn=("W",)),
    Case("latent rows", "s", "for i in 1:n\n W[i, :] ~ MvNormal(zeros(3), s^2 * I)\nend\nfor i in 1:n\n Y[i, :] ~ MvNormal(W[i, :], I)\nend",
         lambda v: normal(v.W, 0, v.s) + normal(v.Y, v.W, 1), drawn=("W",)),
    Case("latent columns", "s", "W = zeros(n, 3)\nfor j in 1:3\n W[:, j] ~ MvNormal(zeros(n), s^2 * I)\nend\nfor j in 1:3\n Y[:, j] ~ MvNormal(W[:, j], I)\nend",
         lambda v: normal(v.W, 0, v.s) + normal(v.Y, v.W, 1), drawn=("W",)),
    Case("latent rows in order", "ϕ s",
         "W = zeros(n, 3)\nW[1, :] ~ MvNormal(zeros(3), I)\nfor t in 2:n\n W[t, :] ~ MvNormal(ϕ * W[t - 1, :], s^2 * I)\nend\nfor t in 1:n, j in 1:3\n Y[t, j] ~ Normal(W[t, j], 1)\nend",
         lambda v: normal(v.W[0], 0, 1) + normal(v.W[1:], v.ϕ * v.W[:-1], v.s) + normal(v.Y, v.W, 1),
         drawn=("W",), sequential=True, sites=lambda values: {f"W[{t + 1},:]": values["W"][t] for t in range(N)}),
    Case("latent drawn in parts", "s", "h = zeros(n)\nfor i in 1:2\n h[i] ~ Normal(0, 1)\nend\nfor i in 3:n\n h[i] ~ Normal(0, s)\nend\ny ~ MvNormal(h, I)",
         lambda v: normal(v.h[:2], 0, 1) + normal(v.h[2:], 0, v.s) + normal(v.y, v.h, 1), drawn=("h",),
         sites=lambda values: {"h[1:2]": values["h"][:2], "h[3:6]": values["h"][2:]}),
    Case("if on data", "a b s", "for i in 1:n\n if on[i]\n  y[i] ~ Normal(a, s)\n else\n  y[i] ~ Normal(b * x[i], s)\n end\nend",
         branches),
    Case("if assigns", "a b s", "for i in 1:n\n if on[i]\n  m = a\n else\n  m = b * x[i]\n end\n y[i] ~ Normal(m, s)\nend", branches),
    Case("ternary", "a b s", "for i in 1:n\n y[i] ~ Normal(on[i] ? a : b * x[i], s)\nend", branches),
    Case("ifelse", "a b s", "for i in 1:n\n y[i] ~ Normal(ifelse(on[i], a, b * x[i]), s)\nend", branches),
    Case("broadcast ifelse", "a b s", "y ~ MvNormal(ifelse.(on, a, b .* x), s^2 * I)", branches),
    Case("if on the loop's variable", "a b s",
         "for i in 1:n\n if i == 1\n  m = a\n else\n  m = b * y[i - 1]\n end\n y[i] ~ Normal(m, s)\nend",
         lambda v: normal(v.y, np.append(v.a, v.b * v.y[:-1]), v.s)),
    Case("some rows alone", "a s", "for i in 1:n\n if on[i]\n  y[i] ~ Normal(a, s)\n end\nend",
         lambda v: normal(v.y[v.on], v.a, v.s)),
    Case("if on settings", "a b s", "if n > 3\n m = a\nelse\n m = b\nend\nfor i in 1:n\n y[i] ~ Normal(m, s)\nend",
         lambda v: normal(v.y, v.a, v.s)),
    Case("elseif", "a b s", "if n < 3\n m = a\nelseif n == 6\n m = b\nelse\n m = s\nend\ny ~ filldist(Normal(m, s), n)",
         lambda v: normal(v.y, v.b, v.s)),
    Case("counts with offsets", "a b", "for i in 1:n\n c[i] ~ Poisson(exp(a + b * x[i] + log(t[i])))\nend",
         lambda v: float(stats.poisson.logpmf(v.c, np.exp(v.a + v.b * v.x) * v.t).sum())),
    Case("a tuple of names", "a b s", "for (u, w) in ((a, 1.0), (b, 2.0))\n @addlogprob! -u^2 * w\nend\ny ~ filldist(Normal(a, s), n)",
         lambda v: -(v.a**2) - 2 * v.b**2 + normal(v.y, v.a, v.s)),
    Case("loop over values", "a s", "for v in x\n @addlogprob! -a * v^2\nend\ny ~ filldist(Normal(a, s), n)",
         lambda v: -v.a * (v.x**2).sum() + normal(v.y, v.a, v.s)),
    Case("carried over values", "a s", "m = a\nfor v in x\n m = 0.5m + v\nend\ny ~ filldist(Normal(m, s), n)",
         lambda v: carried_over_values(v), sequential=True),
]  # fmt: skip


def scan(v: Any) -> Any:
    """h[t] = ϕ h[t-1] + x[t]."""
    h = np.zeros(N)
    h[0] = v.a
    for t in range(1, N):
        h[t] = v.ϕ * h[t - 1] + v.x[t]
    return h


def scalar_scan(v: Any) -> float:
    """The state after each observation."""
    total, h = 0.0, v.a
    for t in range(N):
        total += normal(v.y[t], h, v.s)
        h = v.ϕ * h + v.x[t]
    return total


def carried_over_values(v: Any) -> float:
    """A mean halved for each value."""
    m = v.a
    for value in v.x:
        m = 0.5 * m + value
    return normal(v.y, m, v.s)


def text_of(case: Case) -> tuple[str, Values]:
    """The model's text, and the data that it mentions."""
    words = set(re.findall(r"[^\W\d]\w*", case.body))
    data = {name: value for name, value in DATA.items() if name in words}
    lines = [PRIORS[name][0] for name in case.priors.split()] + case.body.split("\n")
    return "\n".join([f"@model function m({', '.join(data)})", *(f"    {line}" for line in lines), "end"]), data


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_density(case: Case) -> None:
    """The density is that of a loop in Python, and a `for` stands in the program only where a value is carried."""
    text, data = text_of(case)
    model = bound(text, **data)
    names = case.priors.split()
    values = {name: VALUES[name] for name in (*names, *case.drawn)}
    given = {name: VALUES[name] for name in names}
    given |= case.sites(values) if case.sites else {name: VALUES[name] for name in case.drawn}
    wanted = sum(float(PRIORS[name][1](VALUES[name])) for name in names) + case.density(Space(DATA | values))
    np.testing.assert_allclose(log_density(model, given), wanted, rtol=1e-10)
    has_loop = any(line.strip().startswith("for ") for line in model.pyro_source().splitlines())
    assert has_loop == case.sequential, model.pyro_source()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_checked_without_data(case: Case) -> None:
    """A model that is right is not refused where its data are not there yet."""
    import mlmdsl

    text, _ = text_of(case)
    mlmdsl.parse(text).check()
    assert mlmdsl.parse(text).model_names == ("m",)
