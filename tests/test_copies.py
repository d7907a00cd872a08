"""Specs, bound models, fits and errors are values: they copy, pickle, and go to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlmdsl
from mlmdsl.inference.draws import UnsupportedModel
from mlmdsl.interrupts import Interrupted
from mlmdsl.library import shipped

COPIES: list[Callable[[Any], Any]] = [lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy, copy.copy]
SHORT: dict[str, Any] = {"seed": 1, "chains": 2, "draws": 8, "tune": 10}


@pytest.mark.parametrize("name", [spec.name for spec in shipped()])
def test_specs_and_bound_models(name: str) -> None:
    spec = mlmdsl.load(name)
    bound = spec.bind()
    for made in COPIES:
        assert made(spec).tree == spec.tree
        found = made(bound)
        assert found.pyro_source() == bound.pyro_source()
        assert (found.marginalized, found.arguments) == (bound.marginalized, bound.arguments)
        assert found.fingerprints() == bound.fingerprints()


@pytest.mark.parametrize("made", COPIES)
def test_fits(made: Callable[[Any], Any]) -> None:
    bound = mlmdsl.load("cheese/varying_intercept").bind()
    fit = bound.sample(**SHORT, predictive=True)
    again = made(bound).sample(**SHORT)  # after its program has run
    found = made(fit)
    assert repr(found.rows) == repr(fit.rows)
    assert (found.run, found.findings, repr(found)) == (fit.run, fit.findings, repr(fit))
    for name, draws in fit.values.items():
        assert np.array_equal(found.values[name], draws)
        assert np.array_equal(again.values[name], draws)
    assert found.posterior_predictive.keys() == fit.posterior_predictive.keys()


def sampled(bound: Any) -> Any:
    """What another process does."""
    return bound.sample(**SHORT)


def refused(text: str) -> Any:
    """What another process raises."""
    return mlmdsl.parse(text).bind(y=1.0)


def test_another_process() -> None:
    """Spawned, so that nothing is inherited: the bound model goes there, the fit and errors come back."""
    bound = mlmdsl.load("cheese/varying_slope").bind()
    bound.sample(**SHORT)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(sampled, (bound,))
        with pytest.raises(mlmdsl.SpecError, match="unknown function `Nrmal`|Nrmal"):
            pool.apply(refused, ("@model function m(y)\n    y ~ Nrmal(0, 1)\nend\n",))
    here = bound.sample(**SHORT)
    assert all(np.array_equal(found.values[name], draws) for name, draws in here.values.items())


def test_errors() -> None:
    with pytest.raises(mlmdsl.SpecError) as caught:
        mlmdsl.parse("@model function m(y)\n    y ~ Nrmal(0, 1)\nend\n").check()
    found = pickle.loads(pickle.dumps(caught.value))
    assert (str(found), found.diagnostics) == (str(caught.value), caught.value.diagnostics)
    assert pickle.loads(pickle.dumps(UnsupportedModel("discrete", ["z"]))).sites == ("z",)
    assert pickle.loads(pickle.dumps(Interrupted("stopped", 15))).number == 15
