"""A logistic model with an intercept for each of 500 groups, 10 000 rows:  python -m tests.benchmarks.logistic

Nothing can be integrated out of it. mlmdsl runs the spec below, which has the centred form that one writes first, with
its defaults; NumPyro runs the same model in that form and in the non-centred one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import mlmdsl
from tests.benchmarks.inference import of_fit
from tests.benchmarks.report import flags, installed, over_seeds, show_results

SPEC = """
@model function logistic(X, idx, y; n_gr=length(unique(idx)), predictors=size(X, 2))
    α ~ Normal(0, 2.5)
    β ~ filldist(Normal(0, 1), predictors)
    τ ~ truncated(Normal(0, 1); lower=0)
    αⱼ ~ filldist(Normal(0, τ), n_gr)
    y .~ BernoulliLogit.(α .+ X * β .+ αⱼ[idx])
end
"""
DATA_SEED = 2024

Reals = npt.NDArray[np.float64]
Wholes = npt.NDArray[np.int64]


def simulated(rows: int, groups: int, predictors: int = 3) -> tuple[Reals, Wholes, Wholes]:
    """X (rows, predictors), the group of each row from 0, and y of 0 and 1; every group has a row."""
    random = np.random.default_rng(DATA_SEED)
    x = random.normal(size=(rows, predictors))
    group = random.permutation(np.arange(rows) % groups)
    logits = -0.5 + x @ np.linspace(-1, 1, predictors) + random.normal(0, 0.7, groups)[group]
    return x, group, (random.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.int64)


def main() -> None:
    parser = flags(__doc__, models=False)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=500)
    options = parser.parse_args()
    x, group, y = simulated(options.rows, options.groups)
    bound = mlmdsl.parse(SPEC).bind(X=x, idx=group + 1, y=y)
    seeds = range(options.seeds)
    lines = [over_seeds([of_fit("mlmdsl", bound.sample(seed=seed)) for seed in seeds])]
    if "numpyro" in installed(options.peers):
        from tests.benchmarks.peers import numpyro_models, numpyro_run

        for form, centred in (("centred", True), ("non-centred", False)):
            run = numpyro_run.prepare(numpyro_models.logistic(x, group, y, centred))
            lines.append(over_seeds([run(seed)._replace(sampler=f"numpyro, {form}") for seed in seeds]))
    show_results(f"logistic, {options.rows} rows, {options.groups} groups", lines)


if __name__ == "__main__":
    main()
