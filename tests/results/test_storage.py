"""Files: everything comes back, ArviZ and xarray open them, and what is no fit is said to be none."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from mlmdsl.results.findings import Finding
from mlmdsl.results.fit import Dim, Fit, FitError, Labelled, Variable

from .conftest import HATTED


@pytest.fixture
def saved(fit: Fit, tmp_path: Path) -> Path:
    path = tmp_path / "käse fit.nc"
    fit.save(path)
    return path


def same_arrays(left: Mapping[str, npt.NDArray[Any]], right: Mapping[str, npt.NDArray[Any]]) -> bool:
    """The same names in the same order, the same bits, the same types."""
    return list(left) == list(right) and all(
        left[name].dtype == right[name].dtype and left[name].tobytes() == right[name].tobytes() for name in left
    )


def arrays(group: Mapping[str, Labelled]) -> dict[str, npt.NDArray[Any]]:
    return {name: data.values for name, data in group.items()}


def test_everything_comes_back(fit: Fit, saved: Path) -> None:
    loaded = Fit.load(saved)
    assert loaded.variables == fit.variables
    assert loaded.run == fit.run
    assert same_arrays(loaded.values, fit.values)
    assert same_arrays(loaded.stats, fit.stats)
    for group in ("observed", "log_likelihood", "prior", "posterior_predictive"):
        after, before = getattr(loaded, group), getattr(fit, group)
        assert same_arrays(arrays(after), arrays(before))
        assert {name: data.dims for name, data in after.items()} == {name: data.dims for name, data in before.items()}


def test_figures_come_back(fit: Fit, saved: Path) -> None:
    assert repr(Fit.load(saved).rows) == repr(fit.rows)  # repr, since NaN differs from itself


def test_names_come_back_letter_for_letter(saved: Path) -> None:
    assert [variable.name for variable in Fit.load(saved).variables] == ["σ", "βⱼ", "Ω.L", HATTED]


def test_awkward_descriptions_come_back(fit_of: Callable[..., Fit], tmp_path: Path) -> None:
    """Clashing names, labels that look like numbers, integers, flags, an empty axis, text longer than an HDF5 block."""
    variables = (
        Variable("draw"),
        Variable("g", (Dim("g", 2, ("1", "2")), Dim("g", 2, ("1", "2")))),
        Variable("n", (Dim("a/b", 1),)),
        Variable("none", (Dim("e", 0, ()),)),
        Variable("σ²", kind="deterministic"),
    )
    values = {
        "draw": np.arange(10.0).reshape(2, 5),
        "g": np.random.default_rng(0).normal(size=(2, 5, 2, 2)),
        "n": np.arange(10).reshape(2, 5, 1),
        "none": np.zeros((2, 5, 0)),
        "σ²": np.ones((2, 5), dtype=bool),
    }
    plain = fit_of({"x": np.zeros((2, 5))})
    fit = Fit(variables, values, replace(plain.run, findings=(Finding("remark", "note", "ß" * 100_000),)))
    fit.save(tmp_path / "fit.nc")
    loaded = Fit.load(tmp_path / "fit.nc")
    assert [(variable.name, variable.kind) for variable in loaded.variables] == [(v.name, v.kind) for v in variables]
    assert loaded.variables[1:3] == variables[1:3]
    assert (loaded.observed, loaded.prior) == ({}, None)
    assert same_arrays(loaded.values, values)
    assert loaded.run == fit.run


def test_ten_thousand_labels_come_back(fit_of: Callable[..., Fit], tmp_path: Path) -> None:
    rows = Dim("row", 10_000, tuple(f"row number {number}" for number in range(10_000)))
    fit = replace(fit_of({"σ": np.zeros((2, 5))}), observed={"y": Labelled(np.arange(10_000.0), (rows,))})
    fit.save(tmp_path / "fit.nc")
    assert Fit.load(tmp_path / "fit.nc").observed["y"].dims == (rows,)


def test_arviz_opens_the_file_with_named_dimensions(fit: Fit, saved: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # 0.23 announces 1.x
        arviz = import_module("arviz")
    opened = arviz.from_netcdf(str(saved), engine="h5netcdf")
    picked = opened.posterior["βⱼ"].sel(cheese="C", background="urban")
    np.testing.assert_array_equal(picked.values, fit.values["βⱼ"][:, :, 2, 1])
    assert set(opened.sample_stats.data_vars) == {"diverging", "energy"}
    opened.close()


def test_xarray_opens_the_file_with_named_dimensions(saved: Path) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as opened:
        assert opened["posterior"]["βⱼ"].dims == ("chain", "draw", "cheese", "background")
        assert opened["posterior"].coords["background"].values.tolist() == ["rural", "urban"]


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(fit: Fit, saved: Path) -> None:
    replace(fit, run=replace(fit.run, seed=5)).save(saved)
    assert Fit.load(saved).run.seed == 5
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_failed_save_leaves_the_old_file(fit: Fit, saved: Path) -> None:
    before = saved.read_bytes()
    unwritable = np.full((4, 200), object())
    with pytest.raises((TypeError, ValueError)):
        replace(fit, stats={"energy": unwritable}).save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_saving_into_a_folder_that_is_not_there(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        fit.save(tmp_path / "nowhere" / "fit.nc")


def test_loading_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"there is no file .*fit\.nc"):
        Fit.load(tmp_path / "fit.nc")


@pytest.mark.parametrize("content", [b"", b"parameter,mean\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_loading_what_is_no_netcdf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fit.nc"
    path.write_bytes(content)
    with pytest.raises(FitError, match="is no netCDF file"):
        Fit.load(path)


def test_loading_a_truncated_fit(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:5000])
    with pytest.raises(FitError, match="is no netCDF file"):
        Fit.load(saved)


def test_loading_a_netcdf_file_that_is_no_fit(tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    xr.Dataset({"x": ("t", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FitError, match="is a netCDF file, but no fit of mlmdsl"):
        Fit.load(path)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"mlmdsl_format": 99}, "has format 99; this version of mlmdsl reads format 1"),
        ({"mlmdsl_run": "{"}, "is a damaged fit"),
        ({"mlmdsl_run": "{}"}, "is a damaged fit"),
        ({"mlmdsl_run": "[]"}, "is a damaged fit"),
    ],
)
def test_loading_a_fit_that_was_tampered_with(saved: Path, attrs: dict[str, object], message: str) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as opened:
        tree = opened.load()
    tree.attrs.update(attrs)
    tree.to_netcdf(saved, engine="h5netcdf")
    with pytest.raises(FitError, match=message):
        Fit.load(saved)


def test_each_field_of_a_fit_is_looked_at_above() -> None:
    """A new field must be saved, loaded and compared too."""
    expected = {"variables", "values", "run", "stats", "observed", "log_likelihood", "prior", "posterior_predictive"}
    assert {entry.name for entry in fields(Fit)} == expected
