"""One list of findings, in every form in which a fit is read: JSON, CSV, `repr`, a warning, a file."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mlmdsl.results.findings import DiagnosticWarning, Finding, findings_text, warn_of
from mlmdsl.results.fit import Fit, Run
from mlmdsl.results.report import to_csv, to_json

from .conftest import RUN

Build = Callable[..., Fit]
KEYS = ["code", "severity", "parameters", "values", "message", "remedy"]
REMARK = Finding("target_raised", "note", "the target acceptance was raised", values=(0.95,))
APART = Finding("chains_apart", "error", "2 of 8 chains are apart", "reparametrise", ("a",), (350.0,))


@pytest.fixture
def bad(fit_of: Build) -> Fit:
    """One parameter whose chains disagree a little, one that is fine, and divergences."""
    rng = np.random.default_rng(0)
    diverging = np.zeros((4, 500), dtype=bool)
    diverging[0, :3] = True
    apart = rng.normal(size=(4, 500)) + np.array([[0.0], [0.0], [0.0], [0.6]])
    fine = rng.normal(size=(4, 500))
    return fit_of({"a": apart, "b": fine}, stats={"diverging": diverging})


def test_json(bad: Fit) -> None:
    report = json.loads(to_json(bad))
    found = {finding["code"]: finding for finding in report["findings"]}
    assert all(list(finding) == KEYS for finding in report["findings"])
    assert (found["divergences"]["parameters"], found["divergences"]["values"]) == ([], [3])
    assert found["rhat"]["parameters"] == ["a"]
    assert found["rhat"]["values"] == [bad.rows[0].rhat]
    assert report["warnings"] == [finding["message"] for finding in report["findings"]]


def test_json_keeps_what_the_run_remarked_on(fit: Fit) -> None:
    report = json.loads(to_json(replace(fit, run=replace(fit.run, findings=(REMARK,)))))
    assert report["warnings"] == ["the target acceptance was raised"]
    assert report["findings"][0]["severity"] == "note"


def test_figures_that_are_not_finite_are_null(fit: Fit) -> None:
    finding = replace(REMARK, values=(np.nan, np.inf, 1.0))
    report = json.loads(to_json(replace(fit, run=replace(fit.run, findings=(finding,)))), parse_constant=pytest.fail)
    assert report["findings"][0]["values"] == [None, None, 1.0]


def test_a_row_of_the_csv_names_what_was_found_of_it_and_of_the_run(bad: Fit) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(bad))))
    assert [row["parameter"] for row in rows] == ["a", "b"]
    assert [set(row["findings"].split()) for row in rows] == [
        {"rhat", "ess_bulk", "divergences"},
        {"divergences"},
    ]
    frame = pd.read_csv(io.StringIO(to_csv(bad)))
    assert len(frame) == 2
    assert frame["mean"].dtype == float


def test_a_csv_of_good_draws_names_nothing(fit: Fit) -> None:
    rows = csv.DictReader(io.StringIO(to_csv(replace(fit, run=replace(fit.run, findings=(REMARK,))))))
    assert {row["findings"] for row in rows} == {""}


def test_repr_says_what_is_wrong(bad: Fit, fit: Fit) -> None:
    heading, *rest = repr(bad).splitlines()
    assert heading == "Fit of varying_slope (cheese/varying_slope): 4 × 500 draws of 2 figures"
    assert rest == findings_text(bad.findings).splitlines()
    assert any(line.startswith("warning: 3 of 2000 transitions diverged") for line in rest)
    assert "\n" not in repr(fit)


def test_one_warning_for_all_findings(bad: Fit, fit: Fit) -> None:
    with pytest.warns(DiagnosticWarning) as caught:
        warn_of(bad, 1)
    (warning,) = caught
    assert str(warning.message) == findings_text(bad.findings)
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of(fit, 1)
        warn_of(replace(fit, run=replace(fit.run, findings=(REMARK,))), 1)


def test_findings_of_the_run_come_first_where_they_are_the_gravest(bad: Fit) -> None:
    fit = replace(bad, run=replace(bad.run, findings=(REMARK, APART)))
    assert [finding.severity for finding in fit.findings] == ["error", *["warning"] * 3, "note"]
    assert fit.findings[0] == APART
    assert not fit.ok


def test_an_error_of_the_run_alone_makes_a_fit_not_ok(fit: Fit) -> None:
    assert fit.ok
    assert replace(fit, run=replace(fit.run, findings=(REMARK,))).ok
    assert not replace(fit, run=replace(fit.run, findings=(APART,))).ok


def test_findings_are_saved(bad: Fit, tmp_path: Path) -> None:
    fit = replace(bad, run=replace(bad.run, findings=(REMARK, APART)))
    fit.save(tmp_path / "fit.nc")
    assert Fit.load(tmp_path / "fit.nc").findings == fit.findings
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as tree:
        written = json.loads(tree.attrs["mlmdsl_findings"])
    assert [finding["message"] for finding in written] == [finding.message for finding in fit.findings]


def test_fits_of_old_had_messages_alone() -> None:
    old = {name: value for name, value in RUN.to_dict().items() if name != "findings"}
    assert Run.from_dict({**old, "warnings": ["slow"]}).findings == (Finding("remark", "note", "slow"),)


@pytest.mark.parametrize(
    ("shift", "draws", "severity"),
    [(0.3, 500, "warning"), (3.0, 500, "error"), (0.9, 40, "warning"), (30.0, 40, "error")],
)
def test_chains_far_apart_are_an_error(shift: float, draws: int, severity: str, fit_of: Build) -> None:
    """Fixed seed. R-hat of short chains is noisy, so these must be further apart."""
    values = np.random.default_rng(1).normal(size=(4, draws)) + np.array([[0.0], [0.0], [0.0], [shift]])
    (finding,) = [finding for finding in fit_of({"a": values}).findings if finding.code == "rhat"]
    assert finding.severity == severity


def test_an_interrupted_run_says_so(fit: Fit) -> None:
    stopped = replace(fit, run=replace(fit.run, interrupted=True))
    (finding,) = stopped.findings
    assert (finding.code, finding.severity) == ("interrupted", "warning")
    assert finding.message == "interrupted; this is the summary of 4 × 200 draws"
