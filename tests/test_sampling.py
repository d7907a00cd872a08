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
