"""Numbers that Julia has and Python refuses, and vectors written with a last `;`: each by each way to a value."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

import mlmdsl
from tests.compiler.evaluate import by_data, by_parameters, in_data_block

x = np.array([0.5, 2.0, -4.0])
k = np.array([1, 2, 4])

CASES: dict[str, Any] = {
    "1 / 0": inf,
    "-1 / 0": -inf,
    "0 / 0": np.nan,
    "1 / -0.0": -inf,
    "10^-3": 1e-3,
    "2^-1": 0.5,
    "(3 - 1)^-2": 0.25,
    "0^-1": inf,
    "(-2)^-1": -0.5,
    "2.0^-1": 0.5,
    "2^3": 8,
    "k .^ -1": 1 / k,
    "k .^ -2": 1.0 / k**2,
    "x .^ -1": 1 / x,
    "k[2]^-1": 0.5,
    "[i^-1 for i in 1:3]": 1 / np.arange(1, 4),
    "[1 / (i - 1) for i in 1:3]": np.array([inf, 1, 0.5]),
    "[1.0:3;]": np.arange(1.0, 4.0),
    "[x;]": x,
    "[1:2;]": np.array([1, 2]),
    "[x; 1;]": np.append(x, 1),
}


@pytest.mark.parametrize("expression", CASES)
def test_values_in_a_model(expression: str) -> None:
    np.testing.assert_allclose(by_data(expression, x=x, k=k), CASES[expression], rtol=1e-12)
    np.testing.assert_allclose(by_parameters(expression, x=x, k=k), CASES[expression], rtol=1e-12)


@pytest.mark.parametrize("expression", [case for case in CASES if " for " not in case and "k[" not in case])
def test_values_in_a_data_block(expression: str) -> None:
    np.testing.assert_allclose(in_data_block(expression, x=x, k=k), CASES[expression], rtol=1e-12)


@pytest.mark.parametrize("expression", ["k[2]^p", "2^p", "k .^ p"])
def test_a_whole_number_to_a_negative_variable_is_refused(expression: str) -> None:
    text = f"@model function m(y, k)\n    p = -1\n    y ~ Normal(sum({expression}), 1)\nend"
    with pytest.raises((mlmdsl.SpecError, mlmdsl.DataError), match="negative power"):
        mlmdsl.parse(text).bind(y=0.3, k=k)


def test_division_by_an_argument_that_is_zero() -> None:
    text = "@model function m(y, n)\n    σ ~ Exponential(1)\n    y ~ Normal(min(1 / n, 3.0), σ)\nend"
    bound = mlmdsl.parse(text).bind(y=0.3, n=0)
    assert "quotient" in bound.pyro_source()
    assert bound.sample(seed=1, chains=2, draws=10, tune=50).run.chains == 2
