"""A fit on disk: netCDF that ArviZ opens as it is, with what a `Fit` needs beyond that in attributes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import xarray as xr

from mlmdsl.files import written_beside
from mlmdsl.results.arviz_compat import tree
from mlmdsl.results.datasets import DESCRIPTION, FORMAT, SAMPLE_DIMS, build_datasets, root_attributes
from mlmdsl.results.fit import Dim, Fit, FitError, Labelled, Run, Variable

_ENGINE: Literal["h5netcdf"] = "h5netcdf"

MOST_IN_MEMORY = 2**30
"""Bytes of a fit up to which its file is made in memory: HDF5 itself writing to a full disk ends the process."""


def save(fit: Fit, path: str | os.PathLike[str]) -> None:
    """Write a fit, in full or not at all. OSError where that fails."""
    whole = tree(build_datasets(fit), root_attributes(fit))
    with written_beside(Path(path)) as beside:
        if whole.nbytes <= MOST_IN_MEMORY:
            beside.write_bytes(whole.to_netcdf(engine=_ENGINE))
            return
        _verify_room(beside, whole.nbytes)
        whole.to_netcdf(beside, engine=_ENGINE)


def _verify_room(path: Path, needed: int) -> None:
    """Raise OSError unless so many bytes can be written to a file."""
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))


def load(path: str | os.PathLike[str]) -> Fit:
    """The fit that `save` wrote. FitError where the file is not there or holds no fit."""
    groups = _read(Path(path))
    attrs = groups[""].attrs
    if "mlmdsl_run" not in attrs:
        raise FitError(f"{path} is a netCDF file, but no fit of mlmdsl")
    if attrs.get("mlmdsl_format") != FORMAT:
        raise FitError(f"{path} has format {attrs.get('mlmdsl_format')}; this version of mlmdsl reads format {FORMAT}")
    try:
        return _restore(groups)
    except (KeyError, TypeError, ValueError) as error:
        raise FitError(f"{path} is a damaged fit: {error}") from error


def _read(path: Path) -> dict[str, xr.Dataset]:
    """Group name → dataset in memory; the root's name is empty."""
    if not path.is_file():
        raise FitError(f"there is no file {path}")
    try:
        with xr.open_datatree(path, engine=_ENGINE) as opened:
            return {node.path.lstrip("/"): node.to_dataset(inherit=False).load() for node in opened.subtree}
    except (OSError, ValueError, KeyError) as error:
        raise FitError(f"{path} is no netCDF file: {error}") from error


def _restore(groups: dict[str, xr.Dataset]) -> Fit:
    posterior = _arrays(groups.get("posterior", xr.Dataset()))
    described = {name: description for name, (_, description) in posterior.items()}
    optional = {
        name: _labelled(groups[name]) for name in ("log_likelihood", "prior", "posterior_predictive") if name in groups
    }
    return Fit(
        variables=tuple(
            Variable(name, data.dims, described[name]["kind"], described[name]["lower_triangular"])
            for name, (data, _) in posterior.items()
        ),
        values={name: data.values for name, (data, _) in posterior.items()},
        run=Run.from_dict(json.loads(groups[""].attrs["mlmdsl_run"])),
        stats={name: data.values for name, data in _labelled(groups.get("sample_stats", xr.Dataset())).items()},
        observed=_labelled(groups.get("observed_data", xr.Dataset())),
        **optional,
    )


def _labelled(dataset: xr.Dataset) -> dict[str, Labelled]:
    return {name: data for name, (data, _) in _arrays(dataset).items()}


def _arrays(dataset: xr.Dataset) -> dict[str, tuple[Labelled, dict[str, Any]]]:
    """Name → array with its dimensions and description, in the order in which they were written."""
    described = [(json.loads(array.attrs[DESCRIPTION]), array) for array in dataset.data_vars.values()]
    described.sort(key=lambda pair: cast(int, pair[0]["position"]))
    return {known["name"]: (Labelled(array.values, _dims(array, known["dims"])), known) for known, array in described}


def _dims(array: xr.DataArray, names: list[str]) -> tuple[Dim, ...]:
    coordinates = [array.coords[dim].values for dim in array.dims if dim not in SAMPLE_DIMS]
    return tuple(
        Dim(name, len(values), None if np.issubdtype(values.dtype, np.integer) else tuple(map(str, values)))
        for name, values in zip(names, coordinates, strict=True)
    )
