"""A small fit that has one of everything, and draws to diagnose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlmdsl.results.fit import Dim, Fit, Labelled, Run, Variable

CHEESE = Dim("cheese", 4, ("A", "B", "C", "D"))
BACKGROUND = Dim("background", 2, ("rural", "urban"))
FACTOR = Dim("k", 3)
HATTED = "y\u0302"  # y and a combining hat

VARIABLES = (
    Variable("σ"),
    Variable("βⱼ", (CHEESE, BACKGROUND)),
    Variable("Ω.L", (FACTOR, FACTOR), lower_triangular=True),
    Variable(HATTED, (Dim("row", 3),), "deterministic"),
)

RUN = Run(
    spec="cheese/varying_slope",
    model="varying_slope",
    seed=123,
    chains=4,
    draws=200,
    tune=100,
    kernel="vectorized",
    marginalized=("α", "βⱼ"),
    timing={"import_s": 0.5, "compile_s": 0.25, "warmup_s": 1.0, "sample_s": 2.0, "recover_s": 1.0, "total_s": 4.75},
    gradient_evaluations=1234.5,
    versions={"mlmdsl": "0.1.0"},
)


def autoregressive(chains: int, draws: int, count: int, phi: float, seed: int) -> npt.NDArray[np.float64]:
    """Independent AR(1) series, (chain, draw, count); `phi` = 0 gives white noise, 1 a random walk."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws, count))
    series = noise.copy()
    for step in range(1, draws):
        series[:, step] = phi * series[:, step - 1] + noise[:, step]
    return series


def triangular(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draws of a 3×3 Cholesky factor: its first entry is 1, all above the diagonal 0."""
    values = np.tril(rng.normal(size=(4, 200, 3, 3)))
    values[..., 0, 0] = 1.0
    return values


@pytest.fixture
def fit() -> Fit:
    """Well mixed draws of a scalar, a labelled matrix, a Cholesky factor and a deterministic vector."""
    rng = np.random.default_rng(7)
    rows = Dim("row", 5)
    return Fit(
        variables=VARIABLES,
        values={
            "σ": rng.normal(size=(4, 200)),
            "βⱼ": rng.normal(size=(4, 200, 4, 2)),
            "Ω.L": triangular(rng),
            HATTED: rng.normal(size=(4, 200, 3)).astype(np.float32),
        },
        run=RUN,
        stats={"diverging": np.zeros((4, 200), dtype=bool), "energy": rng.normal(size=(4, 200))},
        observed={"y": Labelled(np.arange(5.0), (rows,))},
        log_likelihood={"y": Labelled(rng.normal(size=(4, 200, 5)), (rows,))},
        posterior_predictive={"y": Labelled(rng.normal(size=(4, 200, 5)), (rows,))},
        prior={"σ": Labelled(rng.normal(size=(1, 50)))},
    )


@pytest.fixture
def fit_of() -> Callable[..., Fit]:
    """A fit of scalar parameters from draws (chain, draw) by name; keywords replace fields of `Fit`."""

    def build(values: dict[str, Any], **fields: Any) -> Fit:
        arrays = {name: np.asarray(draws) for name, draws in values.items()}
        return replace(Fit(tuple(Variable(name) for name in arrays), arrays, RUN), **fields)

    return build
