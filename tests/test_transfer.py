"""A fit meets other data: its groups are found by label, whatever their order and number there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import Predictive

import mlmdsl
from mlmdsl.results.fit import Dim, Fit, Run, Variable

MODEL = """
@data begin
    idx = levels(farm)
    y = yield
end
@model function farms(idx, y; J=length(unique(idx)))
    α ~ Normal(0, 10)
    u ~ filldist(Normal(0, 3), J)
    for i in eachindex(y)
        y[i] ~ Normal(α + u[idx[i]], 0.001)
    end
end
"""
LABELS = ("ash", "beech", "cedar")
RUN = Run("m.mlm", "farms", 1, 2, 3, 10, "vectorized")


def fit_of(**values: Any) -> Fit:
    """A fit whose draws are these numbers: u along farms, anything else a number."""
    arrays = {
        name: np.broadcast_to(np.asarray(value, float), (2, 3, *np.shape(value))) for name, value in values.items()
    }
    dims = {"u": (Dim("farm", 3, LABELS),), "v": (Dim("v_1", 3),)}
    return Fit(tuple(Variable(name, dims.get(name, ())) for name in arrays), arrays, RUN)


FIT = fit_of(α=100.0, u=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("farms", "expected"),
    [
        (["cedar", "ash", "beech"], [103, 101, 102]),
        (["cedar", "beech", "cedar"], [103, 102, 103]),  # coded 2, 1, 2 here, and 3, 2, 3 in the fit
        (["beech"], [102]),
    ],
)
def test_groups_are_met_by_label(farms: list[str], expected: list[float]) -> None:
    bound = mlmdsl.parse(MODEL).bind({"farm": farms, "yield": [0.0] * len(farms)})
    draws = bound.draws_of(FIT)
    assert draws["u"].shape == (6, len(set(farms)))
    assert draws["α"].shape == (6,)
    assert draws["u"].dtype == torch.float64
    program = pyro.poutine.uncondition(bound.program)
    predicted = Predictive(program, draws)()["y"].reshape(6, len(farms))
    np.testing.assert_allclose(predicted.numpy(), np.tile(expected, (6, 1)), atol=0.01)  # ten standard deviations


def test_the_order_of_levels_may_be_another() -> None:
    text = MODEL.replace("levels(farm)", 'levels(farm; order=["cedar", "beech", "ash"])')
    bound = mlmdsl.parse(text).bind({"farm": list(LABELS), "yield": [0.0] * 3})
    assert bound.draws_of(FIT)["u"][0].tolist() == [3.0, 2.0, 1.0]


def test_columns_of_dummies_are_met_by_label() -> None:
    text = "@data begin\nX = dummies(farm)\ny = yield\nend\n@model function m(X, y; n=size(X, 2))\nu ~ filldist(Normal(0, 1), n)\ny ~ MvNormal(X * u, 1.0 * I)\nend"
    bound = mlmdsl.parse(text).bind({"farm": ["cedar", "ash"], "yield": [0.0, 1.0]})
    assert bound.draws_of(fit_of(u=[1.0, 2.0, 3.0]))["u"][0].tolist() == [1.0, 3.0]


def test_a_group_that_the_fit_has_not_is_refused() -> None:
    bound = mlmdsl.parse(MODEL).bind({"farm": ["ash", "oak"], "yield": [0.0, 1.0]})
    with pytest.raises(mlmdsl.DataError, match="the fit has no `u` of `oak`"):
        bound.draws_of(FIT)


def test_what_has_no_labels_must_have_its_size() -> None:
    text = "@model function m(y; n=2)\nv ~ filldist(Normal(0, 1), n)\ny .~ Normal(sum(v), 1)\nend"
    spec = mlmdsl.parse(text)
    fit = fit_of(v=[1.0, 2.0, 3.0])
    assert spec.bind(y=[0.0], settings={"n": 3}).draws_of(fit)["v"][0].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(mlmdsl.DataError, match="`v` has 3 entries in the fit, and 2 entries here"):
        spec.bind(y=[0.0]).draws_of(fit)
    with pytest.raises(mlmdsl.DataError, match="the fit has no draws of `v`"):
        spec.bind(y=[0.0]).draws_of(FIT)


def test_missing_outcomes_are_left_to_be_drawn() -> None:
    bound = mlmdsl.parse(MODEL).bind({"farm": ["cedar", "ash"], "yield": [1.0, None]})
    assert set(bound.draws_of(FIT)) == {"α", "u"}


def test_elements_with_sites_of_their_own() -> None:
    text = "@model function m(y)\nh = zeros(3)\nh[1] ~ Normal(0, 1)\nfor t in 2:3\nh[t] ~ Normal(h[t - 1], 1)\nend\ny ~ MvNormal(h, 1.0 * I)\nend"
    bound = mlmdsl.parse(text).bind(y=[0.0, 1.0, 2.0])
    fit = bound.sample(seed=1, chains=2, draws=5, tune=20)
    draws = bound.draws_of(fit)
    np.testing.assert_array_equal(draws["h[2]"].numpy(), fit.values["h"][..., 1].ravel())
