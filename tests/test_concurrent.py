"""Fits beside each other in threads give, to the bit, the draws that they give alone: Pyro's handlers, its flags, torch's
random generators and the number of its threads belong to the whole process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyro
import pytest
import torch

import mlmdsl
from mlmdsl.inference.batching import silent_vmap
from mlmdsl.inference.process import IsolatedRandomness, one_thread
from mlmdsl.results.fit import Fit

Sampled = Callable[[], Fit]

POISSON = "@model function m(n)\n    μ ~ Normal(0, 1)\n    n .~ Poisson(exp(μ))\nend\n"
MIXED = (
    "@model function m(x, n)\n    p ~ Beta(2, 2)\n    n ~ Binomial(20, p)\n    m := 2p\n    x .~ Normal(m, 1)\nend\n"
)
SHORT: dict[str, Any] = {"seed": 3, "chains": 4, "draws": 20, "tune": 30}


def collapsed() -> Fit:
    """Machine code, effects integrated out and recovered."""
    return mlmdsl.load("cheese/varying_intercept").bind().sample(**SHORT)


def whole() -> Fit:
    """Machine code, effects with a pilot run, rows' likelihoods and predictive draws."""
    bound = mlmdsl.load("cheese/varying_intercept").bind()
    return bound.sample(**SHORT, marginalize="off", log_likelihood=True, predictive=True)


def stock() -> Fit:
    """Pyro's own kernel, which draws from torch's global generator."""
    return mlmdsl.parse(POISSON).bind(n=[3, 1, 4, 1, 5]).sample(**{**SHORT, "chains": 1}, kernel="pyro")


def binomial() -> Fit:
    """Predictive draws of two kinds of rows."""
    return mlmdsl.parse(MIXED).bind(x=[0.5, 1.5], n=13).sample(**SHORT, predictive=True)


FITS: list[Sampled] = [collapsed, whole, stock, binomial]


@pytest.fixture(scope="module")
def alone() -> dict[Sampled, Fit]:
    """What each fit is when nothing else runs."""
    return {sampled: sampled() for sampled in FITS}


def assert_same(found: Fit, expected: Fit) -> None:
    """All that was drawn is the same to the bit."""
    assert found.values.keys() == expected.values.keys()
    for name, draws in expected.values.items():
        assert np.array_equal(found.values[name], draws), name
    for group in ("log_likelihood", "posterior_predictive"):
        for name, rows in (getattr(expected, group) or {}).items():
            assert np.array_equal(getattr(found, group)[name].values, rows.values, equal_nan=True), (group, name)


def together(fits: list[Sampled]) -> list[Fit]:
    """All fits at once, a thread each, begun together."""
    gate = threading.Barrier(len(fits))

    def one(sampled: Sampled) -> Fit:
        gate.wait()
        return sampled()

    with ThreadPoolExecutor(len(fits)) as pool:
        return list(pool.map(one, fits))


@pytest.mark.parametrize("fits", [[collapsed, whole], [stock, binomial], [whole, whole], FITS], ids=len)
def test_fits_at_once(fits: list[Sampled], alone: dict[Sampled, Fit]) -> None:
    before = torch.get_rng_state()
    for sampled, found in zip(fits, together(fits), strict=True):
        assert_same(found, alone[sampled])
    assert torch.equal(torch.get_rng_state(), before)


@contextmanager
def noise() -> Iterator[None]:
    """Another thread seeds torch's global generator and draws from it all the time."""
    over = threading.Event()

    def make() -> None:
        while not over.wait(0.0005):
            pyro.set_rng_seed(1)
            torch.rand(3)

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("sampled", [whole, stock, binomial])
def test_what_others_draw_changes_nothing(sampled: Sampled, alone: dict[Sampled, Fit]) -> None:
    with noise():
        assert_same(sampled(), alone[sampled])


