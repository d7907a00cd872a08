"""Supports of univariate distributions as intervals, so that they can be cut and joined.

torch describes a support by one of a dozen constraint classes; truncation needs their intersection and a mixture
their union.
"""

import math
from dataclasses import dataclass

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .constraints import AffineImage
from .typed import Value, at_least, between, integers_between


@dataclass(frozen=True)
class Interval:
    """The numbers from `lower` to `upper`, the integers if `discrete`; an end is a number (±inf: none) or a tensor."""

    lower: Value
    upper: Value
    discrete: bool


def interval_of(support: Constraint) -> Interval:
    """The interval a univariate support covers; TypeError for a support that is none."""
    if isinstance(support, AffineImage):
        return _affine_interval(support)
    if support is constraints.boolean:
        return Interval(0, 1, True)
    if support.event_dim or not _is_interval(support):
        raise TypeError(f"{support} is not the support of one number")
    lower = getattr(support, "lower_bound", -math.inf)
    return Interval(lower, getattr(support, "upper_bound", math.inf), support.is_discrete)


def _is_interval(support: Constraint) -> bool:
    bounded = hasattr(support, "lower_bound") or hasattr(support, "upper_bound")
    return bounded or support is constraints.real or support is constraints.integer


def _affine_interval(image: AffineImage) -> Interval:
    """Ends of loc + scale·base: a tensor scale counts as positive unless the base is bounded on both sides."""
    base, loc, scale = interval_of(image.base), image.loc, image.scale
    first, last = (_shifted(loc, scale, end) for end in (base.lower, base.upper))
    if not isinstance(scale, Tensor):
        return Interval(first, last, base.discrete) if scale >= 0 else Interval(last, first, base.discrete)
    if isinstance(first, Tensor) and isinstance(last, Tensor):
        return Interval(torch.minimum(first, last), torch.maximum(first, last), base.discrete)
    return Interval(first, last, base.discrete)


def _shifted(loc: Value, scale: Value, end: Value) -> Value:
    """loc + scale·end, an end that is known to be infinite staying a number."""
    if not is_absent(end):
        return loc + scale * end
    return end if isinstance(scale, Tensor) else scale * end


def constraint_of(interval: Interval) -> Constraint:
    """The constraint class that torch has a transform for."""
    lower, upper = interval.lower, interval.upper
    from_below, from_above = is_absent(lower), is_absent(upper)
    if interval.discrete:
        return _discrete_constraint(lower, upper)
    if from_below and from_above:
        return constraints.real
    if from_above:
        return at_least(lower)
    return AffineImage(constraints.nonnegative, upper, -1.0) if from_below else between(lower, upper)


def _discrete_constraint(lower: Value, upper: Value) -> Constraint:
    if is_absent(lower):
        return constraints.integer
    return integers_between(lower, upper)


def bound_or(bound: Value | None, absent: float) -> Value:
    """The bound, or what stands for none."""
    return absent if bound is None else bound


def is_absent(end: Value) -> bool:
    """True for an end that is known to be infinite when the program is written; a tensor is not."""
    return not isinstance(end, Tensor) and math.isinf(end)


def intersection(first: Interval, second: Interval) -> Interval:
    """The numbers in both."""
    lower = _extreme(first.lower, second.lower, largest=True)
    upper = _extreme(first.upper, second.upper, largest=False)
    return Interval(lower, upper, first.discrete or second.discrete)


def union(first: Interval, second: Interval) -> Interval:
    """The shortest interval that holds both."""
    lower = _extreme(first.lower, second.lower, largest=False)
    upper = _extreme(first.upper, second.upper, largest=True)
    return Interval(lower, upper, first.discrete and second.discrete)


def _extreme(first: Value, second: Value, *, largest: bool) -> Value:
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        tensor = first if isinstance(first, Tensor) else second
        pair = [torch.as_tensor(v, dtype=tensor.dtype, device=tensor.device) for v in (first, second)]  # type: ignore[union-attr]
        return torch.maximum(*pair) if largest else torch.minimum(*pair)
    return max(first, second) if largest else min(first, second)


def interior_point(interval: Interval, like: Tensor) -> Tensor:
    """A number well inside the interval, of the dtype and device of `like`: what stands in for values outside.

    The middle of a bounded interval, half a unit from a single end, 0 on the line; an integer if it is discrete.
    """
    lower, upper = (torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in (interval.lower, interval.upper))
    has_lower, has_upper = torch.isfinite(lower), torch.isfinite(upper)
    left = torch.where(has_lower, lower, torch.where(has_upper, upper - 1, 0.0))
    right = torch.where(has_upper, upper, left + 1)
    return torch.ceil(left) if interval.discrete else (left + right) / 2


def inside(interval: Interval, value: Tensor) -> Tensor:
    """Mask of the values in the interval, ends included; NaN is outside."""
    within = (value >= interval.lower) & (value <= interval.upper)
    return within & (value == torch.floor(value)) if interval.discrete else within


def log_prob_inside(distribution: Distribution, interval: Interval, value: Tensor) -> Tensor:
    """log_prob of a univariate distribution, −inf outside the interval, with finite gradients there.

    torch's own `log_prob` extends many densities beyond their support when arguments are not validated.
    """
    within = inside(interval, value)
    density: Tensor = distribution.log_prob(torch.where(within, value, interior_point(interval, value)))
    return torch.where(within, density, -math.inf)
