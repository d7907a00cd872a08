"""How fast the samplers are on the tutorial's four models, as hand-written programs: run with

    python -m tests.benchmarks.inference [MODEL …] [--peers numpyro,pyro] [--seeds 1]

Each line gives the seconds of compiling, of warm-up and of sampling, gradients a chain, the smallest bulk ESS of all
elements that vary, the greatest R-hat, divergences, and min ESS a second of warm-up and sampling. All make 4 000
draws from the same data in double precision on the CPU. NumPyro comes with the `bench` extra; stock Pyro takes
minutes to hours and must be asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

import arviz as az
import numpy as np

from mlmdsl.inference import sample
from tests.inference.models import CHEESE_MODELS


class Line(NamedTuple):
    sampler: str
    compile_s: float
    warmup_s: float
    sample_s: float
    gradients: float
    ess: float
    rhat: float
    divergences: int

    def __str__(self) -> str:
        rate = self.ess / (self.warmup_s + self.sample_s)
        times = "".join(f"{seconds:>9.1f}" for seconds in (self.compile_s, self.warmup_s, self.sample_s))
        found = f"{self.gradients:>11.0f}{self.ess:>9.0f}{self.rhat:>9.4f}{self.divergences:>7d}{rate:>10.1f}"
        return f"  {self.sampler:<12}{times}{found}"


HEADER = "  sampler       compile  warm-up   sample  gradients      ESS    R-hat    div     ESS/s"


def worst(samples: Mapping[str, Any]) -> tuple[float, float]:
    """The smallest bulk ESS and the greatest R-hat of the elements that vary."""
    columns = [np.asarray(value).reshape(*value.shape[:2], -1) for value in samples.values()]
    flat = np.concatenate(columns, axis=2)
    flat = flat[:, :, flat.std((0, 1)) > 1e-9]
    data = az.convert_to_dataset({"x": flat})
    return float(az.ess(data)["x"].min()), float(az.rhat(data)["x"].max())


def run_ours(name: str, seed: int, kernel: Any = "vectorized") -> Line:
    draws = sample(CHEESE_MODELS[name](), seed=seed, kernel=kernel)
    latent = {key: value for key, value in draws.samples.items() if key != "coefficients"}
    return Line(
        kernel,
        draws.compile_s,
        draws.warmup_s,
        draws.sample_s,
        draws.gradient_evaluations,
        *worst(latent),
        int(draws.stats["diverging"].sum()),
    )


def run_numpyro(name: str, seed: int) -> Line:
    import jax
    from numpyro.infer import MCMC, NUTS

    from tests.benchmarks.numpyro_models import NUMPYRO_MODELS

    started = perf_counter()
    mcmc = MCMC(
        NUTS(NUMPYRO_MODELS[name]),
        num_warmup=1000,
        num_samples=1000,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    key = jax.random.PRNGKey(seed)
    extra = ("num_steps", "diverging")
    mcmc.warmup(key, extra_fields=extra, collect_warmup=True)
    warmed = perf_counter()
    warmup_steps = np.asarray(mcmc.get_extra_fields()["num_steps"]).sum() / 4
    mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=extra)
    samples = {site: np.asarray(value) for site, value in mcmc.get_samples(group_by_chain=True).items()}
    done = perf_counter()
    fields = {field: np.asarray(value) for field, value in mcmc.get_extra_fields().items()}
    gradients = warmup_steps + fields["num_steps"].sum() / 4
    # what is compiled is compiled within the first call of each phase: NumPyro does not say how long it took
    return Line(
        "numpyro", 0.0, warmed - started, done - warmed, gradients, *worst(samples), int(fields["diverging"].sum())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(CHEESE_MODELS), metavar="MODEL")
    parser.add_argument("--peers", default="numpyro", help="comma-separated: numpyro, pyro; or none")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    peers = options.peers.split(",")
    for name in options.models:
        print(f"{name}\n{HEADER}", flush=True)
        for seed in range(options.seeds):
            print(run_ours(name, seed), flush=True)
            if "numpyro" in peers:
                print(run_numpyro(name, seed), flush=True)
            if "pyro" in peers:
                print(run_ours(name, seed, kernel="pyro"), flush=True)


if __name__ == "__main__":
    main()
