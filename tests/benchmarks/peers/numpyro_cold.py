"""A whole NumPyro program, from start to summary:  python -m tests.benchmarks.peers.numpyro_cold NAME [--seed N]"""

from __future__ import annotations

import numpyro

numpyro.enable_x64()
numpyro.set_host_device_count(4)

import jax  # noqa: E402 - after the two settings, which it reads once
from numpyro.infer import MCMC, NUTS  # noqa: E402

from tests.benchmarks.peers.numpyro_models import CHEESE_MODELS  # noqa: E402
from tests.benchmarks.peers.program import arguments, finished  # noqa: E402


def main() -> None:
    options = arguments(__doc__)
    mcmc = MCMC(
        NUTS(CHEESE_MODELS[options.name]),
        num_warmup=1000,
        num_samples=1000,
        num_chains=4,
        chain_method=options.chain_method,
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(options.seed))
    mcmc.print_summary()
    finished(mcmc.get_samples(group_by_chain=True), options.save)


if __name__ == "__main__":
    main()
