"""Rows: their order, their names, their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlmdsl.results.diagnostics import nested_rhat
from mlmdsl.results.fit import Dim, Fit, Variable
from mlmdsl.results.summary import COLUMNS, entries, listed_draws

from .conftest import BACKGROUND, CHEESE, HATTED


def test_names_in_julias_order() -> None:
    named = list(entries(Variable("βⱼ", (CHEESE, BACKGROUND))))
    assert [entry.parameter for entry in named] == [
        *("βⱼ[1,1]", "βⱼ[2,1]", "βⱼ[3,1]", "βⱼ[4,1]"),
        *("βⱼ[1,2]", "βⱼ[2,2]", "βⱼ[3,2]", "βⱼ[4,2]"),
    ]
    assert [entry.label for entry in named][:2] == ["βⱼ[A,rural]", "βⱼ[B,rural]"]
    assert [entry.position for entry in named][:2] == [(0, 0), (1, 0)]


def test_a_scalar_has_no_subscript() -> None:
    assert [entry.parameter for entry in entries(Variable("σ"))] == ["σ"]


def test_an_axis_without_labels_is_numbered() -> None:
    assert [entry.label for entry in entries(Variable("z", (BACKGROUND, Dim("k", 1))))] == ["z[rural,1]", "z[urban,1]"]


def test_a_triangular_matrix_lists_its_lower_half() -> None:
    named = entries(Variable("Ω.L", (Dim("k", 3), Dim("k", 3)), lower_triangular=True))
    expected = ["Ω.L[1,1]", "Ω.L[2,1]", "Ω.L[3,1]", "Ω.L[2,2]", "Ω.L[3,2]", "Ω.L[3,3]"]
    assert [entry.parameter for entry in named] == expected


@pytest.mark.parametrize(
    "variable",
    [
        Variable("scalar"),
        Variable("matrix", (CHEESE, BACKGROUND)),
        Variable("cube", (Dim("a", 2), Dim("b", 3), Dim("c", 4))),
        Variable("factor", (Dim("k", 3), Dim("k", 3)), lower_triangular=True),
        Variable("factors", (Dim("k", 3), Dim("k", 3), Dim("j", 2)), lower_triangular=True),
    ],
    ids=lambda variable: variable.name,
)
def test_draws_come_in_the_order_of_the_names(variable: Variable) -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, *(dim.size for dim in variable.dims)))
    expected = np.stack([np.moveaxis(values, (0, 1), (-2, -1))[entry.position] for entry in entries(variable)], axis=2)
    np.testing.assert_array_equal(listed_draws(variable, values), expected)


def test_rows_follow_the_variables(fit: Fit) -> None:
    names = [row.parameter for row in fit.rows]
    assert names[:2] == ["σ", "βⱼ[1,1]"]
    assert names[9:] == [*("Ω.L[1,1]", "Ω.L[2,1]", "Ω.L[3,1]", "Ω.L[2,2]", "Ω.L[3,2]", "Ω.L[3,3]")] + [
        f"{HATTED}[{row}]" for row in (1, 2, 3)
    ]


def test_figures_of_known_draws(fit_of: Callable[..., Fit]) -> None:
    (row,) = fit_of({"θ": np.arange(1.0, 21.0).reshape(4, 5)}).rows
    assert (row.parameter, row.label, row.mean) == ("θ", "θ", 10.5)
    assert row.std == pytest.approx(35**0.5, rel=1e-15)


def test_each_row_holds_the_figures_of_its_own_entry(fit: Fit) -> None:
    means = {row.label: row.mean for row in fit.rows}
    assert means["βⱼ[C,urban]"] == pytest.approx(fit.values["βⱼ"][:, :, 2, 1].mean(), rel=1e-12)
    assert means["Ω.L[3,2]"] == pytest.approx(fit.values["Ω.L"][:, :, 2, 1].mean(), rel=1e-12)


def test_effective_draws_a_second_of_sampling(fit: Fit) -> None:
    """Warm-up 1 s, sampling 2 s, recovery 1 s."""
    assert [row.ess_per_sec for row in fit.rows[:9]] == [row.ess_bulk / 4.0 for row in fit.rows[:9]]


def test_without_a_time_there_is_no_rate(fit: Fit) -> None:
    timeless = replace(fit, run=replace(fit.run, timing={}))
    assert all(np.isnan(row.ess_per_sec) for row in timeless.rows)


def test_the_frame_has_the_promised_columns(fit: Fit) -> None:
    frame = fit.summary()
    expected = ["parameter", "label", "mean", "std", "mcse", "q5", "q95", "ess_bulk", "ess_tail", "rhat", "ess_per_sec"]
    assert list(frame.columns) == expected == list(COLUMNS)
    assert frame["label"].tolist() == [row.label for row in fit.rows]
    assert frame["mean"].tolist() == [row.mean for row in fit.rows]
    assert list(frame.index) == list(range(18))


def test_a_constant_entry_has_no_diagnostics(fit: Fit) -> None:
    constant = fit.summary().set_index("parameter").loc["Ω.L[1,1]"]
    assert (constant["mean"], constant["std"], constant["q5"], constant["q95"]) == (1.0, 0.0, 1.0, 1.0)
    assert constant[["mcse", "ess_bulk", "ess_tail", "rhat", "ess_per_sec"]].isna().all()


def test_nested_rhat_on_request(fit: Fit) -> None:
    frame = fit.summary(superchains=2)
    assert frame["nested_rhat"].iloc[0] == nested_rhat(fit.values["σ"], 2)


def test_a_fit_without_variables(fit: Fit) -> None:
    empty = Fit((), {}, fit.run)
    assert empty.rows == ()
    assert empty.summary().empty
