"""PyMC models sampled by nutpie, compiled before they are timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
import nutpie
import pymc as pm

from tests.benchmarks.peers.pymc_models import REPORTED, built
from tests.benchmarks.report import Result, Runner, worst


def prepare(name: str) -> Runner:
    """Compile a cheese model."""
    return prepare_model(lambda: built(name), REPORTED)


def prepare_model(
    build: Callable[[], pm.Model], reported: Sequence[str], draws: int = 1000, tune: int = 1000
) -> Runner:
    """Compile a model, of which some variables are looked at."""
    started = perf_counter()
    compiled = nutpie.compile_pymc_model(build())
    # what is compiled late is compiled in a first short run
    nutpie.sample(compiled, draws=5, tune=5, chains=4, seed=0, progress_bar=False)
    compile_s = perf_counter() - started

    def run(seed: int) -> Result:
        began = perf_counter()
        trace = nutpie.sample(compiled, draws=draws, tune=tune, chains=4, seed=seed, progress_bar=False)
        seconds = perf_counter() - began
        steps = (trace.warmup_sample_stats["n_steps"], trace.sample_stats["n_steps"])
        gradients = sum(float(np.sum(part)) for part in steps) / 4
        samples = {name: trace.posterior[name].values for name in reported if name in trace.posterior}
        divergences = int(trace.sample_stats["diverging"].sum())
        return Result("pymc + nutpie", compile_s, float("nan"), seconds, gradients, *worst(samples), divergences)

    return run
