"""From a bound model to a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlmdsl
from mlmdsl.sampling import BETTER_S, NEEDED_S, lengthened


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


MODEL = "@model function m(y)\n    μ ~ Normal(0, 1)\n    y ~ Normal(μ, 1)\nend\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed must be between 0 and"),
        ({"seed": 2**70}, "seed must be between 0 and"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"draws": 2.5}, "draws must be a whole number"),
        ({"chains": "4"}, "chains must be a whole number, not '4'"),
        ({"chains": 0}, "chains must be at least 1"),
        ({"max_depth": None}, "max_depth must be at least 1"),
        ({"target_accept": 1.0}, "target_accept must be between 0 and 1"),
        ({"kernel": "stan"}, "kernel must be one of vectorized, pyro, not 'stan'"),
        ({"marginalize": True}, "marginalize must be one of auto, off"),
        ({"centring": "centered"}, "centring must be one of auto, centred, noncentred"),
        ({"centring": {"a": "x"}}, "the centring of `a` must be one of"),
        ({"dtype": "float16"}, "dtype must be one of float64, float32"),
        ({"device": "tpu"}, "device tpu: PyTorch .* cannot use it here"),
        ({"checkpoint": "no/such/folder/file"}, "there is no such folder"),
        ({"checkpoint": "."}, "this is a folder"),
        ({"resume": "no-such-file"}, "no-such-file: there is no such file"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mlmdsl.parse(MODEL).bind(y=1.0).sample(**{"seed": 1, "chains": 2, "draws": 5, "tune": 5, **wrong})


def test_a_checkpoint_does_not_overwrite_the_spec(tmp_path: Path) -> None:
    path = tmp_path / "m.mlm"
    path.write_text(MODEL, encoding="utf-8")
    with pytest.raises(ValueError, match="this would overwrite .*m.mlm, which is read"):
        mlmdsl.load(path).bind(y=1.0).sample(seed=1, checkpoint=path)
    assert path.read_text(encoding="utf-8") == MODEL


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    bound = mlmdsl.parse(MODEL).bind(y=1.0)
    counts: dict[str, Any] = {name: np.int64(10) for name in ("seed", "chains", "draws", "tune", "max_depth")}
    fit = bound.sample(**counts)
    assert (type(fit.run.seed), type(fit.run.draws), fit.values["μ"].shape) == (int, int, (10, 10))


def autoregressive(φ: float, apart: float = 0.0) -> np.ndarray:
    """Eight chains of 500 draws (chain, draw, 1), of variance 1, and their means as far apart as two halves say."""
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(8, 500, 1))
    for t in range(1, 500):
        draws[:, t] = φ * draws[:, t - 1] + np.sqrt(1 - φ**2) * draws[:, t]
    return draws + apart * (np.arange(8) % 2)[:, None, None]


@pytest.mark.parametrize(
    ("draws", "most_s", "least"),
    [
        (autoregressive(0.0), BETTER_S, 1),  # 4 000 independent draws are enough
        (autoregressive(0.5), BETTER_S, 2),  # worth some 1 300: good, and may be better
        (autoregressive(0.95), NEEDED_S, 8),  # worth some 100: a warning would be raised
        (autoregressive(0.0, 3.0), BETTER_S, 8),  # chains that never met are not waited for
    ],
    ids=["enough", "good", "poor", "apart"],
)
def test_a_run_goes_on_as_long_as_its_draws_need(draws: np.ndarray, most_s: float, least: int) -> None:
    longer = lengthened(draws)
    assert longer.most_s == most_s
    assert longer.times >= least
    assert (longer.times == 1) == (least == 1)
