"""A whole PyMC program with nutpie, from start to summary:  python -m tests.benchmarks.peers.pymc_cold NAME [--seed N]"""

from __future__ import annotations

import arviz as az
import nutpie

from tests.benchmarks.peers.program import arguments, finished
from tests.benchmarks.peers.pymc_models import REPORTED, built


def main() -> None:
    options = arguments(__doc__)
    compiled = nutpie.compile_pymc_model(built(options.name))
    trace = nutpie.sample(compiled, draws=1000, tune=1000, chains=4, seed=options.seed, progress_bar=False)
    names = [name for name in REPORTED if name in trace.posterior]
    print(az.summary(trace, var_names=names).to_string())
    finished({name: trace.posterior[name].values for name in names}, options.save)


if __name__ == "__main__":
    main()