def test_isolated_draws_are_those_of_the_seed() -> None:
    """Whatever draws, with a generator in its signature or without, in a batch or not."""

    def drawn() -> list[torch.Tensor]:
        zeros = torch.zeros(3)
        gamma = torch.distributions.Gamma(zeros + 2, 1.0)
        batch: Callable[[torch.Tensor], torch.Tensor] = torch.func.vmap(
            lambda x: x + torch.randn(3) + gamma.sample(), randomness="different"
        )
        with silent_vmap():
            batched = batch(torch.zeros(4, 3))
        return [
            batched,
            *(torch.rand(2), torch.randn(2, 3), torch.randint(5, (4,)), torch.randint(2, 5, (4,)), torch.randperm(6)),
            *(torch.rand_like(zeros), torch.randn_like(zeros), torch.randint_like(zeros, 2, 9)),
            *(torch.normal(zeros, 1.0), torch.poisson(zeros + 3), torch.empty(3).exponential_(), gamma.sample()),
            *(torch.multinomial(zeros + 1, 2), torch.nn.functional.dropout(zeros + 1)),
        ]

    before = torch.get_rng_state()
    with IsolatedRandomness(9):
        isolated = drawn()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng([]):
        torch.manual_seed(9)
        seeded = drawn()
    assert all(torch.equal(one, other) for one, other in zip(isolated, seeded, strict=True))


def test_a_generator_that_is_given_is_used() -> None:
    with IsolatedRandomness(1):
        found = torch.rand(3, generator=torch.Generator().manual_seed(4))
        moved = torch.empty(3).normal_(generator=torch.Generator().manual_seed(4))
    assert torch.equal(found, torch.rand(3, generator=torch.Generator().manual_seed(4)))
    assert torch.equal(moved, torch.empty(3).normal_(generator=torch.Generator().manual_seed(4)))


def test_threads_are_as_many_as_before_whoever_leaves_first() -> None:
    """What a thread sets is where later threads begin: the last one out must not leave the others' one behind."""
    before = torch.get_num_threads()
    first_in, second_in = threading.Event(), threading.Event()

    def first() -> int:
        with one_thread():
            first_in.set()
            second_in.wait(10)
        return torch.get_num_threads()

    def second() -> int:
        first_in.wait(10)
        with one_thread():
            second_in.set()
            with one_thread():
                assert torch.get_num_threads() == 1
        return torch.get_num_threads()

    try:
        torch.set_num_threads(3)
        with ThreadPoolExecutor(2) as pool:
            left = [pool.submit(first), pool.submit(second)]
            assert [each.result() for each in left] == [3, 3]
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


PRINTED = """\
import hashlib, mlmdsl, warnings
warnings.simplefilter("ignore")
bound = mlmdsl.load("cheese/varying_intercept").bind()
fit = bound.sample(seed=1, chains=4, draws=20, tune=30, marginalize="off", predictive=True)
print(hashlib.sha256(b"".join(fit.values[name].tobytes() for name in fit.values)).hexdigest())
print(hashlib.sha256(fit.posterior_predictive["y"].values.tobytes()).hexdigest())
"""


def test_draws_do_not_depend_on_omp_num_threads() -> None:
    found = set()
    for threads in ("1", "2", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        command = [sys.executable, "-c", PRINTED]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
    assert len(found.pop()) > 100


def test_one_bound_model_in_two_threads() -> None:
    bound = mlmdsl.parse(MIXED).bind(x=[0.5, 1.5, 2.5], n=7)
    expected = [bound.sample(**{**SHORT, "seed": seed}) for seed in (1, 2)]
    shared = mlmdsl.parse(MIXED).bind(x=[0.5, 1.5, 2.5], n=7)
    fits: list[Sampled] = [lambda: shared.sample(**{**SHORT, "seed": 1}), lambda: shared.sample(**{**SHORT, "seed": 2})]
    for found, alone in zip(together(fits), expected, strict=True):
        assert_same(found, alone)
