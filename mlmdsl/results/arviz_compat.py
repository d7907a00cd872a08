"""The whole difference between the two lines of ArviZ: 0.x keeps groups in InferenceData, 1.x in xarray's DataTree.

The file on disk is the same for both: netCDF, a group each.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

import xarray as xr


def uses_datatree() -> bool:
    """Whether the installed ArviZ is of the line that reads a DataTree. Found without importing it, which is slow."""
    return int(version("arviz").split(".")[0]) >= 1


def container(datasets: Mapping[str, xr.Dataset], attrs: Mapping[str, Any]) -> Any:
    """The datasets by group, and attributes of the whole, in the container of the installed ArviZ."""
    if uses_datatree():
        return tree(datasets, attrs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # 0.23 announces 1.x at import
        arviz = import_module("arviz")
    return arviz.InferenceData(attrs=dict(attrs), **datasets)


def tree(datasets: Mapping[str, xr.Dataset], attrs: Mapping[str, Any]) -> xr.DataTree:
    """The datasets as the children of a tree."""
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=dict(attrs)), **datasets})
