"""NumPyro's NUTS, its compilation timed apart: each phase is one XLA program, compiled before it is run.

`MCMC.run` compiles anew at every call, so the runs are recorded whole. On the CPU the chains run beside one another, each
on a host device of its own, which is faster there than the vectorised way; a GPU takes all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import numpyro

from tests.benchmarks.report import Result, Runner, worst

CHAINS = 4
numpyro.enable_x64()
numpyro.set_host_device_count(CHAINS)

import jax  # noqa: E402 - after the two settings, which it reads once
from numpyro.infer import MCMC, NUTS  # noqa: E402

EXTRA = ("num_steps", "diverging")


def prepare(model: Callable[[], Any], draws: int = 1000, tune: int = 1000) -> Runner:
    """Compile four chains of a model."""
    started = perf_counter()
    keys = _keys(0)
    warm_up, sample = phases(model, 1, tune, draws)
    warm = jax.pmap(warm_up).lower(keys).compile()
    draw = jax.pmap(sample).lower(jax.eval_shape(jax.pmap(warm_up), keys)[0]).compile()
    compile_s = perf_counter() - started

    def run(seed: int) -> Result:
        keys, began = _keys(seed), perf_counter()
        state, warmup_steps = jax.block_until_ready(warm(keys))
        warmed = perf_counter()
        samples, fields = jax.block_until_ready(draw(state))
        done = perf_counter()
        gradients = (np.sum(warmup_steps) + np.sum(fields["num_steps"])) / CHAINS
        # each host device had one chain: (device, 1, draw, …)
        chains = {name: np.asarray(value)[:, 0] for name, value in samples.items()}
        times = compile_s, warmed - began, done - warmed
        return Result("numpyro", *times, float(gradients), *worst(chains), int(np.sum(fields["diverging"])))

    return run


def _keys(seed: int) -> Any:
    return jax.random.split(jax.random.PRNGKey(seed), CHAINS)


def phases(
    model: Callable[[], Any], chains: int, tune: int, draws: int
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Warm-up: key → (state, leapfrogs by transition). Sampling: state → (samples, extra fields)."""

    def fresh() -> Any:
        return MCMC(
            NUTS(model),
            num_warmup=tune,
            num_samples=draws,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )

    def warm_up(key: Any) -> Any:
        mcmc = fresh()
        mcmc.warmup(key, extra_fields=EXTRA, collect_warmup=True)
        return mcmc.post_warmup_state, mcmc.get_extra_fields(group_by_chain=True)["num_steps"]

    def sample(state: Any) -> Any:
        mcmc = fresh()
        mcmc.post_warmup_state = state
        mcmc.run(state.rng_key, extra_fields=EXTRA)
        return mcmc.get_samples(group_by_chain=True), mcmc.get_extra_fields(group_by_chain=True)

    return warm_up, sample


def many_chains(model: Callable[[], Any], chains: int, tune: int = 100, draws: int = 100) -> float:
    """Gradients a second of many chains on the default device, in the sampling phase."""
    key = jax.random.PRNGKey(0)
    warm_up, sample = phases(model, chains, tune, draws)
    state, _ = jax.jit(warm_up)(key)
    draw = jax.jit(sample).lower(state).compile()
    started = perf_counter()
    _, fields = jax.block_until_ready(draw(state))
    return float(np.sum(fields["num_steps"])) / (perf_counter() - started)
