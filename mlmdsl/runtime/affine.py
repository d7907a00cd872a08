"""`LocationScale(μ, σ, d)` and its spellings `μ + σ * d`, `d * s`, `d + a`."""

import math
from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .cdf import log_tails
from .constraints import AffineImage
from .parametric import RuntimeDistribution, Tails, batch_shape_of, expand_value
from .typed import NO_SHAPE, Shape, Value, as_floating, draw, draw_with_gradient, log_prob_of, support_of

_ROUNDING = 1e-6  # relative distance from a whole number that division may leave, float32 included


class LocationScale(RuntimeDistribution):
    """Y = loc + scale·X: log p((y − loc) / scale) − log |scale|, without the last term for a discrete X.

    Shapes: the base's batch shape broadcast with loc's and scale's. loc has y's units, scale those of y over x. The
    scale may be negative, not zero. The support is the image of the base's (the whole line stays the line); where it
    moves with latent loc or scale, stock NUTS, which fixes each site's transform once, cannot sample Y itself.
    Draws carry a gradient where the base's do. Errors: TypeError for a multivariate base.
    Source: Distributions.jl `AffineDistribution`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, loc: Value, scale: Value, base: Distribution, validate_args: bool | None = None) -> None:
        if base.event_shape:
            raise TypeError(f"LocationScale takes the distribution of one number, not of an array {base.event_shape}")
        batch_shape = batch_shape_of(base.batch_shape, loc, scale)
        self.base = base.expand(batch_shape)
        self.loc: Value = expand_value(loc, batch_shape)
        self.scale: Value = expand_value(scale, batch_shape)
        super().__init__(batch_shape, torch.Size(), validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return bool(self.base.has_rsample)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.base = self.base.expand(shape)
        new.loc, new.scale = expand_value(self.loc, shape), expand_value(self.scale, shape)
        return new._finish(self, shape, torch.Size())

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        base: Constraint = support_of(self.base)
        return base if base is constraints.real else AffineImage(base, self.loc, self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value)
        z = (value - self.loc) / self.scale
        if not support_of(self.base).is_discrete:
            return log_prob_of(self.base, z) - _log_abs(self.scale, value)
        whole = torch.round(z)
        on_lattice = torch.abs(z - whole) <= _ROUNDING * (1 + torch.abs(z))
        return torch.where(on_lattice, self.base.log_prob(whole), -math.inf)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return self.loc + self.scale * draw(self.base, sample_shape)

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        return self.loc + self.scale * draw_with_gradient(self.base, sample_shape)


def _log_abs(scale: Value, like: Tensor) -> Tensor:
    return torch.log(torch.abs(torch.as_tensor(scale, dtype=like.dtype, device=like.device)))


@log_tails.register
def _(d: LocationScale, x: Tensor) -> Tails:
    """The base's tails at (x − loc) / scale, swapped where the scale is negative."""
    z = (x - d.loc) / d.scale
    scale = torch.as_tensor(d.scale, dtype=x.dtype, device=x.device)
    lower, upper = log_tails(d.base, z)
    at_least = log_tails(d.base, torch.ceil(z) - 1) if support_of(d.base).is_discrete else (lower, upper)
    return torch.where(scale > 0, lower, at_least[1]), torch.where(scale > 0, upper, at_least[0])
