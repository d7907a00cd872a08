"""Hard models with Gaussian processes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.hard.densities import gamma, half_normal, inverse_gamma, log_poisson, normal, student_t
from tests.benchmarks.hard.model import Array, Data, HardModel, Point, Site


def factor(x: Array, α: float, ρ: float, jitter: float) -> Array:
    """The Cholesky factor of the squared-exponential kernel's matrix."""
    kernel = α**2 * np.exp(-((x[:, None] - x) ** 2) / (2 * ρ**2))
    return np.linalg.cholesky(kernel + jitter * np.eye(len(x)))


def hetero_gp_data() -> dict[str, Any]:
    rng = np.random.default_rng(17)
    x = np.linspace(0, 4, 25)
    return {"x": x, "y": np.sin(2 * x) + np.exp(-2.5 + 0.5 * x) * rng.normal(size=25)}


def hetero_gp(data: Data, p: Point) -> float:
    f = factor(data["x"], p["α"][0], p["ρ"][0], 1e-6) @ p["z"]
    g = factor(data["x"], p["α"][1], p["ρ"][1], 1e-6) @ p["w"]
    priors = inverse_gamma(p["ρ"], 5, 5) + half_normal(p["α"], 2) + normal(p["level"], 0, 2)
    return priors + normal(p["z"], 0, 1) + normal(p["w"], 0, 1) + normal(data["y"], f, np.exp(p["level"] + g))


def gp_poisson_data() -> dict[str, Any]:
    rng = np.random.default_rng(18)
    x = np.linspace(-10, 10, 15)
    return {"x": x, "y": rng.poisson(np.exp(1.5 + 1.2 * np.sin(x / 3)))}


def gp_poisson(data: Data, p: Point) -> float:
    priors = gamma(p["ρ"], 25, 0.25) + half_normal(p["α"], 2) + normal(p["z"], 0, 1)
    return priors + log_poisson(data["y"], factor(data["x"], p["α"], p["ρ"], 1e-8) @ p["z"])


def motorcycle_data() -> dict[str, Any]:
    """133 times scaled to 0 … 1; sines on an interval five fourths as wide, and the roots of their eigenvalues."""
    rng = np.random.default_rng(19)
    t = np.sort(rng.uniform(0, 1, 133))
    mean = np.where(t > 0.25, -110 * np.sin(7 * (t - 0.25)) * np.exp(-3 * (t - 0.25)), 0.0)
    half = 1.25
    λ = np.arange(1, 41) * np.pi / (2 * half)
    B = np.sin(λ * (t[:, None] - t.mean() + half)) / np.sqrt(half)
    return {"B": B, "λ": λ, "y": mean + np.where(t > 0.25, 22.0, 1.5) * rng.normal(size=133)}


def amplitude(s: Any, ℓ: Any, λ: Array) -> Array:
    """The root of the kernel's spectral density."""
    return np.asarray(s * np.sqrt(np.sqrt(2 * np.pi) * ℓ) * np.exp(-0.25 * ℓ**2 * λ**2))


def motorcycle(data: Data, p: Point) -> float:
    B, λ = data["B"], data["λ"]
    f = p["level"] + B @ (amplitude(p["s"], p["ℓ"], λ) * p["z"])
    g = p["log_σ"] + B[:, :20] @ (amplitude(p["s_σ"], p["ℓ_σ"], λ[:20]) * p["w"])
    priors = sum(inverse_gamma(p[name], 1.124909, 0.0177) for name in ("ℓ", "ℓ_σ"))
    priors += student_t(p["level"], 3, -13, 36) + student_t(p["log_σ"], 3, 0, 10) + 2 * float(np.log(2))
    priors += sum(student_t(p[name], 3, 0, 36) for name in ("s", "s_σ"))
    return priors + normal(p["z"], 0, 1) + normal(p["w"], 0, 1) + normal(data["y"], f, np.exp(g))


PROCESSES = (
    HardModel(
        "hetero_gp",
        "Gaussian process with a Gaussian process of noise, 25 points",
        hetero_gp_data,
        {
            "ρ": Site("positive", (2,)),
            "α": Site("positive", (2,)),
            "level": Site(),
            "z": Site(shape=(25,)),
            "w": Site(shape=(25,)),
        },
        hetero_gp,
    ),
    HardModel(
        "gp_poisson",
        "Gaussian process under counts, 15 points",
        gp_poisson_data,
        {"ρ": Site("positive", (), 1.5, 0.3), "α": Site("positive"), "z": Site(shape=(15,))},
        gp_poisson,
    ),
    HardModel(
        "motorcycle",
        "processes of mean and noise by basis functions, 133 points",
        motorcycle_data,
        {
            "level": Site(around=-13),
            "s": Site("positive", (), 3),
            "ℓ": Site("positive", (), -2),
            "z": Site(shape=(40,)),
            "log_σ": Site(around=3),
            "s_σ": Site("positive"),
            "ℓ_σ": Site("positive", (), -2),
            "w": Site(shape=(20,)),
        },
        motorcycle,
    ),
)
