"""The three forms of the report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from mlmdsl.results.fit import Fit
from mlmdsl.results.report import to_csv, to_json, to_table, to_text
from mlmdsl.results.summary import COLUMNS

from .conftest import HATTED


def test_json_has_the_promised_header(fit: Fit) -> None:
    report = json.loads(to_json(fit))
    summary = report.pop("summary")
    assert report == {
        "spec": "cheese/varying_slope",
        "model": "varying_slope",
        "seed": 123,
        "chains": 4,
        "draws": 200,
        "tune": 100,
        "kernel": "vectorized",
        "device": "cpu",
        "marginalized": ["α", "βⱼ"],
        "centring": {},
        "timing": {
            "import_s": 0.5,
            "compile_s": 0.25,
            "warmup_s": 1.0,
            "sample_s": 2.0,
            "recover_s": 1.0,
            "total_s": 4.75,
        },
        "gradient_evaluations": 1234.5,
        "divergences": 0,
        "warnings": [],
        "findings": [],
    }
    assert len(summary) == 18


def test_json_rows_have_the_promised_keys_in_order(fit: Fit) -> None:
    summary = json.loads(to_json(fit))["summary"]
    assert all(tuple(row) == COLUMNS for row in summary)
    assert (summary[2]["parameter"], summary[2]["label"]) == ("βⱼ[2,1]", "βⱼ[B,rural]")
    assert summary[2]["mean"] == fit.rows[2].mean


def test_json_says_null_where_nothing_is_defined(fit: Fit) -> None:
    row = json.loads(to_json(fit))["summary"][9]
    assert row == {
        "parameter": "Ω.L[1,1]",
        "label": "Ω.L[1,1]",
        "mean": 1.0,
        "std": 0.0,
        "mcse": None,
        "q5": 1.0,
        "q95": 1.0,
        "ess_bulk": None,
        "ess_tail": None,
        "rhat": None,
        "ess_per_sec": None,
    }


def test_json_is_valid_whatever_the_draws(fit_of: Callable[..., Fit]) -> None:
    values = np.ones((4, 10))
    values[0, 0] = np.inf
    stuck = np.repeat([[1.0], [2.0], [3.0], [4.0]], 10, axis=1)
    report = json.loads(to_json(fit_of({"θ": values, "s": stuck})), parse_constant=pytest.fail)
    assert report["summary"][0]["mean"] is None
    assert report["summary"][1]["rhat"] is None


def test_json_keeps_letters_and_leaves_unknown_times_null(fit: Fit) -> None:
    text = to_json(replace(fit, run=replace(fit.run, timing={"total_s": 2.0}, gradient_evaluations=None)))
    assert "βⱼ[B,rural]" in text
    report = json.loads(text)
    assert report["timing"]["warmup_s"] is None
    assert report["timing"]["total_s"] == 2.0
    assert report["gradient_evaluations"] is None


def test_csv_reads_back_digit_for_digit(fit: Fit) -> None:
    header, *lines = csv.reader(io.StringIO(to_csv(fit)))
    assert tuple(header) == (*COLUMNS, "findings")
    assert lines[2][:2] == ["βⱼ[2,1]", "βⱼ[B,rural]"]
    assert [float(line[2]) for line in lines] == [row.mean for row in fit.rows]
    assert lines[9][4] == "NaN"
    assert to_csv(fit).count("\n") == 19


def test_the_table_of_known_draws(fit_of: Callable[..., Fit]) -> None:
    """Mean and std by hand; mcse, ess and R-hat of a constant are undefined."""
    values = {"σ": np.arange(1.0, 21.0).reshape(4, 5), "c": np.full((4, 5), 2.5)}
    header, _, first, second = to_text(fit_of(values)).splitlines()
    assert header.split() == ["parameter", "mean", "std", "mcse", "ess_bulk", "ess_tail", "rhat", "ess_per_sec"]
    assert first.split()[:3] == ["σ", "10.5000", "5.9161"]
    assert second.split() == ["c", "2.5000", "0.0000", "NaN", "NaN", "NaN", "NaN", "NaN"]


def test_columns_line_up_under_combining_marks(fit: Fit) -> None:
    header, rule, *lines = to_text(fit).splitlines()
    assert any(line.startswith(HATTED) for line in lines)
    assert {cell_len(line) for line in (header, rule, *lines)} == {cell_len(header)}


def test_labels_are_not_taken_for_markup(fit: Fit) -> None:
    assert "βⱼ[A,rural]" in to_text(fit)


@pytest.mark.parametrize(
    ("scale", "shown"), [(1e-7, "1.000e-07"), (1e9, "1.000e+09"), (0.0, "0.0000"), (-12.34567, "-12.3457")]
)
def test_numbers_of_any_size_stay_short(fit_of: Callable[..., Fit], scale: float, shown: str) -> None:
    assert to_text(fit_of({"θ": np.full((4, 5), scale)})).splitlines()[2].split()[1] == shown


def test_infinite_figures_are_shown(fit_of: Callable[..., Fit]) -> None:
    stuck = np.repeat([[1.0], [2.0], [3.0], [4.0]], 10, axis=1)
    assert "∞" in to_text(fit_of({"θ": stuck}))


def test_text_is_never_cut_however_long_the_names(fit_of: Callable[..., Fit]) -> None:
    name = "α" * 150
    assert name in to_text(fit_of({name: np.zeros((4, 5))}))


def test_the_table_fits_an_ordinary_terminal(fit: Fit) -> None:
    assert Console(width=200).measure(to_table(fit)).maximum <= 88


def test_json_says_how_centred_effects_were_sampled(fit: Fit) -> None:
    run = replace(fit.run, centring={"βⱼ": (0.5, 0.25, 0.75)})
    assert json.loads(to_json(replace(fit, run=run)))["centring"] == {"βⱼ": {"mean": 0.5, "min": 0.25, "max": 0.75}}
