"""Choices whose other side is undefined: densities and gradients are those of the side that is kept."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st
import torch

from mlmdsl.inference.sites import read_sites
from tests.compiler.density import bound, log_density

X = np.array([-1.0, 0.0, 2.0, 3.0])
Y = np.array([0.1, 0.2, 0.3, 0.4])

MODELS = {
    "x[i] > 0 ? β * log(x[i]) : 0.0": lambda b: np.where(X > 0, b * np.log(np.where(X > 0, X, 1)), 0),
    "x[i] <= 0 ? 0.0 : sqrt(x[i]) * β": lambda b: np.where(X > 0, b * np.sqrt(np.maximum(X, 0)), 0),
    "x[i] == 0 ? β : β / x[i]": lambda b: np.where(X == 0, b, b / np.where(X == 0, 1, X)),
    "β * x[i] > 0 ? log(β * x[i]) : β": lambda b: np.where(b * X > 0, np.log(np.where(b * X > 0, b * X, 1)), b),
    "ifelse(x[i] > 0, β * log1p(exp(log(x[i]))), β^2)": lambda b: np.where(
        X > 0, b * np.log1p(np.where(X > 0, X, 1)), b**2
    ),
}


@pytest.mark.parametrize("expression", MODELS)
@pytest.mark.parametrize(
    "form",
    [
        "for i in eachindex(y)\n y[i] ~ Normal({}, 1)\n end",
        "y ~ arraydist([Normal({}, 1) for i in eachindex(y)])",
        "for i in eachindex(y)\n μ = {}\n y[i] ~ Normal(μ, 1)\n end",
    ],
)
def test_choices(expression: str, form: str) -> None:
    model = bound(f"@model function m(x, y)\n β ~ Normal(0, 1)\n {form.format(expression)}\nend", x=X, y=Y)
    for value in (0.7, -1.3):
        expected = st.norm(0, 1).logpdf(value) + st.norm(MODELS[expression](value), 1).logpdf(Y).sum()
        assert log_density(model, {"β": value}) == pytest.approx(expected, rel=1e-12)
    point = torch.tensor([0.7], dtype=torch.float64)
    gradient = torch.func.grad(read_sites(model.program, 0).potential)(point)
    step = 1e-6
    slope = (log_density(model, {"β": 0.7 + step}) - log_density(model, {"β": 0.7 - step})) / (2 * step)
    assert float(gradient) == pytest.approx(-slope, rel=1e-6)  # central differences: error of order step²
