"""A fit as xarray datasets, one for each of ArviZ's groups: draws under named dimensions with labelled coordinates.

Non-goal: which container they are put in; that is `arviz_compat`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mlmdsl.results.fit import Dim, Fit, Labelled, Variable

SAMPLE_DIMS = ("chain", "draw")

DESCRIPTION = "mlmdsl"
"""The attribute of each array that holds, as JSON, what the file format itself does not keep."""

FORMAT = 1
"""The version of these attributes and of the root's; another number is another layout."""

_Naming = Mapping[tuple[Dim, int], str]  # a dimension and how often it came before in its variable → its name


class _Array(NamedTuple):
    """An array of a group: its values and axes, and what to remember of it."""

    values: Any
    dims: tuple[Dim, ...]
    description: dict[str, Any]


def build_datasets(fit: Fit) -> dict[str, xr.Dataset]:
    """Group name → dataset: posterior, and where they are there sample_stats, observed_data and the optional ones."""
    drawn = {
        "posterior": {variable.name: _drawn(variable, fit) for variable in fit.variables},
        "sample_stats": {name: _Array(values, (), {}) for name, values in fit.stats.items()},
        "log_likelihood": _labelled(fit.log_likelihood),
        "prior": _labelled(fit.prior),
        "posterior_predictive": _labelled(fit.posterior_predictive),
    }
    observed = _labelled(fit.observed)
    naming = name_dims([*drawn.values(), observed])
    datasets = {name: _dataset(arrays, SAMPLE_DIMS, naming) for name, arrays in drawn.items() if arrays}
    return datasets | ({"observed_data": _dataset(observed, (), naming)} if observed else {})


def root_attributes(fit: Fit) -> dict[str, Any]:
    """The attributes of the whole: ArviZ's, and as JSON the run, and what was found without the parameters."""
    run = fit.run
    found = [[finding.code, finding.severity, finding.message, finding.remedy] for finding in fit.findings]
    names = ("code", "severity", "message", "remedy")
    return {
        "inference_library": "mlmdsl",
        "inference_library_version": run.versions.get("mlmdsl", ""),
        "sampling_time": run.timing.get("sample_s", float("nan")),
        "mlmdsl_format": FORMAT,
        "mlmdsl_findings": json.dumps([dict(zip(names, each, strict=True)) for each in found], ensure_ascii=False),
        "mlmdsl_run": json.dumps(run.to_dict(), ensure_ascii=False),
    }


def name_dims(groups: Iterable[Mapping[str, _Array]]) -> dict[tuple[Dim, int], str]:
    """A name for each dimension, that no other dimension and no variable has.

    Dimensions of one name that differ in size or labels, and the second axis of a matrix over one dimension, get a
    number: `group`, `group_2`. A dimension called like a variable becomes `group_dim`.
    """
    groups = list(groups)
    variables = {*SAMPLE_DIMS, *(array_name(name) for arrays in groups for name in arrays)}
    naming: dict[tuple[Dim, int], str] = {}
    for array in (array for arrays in groups for array in arrays.values()):
        for key in _occurrences(array.dims):
            if key not in naming:
                naming[key] = _free_name(key[0].name, variables, set(naming.values()))
    return naming


def array_name(name: str) -> str:
    """The name of a variable within a dataset: its own, unless that is a sample dimension's."""
    return f"{name}_" if name in SAMPLE_DIMS else name


def _drawn(variable: Variable, fit: Fit) -> _Array:
    description = {"kind": variable.kind, "lower_triangular": variable.lower_triangular}
    return _Array(fit.values[variable.name], variable.dims, description)


def _labelled(group: Mapping[str, Labelled] | None) -> dict[str, _Array]:
    return {name: _Array(data.values, data.dims, {}) for name, data in (group or {}).items()}


def _dataset(arrays: Mapping[str, _Array], leading: tuple[str, ...], naming: _Naming) -> xr.Dataset:
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for position, (name, array) in enumerate(arrays.items()):
        values = np.asarray(array.values)
        keys = _occurrences(array.dims)
        coords |= {naming[key]: _coordinate(key[0]) for key in keys}
        coords |= {dim: np.arange(size) for dim, size in zip(leading, values.shape, strict=False)}
        known = {"name": name, "position": position, "dims": [dim.name for dim in array.dims], **array.description}
        attrs = {DESCRIPTION: json.dumps(known, ensure_ascii=False)}
        variables[array_name(name)] = ((*leading, *(naming[key] for key in keys)), values, attrs)
    return xr.Dataset(variables, coords)


def _occurrences(dims: tuple[Dim, ...]) -> list[tuple[Dim, int]]:
    return [(dim, dims[:position].count(dim)) for position, dim in enumerate(dims)]


def _coordinate(dim: Dim) -> Any:
    """The labels, or 1 … size."""
    return np.arange(1, dim.size + 1) if dim.labels is None else np.array(dim.labels, dtype=np.str_)


def _free_name(wanted: str, variables: set[str], taken: set[str]) -> str:
    """`wanted` (without slashes, which netCDF keeps for groups), or the nearest name to it that is free."""
    base = wanted.replace("/", "_") or "dim"
    if base in variables:
        base = f"{base}_dim"
    numbered = (f"{base}_{number}" for number in count(2))
    return next(name for name in chain([base], numbered) if name not in variables and name not in taken)
