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


def half_normal_at(x: Any, mean: float, scale: float) -> float:
    """A normal density restricted to positive values."""
    return float(stats.truncnorm(-mean / scale, np.inf, mean, scale).logpdf(x).sum())


def log_normal(x: Any, mean: Any, scale: Any) -> float:
    """Σ log N(log x | mean, scale) − log x."""
    return normal(np.log(x), mean, scale) - float(np.log(x).sum())


def half_cauchy(x: Any, scale: float) -> float:
    return float(stats.halfcauchy(scale=scale).logpdf(x).sum())


def student_t(x: Any, ν: Any, mean: Any, scale: Any) -> float:
    return float(stats.t(ν, mean, scale).logpdf(x).sum())


def exponential(x: Any, scale: float = 1.0) -> float:
    return float(stats.expon(scale=scale).logpdf(x).sum())


def gamma(x: Any, shape: float, scale: float) -> float:
    return float(stats.gamma(shape, scale=scale).logpdf(x).sum())


def inverse_gamma(x: Any, shape: float, scale: float) -> float:
    return float(stats.invgamma(shape, scale=scale).logpdf(x).sum())


def uniform(x: Any, lower: float, upper: float) -> float:
    return float(stats.uniform(lower, upper - lower).logpdf(x).sum())


def log_poisson(y: Any, log_rate: Any) -> float:
    """Σ y·λ − exp λ − log y!, for the logarithm λ of the rate."""
    return float((y * log_rate - np.exp(log_rate) - gammaln(np.asarray(y) + 1.0)).sum())


def bernoulli_logit(y: Any, logits: Any) -> float:
    """Σ y·η − log(1 + exp η)."""
    return float((y * logits - np.logaddexp(0, logits)).sum())
