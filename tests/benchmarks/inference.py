"""Min bulk ESS a second of warm-up and sampling, on the tutorial's four models:  python -m tests.benchmarks.inference

Compiling is left out for every library and shown apart. All make 4 000 draws of the same posterior, in double precision
on the CPU, with the settings a user gets by default: the others as 4 chains of 1000 + 1000, mlmdsl as it chooses. Its
lines are the spec as `mlmdsl run` samples it (effects integrated out; their recovery counts as sampling), and the
hand-written full model of tests/inference/models.py. Stock Pyro is extrapolated, and only run where named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

import mlmdsl
from mlmdsl.inference import Draws, sample
from mlmdsl.results.fit import Fit
from tests.benchmarks.report import Result, Runner, flags, installed, over_seeds, show_results, worst
from tests.inference.models import CHEESE_MODELS


def of_fit(sampler: str, fit: Fit) -> Result:
    """The figures of a fit, over all its parameters."""
    timing = fit.run.timing
    parameters = {each.name: fit.values[each.name] for each in fit.variables if each.kind == "parameter"}
    sample_s = timing["sample_s"] + timing["recover_s"]
    times = timing["compile_s"], timing["warmup_s"], sample_s
    gradients = fit.run.gradient_evaluations or float("nan")
    return Result(sampler, *times, gradients, *worst(parameters), fit.run.divergences)


def of_draws(sampler: str, draws: Draws) -> Result:
    """The figures of draws of a Pyro model, over all its sites but `coefficients`, which is computed."""
    sites = {name: value for name, value in draws.samples.items() if name != "coefficients"}
    times = draws.compile_s, draws.warmup_s, draws.sample_s + draws.recover_s
    divergences = int(draws.stats["diverging"].sum())
    return Result(sampler, *times, draws.gradient_evaluations, *worst(sites), divergences)


def prepare_spec(name: str) -> Runner:
    bound = mlmdsl.load(f"cheese/{name}").bind()
    return lambda seed: of_fit("mlmdsl", bound.sample(seed=seed))


def prepare_hand_written(name: str) -> Runner:
    return lambda seed: of_draws("mlmdsl, full model", sample(CHEESE_MODELS[name](), seed=seed))


def prepare_numpyro(name: str) -> Runner:
    from tests.benchmarks.peers import numpyro_models, numpyro_run

    return numpyro_run.prepare(numpyro_models.CHEESE_MODELS[name])


def prepare_pymc(name: str) -> Runner:
    from tests.benchmarks.peers import pymc_run

    return pymc_run.prepare(name)


def prepare_pyro(name: str) -> Runner:
    from tests.benchmarks.peers import pyro_run

    return pyro_run.prepare(name)


PREPARE: dict[str, Callable[[str], Runner]] = {
    "spec": prepare_spec,
    "full": prepare_hand_written,
    "numpyro": prepare_numpyro,
    "pymc": prepare_pymc,
    "pyro": prepare_pyro,
}


def results(name: str, samplers: Sequence[str], seeds: int) -> Iterator[Result]:
    """A line for each sampler."""
    for sampler in samplers:
        run = PREPARE[sampler](name)
        yield over_seeds([run(seed) for seed in range(seeds)])


def main() -> None:
    options = flags(__doc__).parse_args()
    # as the command line does for small models; on two cores a second thread only waits
    torch.set_num_threads(1)
    samplers = ("spec", "full", *installed(options.peers))
    for name in options.models:
        show_results(name, list(results(name, samplers, options.seeds)))


if __name__ == "__main__":
    main()
