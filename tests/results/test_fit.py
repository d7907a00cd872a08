"""What a fit accepts, and what of it survives JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mlmdsl.results.fit import Dim, Fit, FitError, Labelled, Run

from .conftest import RUN


def test_a_run_survives_json() -> None:
    assert Run.from_dict(json.loads(json.dumps(RUN.to_dict()))) == RUN


def test_a_run_ignores_what_a_later_version_may_add() -> None:
    assert Run.from_dict(RUN.to_dict() | {"weather": "fine"}) == RUN


def test_a_run_needs_all_its_fields() -> None:
    with pytest.raises(KeyError, match="seed"):
        Run.from_dict({name: value for name, value in RUN.to_dict().items() if name != "seed"})


def test_sampling_seconds_are_warmup_sampling_and_recovery() -> None:
    assert RUN.sampling_seconds == 4.0


def test_labels_must_be_as_many_as_entries() -> None:
    with pytest.raises(FitError, match="cheese has size 3 but 2 labels"):
        Dim("cheese", 3, ("A", "B"))


def test_every_variable_needs_draws(fit: Fit) -> None:
    with pytest.raises(FitError, match="no draws of σ"):
        replace(fit, values={name: draws for name, draws in fit.values.items() if name != "σ"})


def test_draws_must_have_their_dimensions(fit: Fit) -> None:
    with pytest.raises(FitError, match=r"βⱼ has shape \(4, 200, 2, 4\), not \(4, 200, 4, 2\)"):
        replace(fit, values={**fit.values, "βⱼ": fit.values["βⱼ"].swapaxes(2, 3)})


def test_stats_must_have_the_chains_and_draws(fit: Fit) -> None:
    with pytest.raises(FitError, match="energy has shape"):
        replace(fit, stats={"energy": np.zeros((4, 100))})


def test_observed_data_must_have_their_dimensions(fit: Fit) -> None:
    with pytest.raises(FitError, match="y has shape"):
        replace(fit, observed={"y": Labelled(np.zeros(4), (Dim("row", 5),))})


def test_importing_results_loads_nothing_slow() -> None:
    """A table and JSON must come without xarray, pandas, SciPy, ArviZ or torch, which are slow to import."""
    code = (
        "import sys; import mlmdsl.results.report; "
        "print([m for m in ('xarray', 'pandas', 'scipy', 'arviz', 'torch', 'pyro') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_a_run_of_before_centring_was_chosen_can_be_read() -> None:
    written = replace(RUN, centring={"αⱼ": (0.8, 0.1, 1.0)}).to_dict()
    assert Run.from_dict(json.loads(json.dumps(written))).centring == {"αⱼ": (0.8, 0.1, 1.0)}
    del written["centring"]
    assert Run.from_dict(written).centring == {}
