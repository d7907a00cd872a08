"""Log densities by SciPy that several models share, each summed over its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from scipy.special import gammaln


def normal(x: Any, mean: Any, scale: Any) -> float:
    return float(stats.norm(mean, scale).logpdf(x).sum())


def half_normal(x: Any, scale: float) -> float:
    return float(stats.halfnorm(scale=scale).logpdf(x).sum())


def half_cauchy(x: Any, scale: float) -> float:
    return float(stats.halfcauchy(scale=scale).logpdf(x).sum())


def exponential(x: Any, scale: float = 1.0) -> float:
    return float(stats.expon(scale=scale).logpdf(x).sum())


def uniform(x: Any, lower: float, upper: float) -> float:
    return float(stats.uniform(lower, upper - lower).logpdf(x).sum())


def log_poisson(y: Any, log_rate: Any) -> float:
    """Σ y·λ − exp λ − log y!, for the logarithm λ of the rate."""
    return float((y * log_rate - np.exp(log_rate) - gammaln(np.asarray(y) + 1.0)).sum())


def bernoulli_logit(y: Any, logits: Any) -> float:
    """Σ y·η − log(1 + exp η)."""
    return float((y * logits - np.logaddexp(0, logits)).sum())
