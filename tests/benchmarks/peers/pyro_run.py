"""Stock Pyro, which takes minutes to hours: its figures are extrapolated from one short chain, and say so.

A chain's length is what 2 000 transitions take at the gradients a transition and the seconds a gradient seen after
warm-up; four chains share the cores. The ESS is four times the short chain's, in proportion to its draws.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import pyro
import pyro.infer
import pyro.ops.integrator
import torch

from tests.benchmarks.report import Result, Runner, worst
from tests.inference.models import CHEESE_MODELS

CHAINS, TRANSITIONS = 4, 1000
SHORT = 200
"""Transitions of warm-up, and of sampling, that are really made."""


def prepare(name: str) -> Runner:
    """A cheese model with Pyro's own compiler."""

    def run(seed: int) -> Result:
        samples, seconds, gradients, divergences, compile_s = short_chain(name, seed)
        phase = seconds * TRANSITIONS / SHORT * CHAINS / min(CHAINS, os.cpu_count() or 1)
        ess, rhat = worst(samples)
        times = compile_s, phase, phase
        whole = 2 * TRANSITIONS / SHORT * gradients
        return Result("stock pyro (extrapolated)", *times, whole, ess * CHAINS * TRANSITIONS / SHORT, rhat, divergences)

    return run


def short_chain(name: str, seed: int) -> tuple[dict[str, Any], float, int, int, float]:
    """Draws (1, draw, …) of a chain, seconds and gradients of its sampling, divergences, seconds until its first step."""
    pyro.set_rng_seed(seed)
    stamps: list[tuple[str, float, int]] = []
    kernel = pyro.infer.NUTS(CHEESE_MODELS[name](), jit_compile=True, ignore_jit_warnings=True)
    started = perf_counter()
    with single_threaded(), counted() as count:
        mcmc = pyro.infer.MCMC(
            kernel,
            num_samples=SHORT,
            warmup_steps=SHORT,
            disable_progbar=True,
            hook_fn=lambda kernel, params, stage, i: stamps.append((stage, perf_counter(), count[0])),
        )
        mcmc.run()
    (_, warmed, before), (_, done, after) = stamps[SHORT - 1], stamps[-1]
    samples = {site: np.asarray(value)[None] for site, value in mcmc.get_samples().items()}
    divergences = sum(len(each) for each in mcmc.diagnostics()["divergences"].values())
    return samples, done - warmed, after - before, divergences, stamps[0][1] - started


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the gradients that Pyro's integrator asks for."""
    count, original = [0], pyro.ops.integrator.potential_grad

    def counting(*arguments: Any) -> Any:
        count[0] += 1
        return original(*arguments)

    with patch("pyro.ops.integrator.potential_grad", counting):
        yield count


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread, as each of Pyro's chains has that run in processes of their own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
