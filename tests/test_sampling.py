"""From a bound model to a fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mlmdsl


def test_draws_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums and factorisations round otherwise when threads share them: a small model's are all made by one."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, fits = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            bound = mlmdsl.load("cheese/varying_intercept").bind()
            fits.append(bound.sample(seed=1, chains=2, draws=10, tune=20))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    one, two = fits
    assert one.values.keys() == two.values.keys()
    for name, drawn in one.values.items():
        assert np.array_equal(drawn, two.values[name]), name


def test_draws_that_cannot_be_relied_on_are_warned_of_once() -> None:
    """Three draws a chain are too few for any diagnostic, whatever they are; the warning stands where `sample` is called."""
    bound = mlmdsl.parse("@model function m(y)\n    μ ~ Normal(0, 1)\n    y ~ Normal(μ, 1)\nend\n").bind(y=1.0)
    with pytest.warns(mlmdsl.DiagnosticWarning) as caught:
        fit = bound.sample(seed=1, chains=2, draws=3, tune=20)
    (warning,) = caught
    assert warning.filename == __file__
    assert "3 draws a chain: nothing can be diagnosed" in str(warning.message)
    assert [finding.code for finding in fit.findings] == ["few_draws"]
    assert not fit.ok
