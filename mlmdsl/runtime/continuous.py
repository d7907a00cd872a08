"""Continuous distributions of one number that neither torch nor Pyro has."""

import math
from typing import ClassVar

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions.constraints import Constraint
from torch.nn.functional import logsigmoid

from .cdf import log_tails, normal_tails, on_line, within
from .parametric import Parametric, Tails, as_parameters
from .special import log_ndtr, log_skew_normal_tails
from .typed import NO_SHAPE, Shape, Value

_LOG_2PI = math.log(2 * math.pi)


class SkewNormal(Parametric):
    """p(x) = 2/σ · φ(z) · Φ(αz), z = (x − μ)/σ.

    Parameters: loc μ and scale σ > 0 in x's units, alpha α real, of any broadcasting shapes. alpha = 0 is Normal(μ, σ).
    Draws: δ|Z₀| + √(1 − δ²)·Z₁ with δ = α/√(1 + α²), with gradient. Source: Azzalini 1985; Distributions.jl
    `SkewNormal`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "alpha": constraints.real,
    }
    support = constraints.real
    has_rsample = True
    parameter_ranks: ClassVar[dict[str, int]] = {"loc": 0, "scale": 0, "alpha": 0}

    def __init__(self, loc: Value, scale: Value, alpha: Value, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.alpha = as_parameters(loc, scale, alpha)
        super().__init__(self.loc.shape, torch.Size(), validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        z = (value - self.loc) / self.scale
        skew = log_ndtr(self.alpha * z)
        return math.log(2) - 0.5 * (z * z + _LOG_2PI) + skew - torch.log(self.scale)

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        shape = self._shape(sample_shape)
        first, second = (torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device) for _ in range(2))
        root = torch.sqrt(1 + self.alpha**2)
        return self.loc + self.scale * (self.alpha * first.abs() + second) / root


class LogitNormal(Parametric):
    """X with logit(X) ~ Normal(loc, scale): log N(logit x; μ, σ) − log x − log(1 − x), 0 < x < 1.

    Parameters: loc μ and scale σ > 0 on the logit scale, of any broadcasting shapes. Draws carry a gradient.
    Source: Atchison & Shen 1980; Distributions.jl `LogitNormal`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True
    parameter_ranks: ClassVar[dict[str, int]] = {"loc": 0, "scale": 0}

    def __init__(self, loc: Value, scale: Value, validate_args: bool | None = None) -> None:
        self.loc, self.scale = as_parameters(loc, scale)
        super().__init__(self.loc.shape, torch.Size(), validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        logit = torch.logit(value)
        z = (logit - self.loc) / self.scale
        jacobian = logsigmoid(logit) + logsigmoid(-logit)
        return -0.5 * (z * z + _LOG_2PI) - torch.log(self.scale) - jacobian

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        noise = torch.randn(self._shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return torch.sigmoid(self.loc + self.scale * noise)


@log_tails.register
def _(d: SkewNormal, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, lambda z: log_skew_normal_tails(d.alpha, z))


@log_tails.register
def _(d: LogitNormal, x: Tensor) -> Tails:
    return within(x, 0.0, 1.0, 0.5, lambda t: normal_tails((torch.logit(t) - d.loc) / d.scale))
