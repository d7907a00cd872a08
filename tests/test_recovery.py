"""Collapse, sampling and recovery together: simulation-based calibration (Talts et al. 2018) of a small model.

For each replicate the parameters are drawn from the prior and data from them; the rank of each parameter among the draws of
its posterior is then uniform, if and only if what was integrated out is drawn again from its exact conditional.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mlmdsl

SPEC = mlmdsl.parse(
    """
    @model function groups(idx, y; J=length(unique(idx)))
        μ ~ Normal(0, 1)
        τ ~ Gamma(2, 0.5)
        σ ~ Gamma(3, 1/3)
        α ~ filldist(Normal(μ, τ), J)
        y ~ MvNormal(α[idx], σ^2 * I)
    end
    """
)
REPLICATES, RANKED, ROWS = 40, 99, 3


@pytest.mark.slow
@pytest.mark.parametrize("groups", [4, 40], ids=["dense", "by groups"])
def test_prior_draws_rank_uniformly(groups: int) -> None:
    """Five Kolmogorov–Smirnov tests, each with false alarms at 0.1 %."""
    ranks: dict[str, list[int]] = {}
    random = np.random.default_rng(7 + groups)
    for replicate in range(REPLICATES):
        truth = {"μ": random.normal(), "τ": random.gamma(2, 0.5), "σ": random.gamma(3, 1 / 3)}
        effects = random.normal(truth["μ"], truth["τ"], size=groups)
        idx = np.repeat(np.arange(1, groups + 1), ROWS)
        bound = SPEC.bind(idx=idx, y=random.normal(effects[idx - 1], truth["σ"]))
        assert set(bound.marginalized) == {"μ", "α"}
        values = bound.sample(seed=replicate, chains=4, draws=500, tune=200).values
        drawn = {name: values[name].reshape(-1) for name in truth}
        drawn |= {f"α[{j + 1}]": values["α"][..., j].reshape(-1) for j in (0, groups - 1)}
        truth |= {"α[1]": effects[0], f"α[{groups}]": effects[-1]}
        for name, pooled in drawn.items():
            # 99 draws some twenty apart: near enough to independent
            ranked = pooled[np.linspace(0, len(pooled) - 1, RANKED).astype(int)]
            ranks.setdefault(name, []).append(int((ranked < truth[name]).sum()))
    for name, found in ranks.items():
        assert stats.kstest((np.array(found) + 0.5) / (RANKED + 1), "uniform").pvalue > 1e-3, name
