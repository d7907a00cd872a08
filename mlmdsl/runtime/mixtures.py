"""`MixtureModel(ds, w)` and `Dirac(x)`: finite mixtures, of unlike components too, zero-inflated counts among them."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar, Self

import torch
from pyro.distributions import Delta, constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .cdf import log_tails
from .parametric import RuntimeDistribution, Tails
from .supports import constraint_of, interval_of, log_prob_inside, union
from .typed import NO_SHAPE, Shape, Value, as_floating, broadcast_shapes, draw, support_of


def Dirac(value: Value) -> Delta:
    """The point mass at a number or at each element of a tensor: log_prob 0 there, −inf elsewhere.

    Source: Distributions.jl `Dirac`.
    """
    make: Any = Delta
    point: Delta = make(value if isinstance(value, Tensor) else torch.as_tensor(float(value)))
    return point


class Mixture(RuntimeDistribution):
    """p(x) = Σₖ wₖ pₖ(x), k = 1…K.

    Components: a sequence of K distributions of one event shape, or one distribution whose last batch axis counts the K
    components. Shapes: weights (…, K), in the simplex; batch shape: the components' (without K) broadcast with the
    weights'. A component counts nothing outside its own support, and a weight of 0 or a component without density
    leaves the gradient finite. Support: the shortest interval over the components' (point masses take no part in it,
    unless all are). Draws carry no gradient. Errors: ValueError for components of different event shapes, or not K of
    them. Source: Distributions.jl `MixtureModel`; `ZeroInflated` is Mixture([Dirac(0), Poisson(λ)], [p, 1 − p]).
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"weights": constraints.simplex}

    def __init__(
        self, components: Sequence[Distribution] | Distribution, weights: Tensor, validate_args: bool | None = None
    ) -> None:
        self.batched = isinstance(components, Distribution)
        parts = [components] if isinstance(components, Distribution) else list(components)
        count = parts[0].batch_shape[-1] if self.batched else len(parts)
        _check_components(parts, count, weights)
        part_shapes = [part.batch_shape[:-1] if self.batched else part.batch_shape for part in parts]
        shape = broadcast_shapes(weights.shape[:-1], *part_shapes)
        self.count = count
        self._set(parts, weights, shape)
        super().__init__(shape, parts[0].event_shape, validate_args=validate_args)

    @classmethod
    def same_family(cls, components: Distribution, weights: Tensor) -> Self:
        """Mixture over the last batch axis of one distribution."""
        return cls(components, weights)

    def _set(self, parts: Sequence[Distribution], weights: Tensor, shape: torch.Size) -> None:
        part_shape = torch.Size((*shape, self.count)) if self.batched else shape
        self.components = tuple(part.expand(part_shape) for part in parts)
        self.weights = weights.expand((*shape, self.count))

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.batched, new.count = self.batched, self.count
        new._set(self.components, self.weights, shape)
        return new._finish(self, shape, self.event_shape)

    @constraints.dependent_property
    def support(self) -> Constraint:
        if self.event_shape:
            return support_of(self.components[0])
        intervals = [interval_of(support_of(part)) for part in self._spread_components()]
        return constraint_of(reduce(union, intervals))

    def _spread_components(self) -> tuple[Distribution, ...]:
        """The components that are no point masses, or all where all are."""
        spread = tuple(part for part in self.components if not isinstance(part, Delta))
        return spread or self.components

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value)
        return log_weighted_sum(self.weights, self._component_log_probs(value))

    def _component_log_probs(self, value: Tensor) -> Tensor:
        """log pₖ(x), shape (…, K)."""
        if self.batched:
            return log_prob_in_support(self.components[0], value.unsqueeze(-1 - len(self.event_shape)))
        return torch.stack([log_prob_in_support(part, value) for part in self.components], -1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            place = -1 - len(self.event_shape)
            draws = self._component_draws(torch.Size(sample_shape), place)
            chosen = draw(torch.distributions.Categorical(self.weights, validate_args=False), sample_shape)
            index = chosen.reshape(*chosen.shape, 1, *(1,) * len(self.event_shape))
            index = index.expand((*chosen.shape, 1, *self.event_shape))
            return torch.gather(draws, place, index).squeeze(place)

    def _component_draws(self, sample_shape: torch.Size, place: int) -> Tensor:
        if self.batched:
            return draw(self.components[0], sample_shape)
        draws = [draw(part, sample_shape) for part in self.components]
        dtype = reduce(torch.promote_types, (draw.dtype for draw in draws))
        return torch.stack([draw.to(dtype) for draw in draws], place)

    def log_tails(self, x: Tensor) -> Tails:
        """log P(X ≤ x) and log P(X > x)."""
        if self.batched:
            tails = [log_tails(self.components[0], x.unsqueeze(-1))]
            lower, upper = tails[0]
        else:
            tails = [log_tails(part, x) for part in self.components]
            lower, upper = (torch.stack([pair[side] for pair in tails], -1) for side in (0, 1))
        return log_weighted_sum(self.weights, lower), log_weighted_sum(self.weights, upper)


def log_weighted_sum(weights: Tensor, log_terms: Tensor) -> Tensor:
    """log Σₖ wₖ exp(tₖ) over the last axis; finite gradients where a weight is 0 or a term −inf, −inf where all are."""
    counted = (weights > 0) & (log_terms > -math.inf)
    largest = torch.where(counted, log_terms, -math.inf).amax(-1, keepdim=True).detach()
    shift = torch.where(torch.isfinite(largest), largest, 0.0)
    gap = torch.clamp(torch.where(log_terms > -math.inf, log_terms - shift, 0.0), max=700.0)
    ratio = torch.where(log_terms > -math.inf, torch.exp(gap), 0.0)
    total = (weights * ratio).sum(-1)
    positive = total > 0
    return torch.where(positive, torch.log(torch.where(positive, total, 1.0)) + shift.squeeze(-1), -math.inf)


def log_prob_in_support(part: Distribution, value: Tensor) -> Tensor:
    if part.event_shape or isinstance(part, Delta):
        return part.log_prob(value)
    return log_prob_inside(part, interval_of(support_of(part)), value)


def _check_components(parts: Sequence[Distribution], count: int, weights: Tensor) -> None:
    if weights.shape[-1] != count:
        raise ValueError(f"{count} components need {count} weights, not {weights.shape[-1]}")
    if len({part.event_shape for part in parts}) > 1:
        raise ValueError(f"components differ in shape: {[tuple(part.event_shape) for part in parts]}")


@log_tails.register
def _(d: Mixture, x: Tensor) -> Tails:
    return d.log_tails(x)


@log_tails.register
def _(d: Delta, x: Tensor) -> Tails:
    at = x >= d.v
    zero = torch.zeros_like(x + d.v)
    return torch.where(at, zero, -math.inf), torch.where(at, -math.inf, zero)
