"""The groups, dimensions and coordinates that ArviZ sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlmdsl.results.datasets import build_datasets
from mlmdsl.results.fit import Dim, Fit, Labelled, Variable

from .conftest import HATTED, RUN

DRAWS = np.zeros((2, 5))


def described(*variables: Variable) -> Fit:
    """A fit of zeros."""
    shapes = {variable.name: tuple(dim.size for dim in variable.dims) for variable in variables}
    return Fit(variables, {name: np.zeros((2, 5, *shape)) for name, shape in shapes.items()}, RUN)


def dims(*variables: Variable) -> dict[str, tuple[str, ...]]:
    """The names of each variable's dimensions after chain and draw."""
    posterior = build_datasets(described(*variables))["posterior"]
    return {str(name): tuple(map(str, array.dims[2:])) for name, array in posterior.data_vars.items()}


def test_groups_are_those_that_are_there(fit: Fit) -> None:
    optional = {"sample_stats", "log_likelihood", "prior", "posterior_predictive", "observed_data"}
    assert set(build_datasets(fit)) == {"posterior", *optional}
    assert set(build_datasets(described(Variable("σ")))) == {"posterior"}


def test_draws_have_named_dimensions_and_labels(fit: Fit) -> None:
    posterior = build_datasets(fit)["posterior"]
    assert posterior["βⱼ"].dims == ("chain", "draw", "cheese", "background")
    assert posterior["cheese"].values.tolist() == ["A", "B", "C", "D"]
    assert posterior["background"].values.tolist() == ["rural", "urban"]
    assert posterior["chain"].values.tolist() == [0, 1, 2, 3]
    picked = posterior["βⱼ"].sel(cheese="C", background="urban")
    np.testing.assert_array_equal(picked.values, fit.values["βⱼ"][:, :, 2, 1])


def test_an_axis_without_labels_counts_from_one(fit: Fit) -> None:
    assert build_datasets(fit)["posterior"][HATTED].coords["row"].values.tolist() == [1, 2, 3]


def test_the_second_axis_of_a_square_matrix_has_its_own_name() -> None:
    k = Dim("k", 3)
    assert dims(Variable("Ω.L", (k, k)), Variable("Σ", (k, k))) == {"Ω.L": ("k", "k_2"), "Σ": ("k", "k_2")}


def test_dimensions_of_one_name_but_another_size_or_other_labels() -> None:
    named = dims(
        Variable("a", (Dim("g", 2),)),
        Variable("b", (Dim("g", 3),)),
        Variable("c", (Dim("g", 2, ("x", "y")),)),
        Variable("d", (Dim("g", 2),)),
    )
    assert named == {"a": ("g",), "b": ("g_2",), "c": ("g_3",), "d": ("g",)}


def test_a_dimension_named_like_a_variable() -> None:
    named = dims(Variable("cheese"), Variable("a", (Dim("cheese", 2),)), Variable("b", (Dim("cheese", 3),)))
    assert named == {"cheese": (), "a": ("cheese_dim",), "b": ("cheese_dim_2",)}


@pytest.mark.parametrize(("name", "expected"), [("chain", "chain_dim"), ("km/h", "km_h"), ("", "dim")])
def test_dimension_names_that_a_file_cannot_hold(name: str, expected: str) -> None:
    assert dims(Variable("a", (Dim(name, 2),))) == {"a": (expected,)}


def test_a_variable_named_like_a_sample_dimension() -> None:
    assert dims(Variable("draw"), Variable("chain")) == {"draw_": (), "chain_": ()}


def test_observed_data_and_likelihood_share_their_rows(fit: Fit) -> None:
    datasets = build_datasets(fit)
    assert datasets["observed_data"]["y"].dims == ("row_2",)
    assert datasets["log_likelihood"]["y"].dims == ("chain", "draw", "row_2")


def test_the_prior_has_draws_of_its_own(fit: Fit) -> None:
    assert dict(build_datasets(fit)["prior"].sizes) == {"chain": 1, "draw": 50}


def test_a_dimension_may_not_be_called_like_an_observed_variable(fit_of: Callable[..., Fit]) -> None:
    fit = replace(fit_of({"σ": DRAWS}), observed={"y": Labelled(np.zeros(3), (Dim("y", 3),))})
    assert build_datasets(fit)["observed_data"]["y"].dims == ("y_dim",)
