"""What the number of rows costs a model whose effects are integrated out: nothing after one pass. Run with

    python -m tests.benchmarks.rows [--most 1000000] [--groups 100] [--numpyro-most 100000]

Simulated correlated intercepts and slopes. Each line: the pass over the data (processor seconds, rows a second), the
gradient of four chains (processor milliseconds), the greatest memory of the process so far, and beside it NumPyro's gradient
of the same model, not integrated and written by hand. One thread; processor time, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import torch

import mlmdsl
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import read_sites
from mlmdsl.runtime import Term, group_statistics

SPEC = """
@model function correlated(y, x, idx; J=maximum(idx))
    μ ~ filldist(Normal(0, 5), 2)
    τ ~ filldist(Exponential(1), 2)
    σ ~ Exponential(1)
    Ω ~ LKJCholesky(2, 2.0)
    z ~ filldist(Normal(0, 1), 2, J)
    β = μ .+ Diagonal(τ) * Ω.L * z
    for i in eachindex(y)
        y[i] ~ Normal(β[1, idx[i]] + β[2, idx[i]] * x[i], σ)
    end
end
"""
CHAINS = 4


class Simulated(NamedTuple):
    """Rows: y, x and the group of each (from 1), every group with one row at least."""

    y: np.ndarray[Any, Any]
    x: np.ndarray[Any, Any]
    idx: np.ndarray[Any, Any]


def simulated(rows: int, groups: int) -> Simulated:
    """Rows of the model at μ = (1, ½), τ = (½, ⅓), σ = 0.7, correlation ½."""
    rng = np.random.default_rng(rows)
    idx = np.concatenate([np.arange(groups), rng.integers(0, groups, rows - groups)])
    factor = np.array([[0.5, 0.0], [1 / 6, 1 / 3 * np.sqrt(0.75)]])
    β = np.array([1.0, 0.5])[:, None] + factor @ rng.normal(size=(2, groups))
    x = rng.normal(size=rows)
    return Simulated(β[0, idx] + β[1, idx] * x + 0.7 * rng.normal(size=rows), x, idx + 1)


def seconds(function: Callable[[], Any], at_least: float = 0.3) -> float:
    """Processor seconds of a call, the mean over a while; the first is not counted."""
    function()
    started, calls = process_time(), 0
    while process_time() - started < at_least or not calls:
        function()
        calls += 1
    return (process_time() - started) / calls


def gradient_seconds(program: Callable[[], Any]) -> float:
    """Of one gradient of all chains, as the sampler takes it."""
    sites = read_sites(program)
    engine = build_engine(sites, Settings(chains=CHAINS, draws=1, tune=1))
    points = torch.zeros(CHAINS, sites.dim, dtype=torch.float64)
    with torch.no_grad():
        return seconds(lambda: engine.evaluate(points))


def numpyro_gradient_seconds(data: Simulated) -> float:
    """Of one gradient of all chains of the model below, compiled."""
    import jax
    from numpyro.infer.util import initialize_model

    made = initialize_model(jax.random.PRNGKey(0), numpyro_model(data), validate_grad=False)
    gradient = jax.jit(jax.vmap(jax.value_and_grad(made.potential_fn)))
    points = jax.tree.map(lambda value: np.stack([value] * CHAINS), made.param_info.z)
    return seconds(lambda: jax.block_until_ready(gradient(points)))


def numpyro_model(data: Simulated) -> Callable[[], None]:
    """The model as a NumPyro user writes it."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    numpyro.enable_x64()
    y, x, idx = jnp.asarray(data.y), jnp.asarray(data.x), jnp.asarray(data.idx - 1)
    groups = int(data.idx.max())

    def model() -> None:
        μ = numpyro.sample("μ", dist.Normal(0, 5).expand([2]).to_event(1))
        τ = numpyro.sample("τ", dist.Exponential(1).expand([2]).to_event(1))
        σ = numpyro.sample("σ", dist.Exponential(1))
        Ω = numpyro.sample("Ω", dist.LKJCholesky(2, 2.0))
        z = numpyro.sample("z", dist.Normal(0, 1).expand([2, groups]).to_event(2))
        β = μ[:, None] + (τ[:, None] * Ω) @ z
        numpyro.sample("y", dist.Normal(β[0, idx] + β[1, idx] * x, σ), obs=y)

    return model


def pass_seconds(data: Simulated) -> float:
    """Of the sums over the rows, alone."""
    y, x, idx = (torch.from_numpy(part) for part in data)
    started = process_time()
    group_statistics(y, [], [Term(), Term(scale=x)], (idx, int(data.idx.max())))
    return process_time() - started


def bound(data: Simulated) -> mlmdsl.Bound:
    """The spec with its data."""
    return mlmdsl.parse(SPEC).bind(y=data.y, x=data.x, idx=data.idx)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--numpyro-most", type=int, default=100_000, help="0 leaves NumPyro out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("      rows    pass s      rows/s  gradient ms  memory MB  NumPyro gradient ms")
    rows = 1000
    while rows <= options.most:
        data = simulated(rows, options.groups)
        passed = pass_seconds(data)
        ours = gradient_seconds(bound(data).compiled(collapsed=True)) * 1e3
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peer = numpyro_gradient_seconds(data) * 1e3 if rows <= options.numpyro_most else float("nan")
        print(f"{rows:10d}{passed:10.4f}{rows / passed:12.0f}{ours:13.3f}{memory:11.0f}{peer:21.3f}", flush=True)
        rows *= 10


if __name__ == "__main__":
    main()
