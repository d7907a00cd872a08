"""Two priors on increasing vectors: `ordered(d)` restricts d, `transformed(d, OrderedBijector())` pushes it forward."""

from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .parametric import RuntimeDistribution
from .typed import NO_SHAPE, Shape, draw, draw_with_gradient


class _OverVectors(RuntimeDistribution):
    """A distribution over increasing vectors, made of one over the vectors of the same length."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support = constraints.ordered_vector

    def __init__(self, base: Distribution, validate_args: bool | None = None) -> None:
        if len(base.event_shape) != 1:
            raise TypeError(f"only a distribution over vectors can be ordered, not over {tuple(base.event_shape)}")
        self.base = base
        super().__init__(base.batch_shape, base.event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.base = self.base.expand(shape)
        return new._finish(self, shape, self.event_shape)


class Ordered(_OverVectors):
    """X restricted to x₁ < x₂ < … < xₖ: log_prob(x) = base.log_prob(x), unnormalised as in Bijectors.jl.

    The missing constant is −log P(X increasing), log k! for exchangeable entries; it matters only where it depends on
    a parameter. Shapes: the base's; units: its. Draws are sorted draws of the base: exact for exchangeable entries, a
    starting point otherwise; no gradient. Errors: TypeError for a base whose event is no vector.
    Source: Bijectors.jl `ordered`.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        density: Tensor = self.base.log_prob(value)
        return density

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return draw(self.base, sample_shape).sort(-1).values


class PushedOrdered(_OverVectors):
    """Y with y₁ = x₁, yᵢ = yᵢ₋₁ + exp(xᵢ): log p_X(x) − Σ_{i≥2} xᵢ at xᵢ = log(yᵢ − yᵢ₋₁).

    Shapes: the base's; y has the units of x₁, later entries of x are log increments. Draws carry a gradient where the
    base's do. Errors: TypeError for a base whose event is no vector. Source: Bijectors.jl `OrderedBijector`.
    """

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return bool(self.base.has_rsample)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        log_steps = torch.log(value[..., 1:] - value[..., :-1])
        density: Tensor = self.base.log_prob(torch.cat([value[..., :1], log_steps], -1))
        return density - log_steps.sum(-1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return _accumulate(draw(self.base, sample_shape))

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        return _accumulate(draw_with_gradient(self.base, sample_shape))


def _accumulate(x: Tensor) -> Tensor:
    return torch.cat([x[..., :1], torch.exp(x[..., 1:])], -1).cumsum(-1)
