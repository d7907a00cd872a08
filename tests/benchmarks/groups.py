"""What the number of groups costs a model whose effects are integrated out: in proportion to it. Run with

    python -m tests.benchmarks.groups [--most 10000] [--rows-each 10] [--subjects 150] [--no-numpyro]

First, for more and more groups, the gradient of four chains of correlated intercepts and slopes. Then 150 subjects with 150
trials in two conditions (45 000 rows) from data to draws, beside NumPyro: 4 chains of 1 000 draws. Processor seconds,
one thread.
"""

from __future__ import annotations

import argparse
from time import process_time
from typing import Any

import numpy as np
import torch

from tests.benchmarks.inference import worst
from tests.benchmarks.rows import Simulated, bound, gradient_seconds, numpyro_model, simulated


def subjects(number: int) -> Simulated:
    """As many subjects, trials each, and conditions (−½ and ½) for each trial."""
    data = simulated(number * number * 2, number)
    condition = np.tile([-0.5, 0.5], number * number)
    return Simulated(data.y + 0.5 * (condition - data.x), condition, np.repeat(np.arange(number) + 1, number * 2))


def run_ours(data: Simulated) -> tuple[float, float]:
    """Processor seconds from the spec's text to draws, and the smallest ESS of what is reported."""
    started = process_time()
    fit = bound(data).sample(seed=1, chains=4, draws=1000)
    return process_time() - started, float(fit.summary()["ess_bulk"].min())


def run_numpyro(data: Simulated) -> tuple[float, float]:
    """Processor seconds from the model to draws, 1 000 of warm-up, and the smallest ESS."""
    import jax
    from numpyro.infer import MCMC, NUTS

    started = process_time()
    options: dict[str, Any] = {"num_warmup": 1000, "num_samples": 1000, "num_chains": 4, "progress_bar": False}
    mcmc = MCMC(NUTS(numpyro_model(data)), chain_method="vectorized", **options)
    mcmc.run(jax.random.PRNGKey(1))
    samples = {site: np.asarray(value) for site, value in mcmc.get_samples(group_by_chain=True).items()}
    return process_time() - started, worst(samples)[0]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--rows-each", type=int, default=10)
    parser.add_argument("--subjects", type=int, default=150, help="0 leaves the run from data to draws out")
    parser.add_argument("--no-numpyro", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("    groups  gradient ms  ns a group and chain")
    groups = 100
    while groups <= options.most:
        gradient = gradient_seconds(bound(simulated(groups * options.rows_each, groups)).compiled(collapsed=True))
        print(f"{groups:10d}{gradient * 1e3:13.3f}{gradient / groups / 4 * 1e9:22.1f}", flush=True)
        groups *= 10
    if options.subjects:
        data = subjects(options.subjects)
        print(f"\n{len(data.y)} rows, {options.subjects} groups     seconds   min ESS   ESS/s")
        for name, run in (("mlmdsl", run_ours), ("NumPyro", run_numpyro)):
            if name == "mlmdsl" or not options.no_numpyro:
                spent, ess = run(data)
                print(f"  {name:<24}{spent:11.1f}{ess:10.0f}{ess / spent:8.1f}", flush=True)


if __name__ == "__main__":
    main()
