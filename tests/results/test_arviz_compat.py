"""The container of whichever ArviZ is installed, as its users see it. Runs under both lines."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import version

import numpy as np

from mlmdsl.results.arviz_compat import uses_datatree
from mlmdsl.results.fit import Fit


def test_the_line_is_found_without_importing_arviz() -> None:
    assert uses_datatree() == (not version("arviz").startswith("0."))


def test_the_container_is_the_installed_lines_own(fit: Fit) -> None:
    kind = "DataTree" if uses_datatree() else "InferenceData"
    assert type(fit.idata).__name__ == kind


def test_groups_are_reached_by_name(fit: Fit) -> None:
    assert fit.idata.posterior["βⱼ"].dims == ("chain", "draw", "cheese", "background")
    assert fit.idata.observed_data["y"].values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert fit.idata.attrs["inference_library"] == "mlmdsl"


def test_the_container_is_made_once(fit: Fit) -> None:
    assert fit.idata is fit.idata


def test_making_the_container_warns_of_nothing(fit: Fit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit.idata is not None


def test_arviz_summarises_it_to_the_same_figures(fit: Fit) -> None:
    arviz = import_module("arviz")
    figures = arviz.ess(fit.idata, var_names=["βⱼ"], method="bulk")
    figures = figures.posterior if hasattr(figures, "posterior") else figures
    ours = {row.label: row.ess_bulk for row in fit.rows}
    picked = float(figures["βⱼ"].sel(cheese="B", background="urban"))
    np.testing.assert_allclose(ours["βⱼ[B,urban]"], picked, rtol=1e-10)  # the same formula, other order of additions
