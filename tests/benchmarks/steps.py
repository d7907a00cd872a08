"""What one step of the sampler costs, by number of chains:  python -m tests.benchmarks.steps [--chains 4,8,16,64,256]

A step is one leapfrog of every chain, compiled and warm: the median of many blocks of steps, for the tutorial's four
models, collapsed and full; threads share the steps of many chains as they do in a run. With a GPU also gradients a second of 4 096 chains there, beside NumPyro if
its JAX sees the GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import torch

import mlmdsl
from mlmdsl.driver import Bound
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.run import choose_settings
from mlmdsl.inference.sampler import BLOCK, Sampler
from mlmdsl.inference.sites import read_sites
from tests.benchmarks.report import console, flags, installed, show_table

MANY = 4096
POOLED_TUNE = 800
"""Warm-up transitions of all chains together: enough for the form of the metric that a run would have."""
EIGHT_SCHOOLS = """
# Rubin (1981), non-centred
@model function eight_schools(y, s)
    μ ~ Normal(0, 5)
    τ ~ truncated(Cauchy(0, 5); lower=0)
    z ~ filldist(Normal(0, 1), 8)
    y ~ MvNormal(μ .+ τ .* z, Diagonal(s .^ 2))
end
"""


def block_of(model: Callable[[], Any], chains: int) -> Callable[[], object]:
    """A call of BLOCK compiled steps. All that this benchmark knows of the sampler's inside stands here."""
    sites = read_sites(model, 0)
    settings = choose_settings("vectorized", chains, 1, max(2, POOLED_TUNE // chains), 0, 0.8, 10)
    like = torch.empty(0, dtype=sites.dtype, device=sites.device)
    engine = build_engine(sites, settings)
    sampler = Sampler(sites.dim, like, settings, engine)
    session = sampler.begin()
    sampler.finish_warm_up(session)
    sampler.stepper.compile(session)
    for note in engine.notes:
        console.print(note)
    return lambda: sampler.next_rows(session)


def seconds_of_step(model: Callable[[], Any], chains: int, blocks: int) -> float:
    """The median over many blocks; each ends with a look at its values, for which a GPU has to be done."""
    block = block_of(model, chains)
    times = []
    for _ in range(blocks + 5):
        started = perf_counter()
        block()
        times.append(perf_counter() - started)
    return median(times[5:]) / BLOCK


def show_model(name: str, bound: Bound, chains: Sequence[int], blocks: int) -> None:
    """The table of one model: microseconds a step, and a step and chain."""
    rows = []
    for form, collapsed in (("collapsed", True), ("full", False)):
        model = bound.compiled(collapsed=collapsed)
        dim = read_sites(model, 0).dim
        times = {count: 1e6 * seconds_of_step(model, count, blocks) for count in chains}
        rows.append((f"{form}, {dim} dimensions: µs a step", *(f"{time:.0f}" for time in times.values())))
        rows.append(("    a step and chain", *(f"{time / count:.2f}" for count, time in times.items())))
    show_table(f"{name}, one step on the CPU", ("chains", *map(str, chains)), rows)


def show_many(models: dict[str, Bound], device: str, chains: int, blocks: int, with_numpyro: bool) -> None:
    """Gradients a second of many chains: the models as they are sampled by default, and in full."""
    rows = []
    for name, bound in models.items():
        forms = [bound.compiled(device=device, collapsed=True)] if bound.collapsed is not None else []
        forms.append(bound.compiled(device=device))
        rates = [chains / seconds_of_step(model, chains, blocks) for model in forms]
        collapsed = f"{rates[0]:,.0f}" if len(rates) == 2 else "nan"
        rows.append((name, collapsed, f"{rates[-1]:,.0f}", numpyro_rate(name, chains) if with_numpyro else "nan"))
    columns = ("gradients a second", "mlmdsl, collapsed", "mlmdsl, full", "numpyro")
    show_table(f"{chains} chains on {device}", columns, rows)


def numpyro_rate(name: str, chains: int) -> str:
    from tests.benchmarks.peers import numpyro_models, numpyro_run

    model = getattr(numpyro_models, name)
    return f"{numpyro_run.many_chains(model, chains):,.0f}"


def jax_has_gpu() -> bool:
    import jax

    return bool(jax.default_backend() == "gpu")


def eight_schools() -> Bound:
    """The published effects and standard errors."""
    return mlmdsl.parse(EIGHT_SCHOOLS).bind(y=[28.0, 8, -3, 7, -1, 1, 18, 12], s=[15.0, 10, 16, 11, 9, 11, 10, 18])


def main() -> None:
    parser = flags(__doc__, seeds=False)
    parser.add_argument("--chains", default="4,8,16,64,256", metavar="N,…", help="numbers of chains on the CPU")
    parser.add_argument("--blocks", type=int, default=200, help=f"blocks of {BLOCK} steps that are timed")
    parser.add_argument("--many", type=int, default=MANY, help="chains on the GPU")
    parser.add_argument("--many-on", choices=("cuda", "cpu"), default="cuda", help="where the many chains run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: mlmdsl.load(f"cheese/{name}").bind() for name in options.models}
    for name, bound in models.items():
        show_model(name, bound, [int(count) for count in options.chains.split(",")], options.blocks)
    if options.many_on == "cuda" and not torch.cuda.is_available():
        console.print("torch sees no GPU: many chains on a GPU are not measured")
        return
    with_numpyro = "numpyro" in installed(options.peers) and (options.many_on == "cpu" or jax_has_gpu())
    show_many({"eight_schools": eight_schools(), **models}, options.many_on, options.many, options.blocks, with_numpyro)


if __name__ == "__main__":
    main()
