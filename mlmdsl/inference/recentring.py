"""A site freed of its parents: x ~ D(μ, s), a location-scale family, sampled as v with

    x = (μ + b·s²) / (1 + i·s²) + s / √(1 + i·s²) · v.

If the data say of x what a normal observation of information i and value b/i would say, then v is standard normal given μ
and s, before data and after: the sampler sees neither the funnel of the centred form (v = x) where data are few, nor
that of the form that is not centred (i = b = 0) where they are many, whatever s is. Any i ≥ 0 and b may be used, element by
element: a change of variables is exact. Compare Kleppe (2019), Dynamically rescaled Hamiltonian Monte Carlo for Bayesian
hierarchical models, J. Comput. Graph. Stat. 28(3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyro.distributions as dist
from torch import Tensor
from torch.distributions.transforms import AffineTransform

LOCATION_SCALE = (dist.Normal, dist.StudentT, dist.Laplace, dist.Cauchy, dist.Logistic, dist.Gumbel)


class Evidence(NamedTuple):
    """What data say of the elements of a site: information i, and b, i times the value that they point to.

    `share` is how centred that makes x: the share of the data in what is known of it, i / (i + 1/s²) at a typical s.
    """

    information: Tensor
    pull: Tensor
    share: Tensor


class NotLocationScale(ValueError):
    """The distribution has no location and scale that its draws could be freed of."""


def location_and_scale(fn: Any) -> tuple[Tensor, Tensor]:
    """μ and s of a distribution, independent ones of its family included.

    Raises:
        NotLocationScale: it is of another family.
    """
    base = fn
    while isinstance(base, dist.Independent):
        base = base.base_dist
    if not isinstance(base, LOCATION_SCALE):
        raise NotLocationScale(f"{type(base).__name__} is not a location-scale family: such a site has one form only")
    location: Tensor = base.loc
    scale: Tensor = base.scale
    return location, scale


def freed(fn: Any, evidence: Evidence) -> AffineTransform:
    """v ↦ x; the evidence has the shape of a draw of fn."""
    location, scale = location_and_scale(fn)
    variance = scale.square()
    growth = 1 + evidence.information * variance
    middle = (location + evidence.pull * variance) / growth
    return AffineTransform(middle, scale * growth.rsqrt(), event_dim=fn.event_dim)
