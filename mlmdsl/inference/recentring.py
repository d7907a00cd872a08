"""A site between centred and not centred: x ~ D(μ, s), a location-scale family, sampled as v with

    x = μ + s^(1 − c) · (v − c·μ),    so that v has location c·μ and scale s^c,

elementwise for c in [0, 1] (Papaspiliopoulos, Roberts & Sköld 2007, doi 10.1214/088342307000000014). c = 1 is the site as
it is: right where the data of an element say more about it than its prior, since x then depends little on μ and s. c = 0
is not centred: right where they say less, since v is then independent of μ and s before data. A change of variables is
exact, whatever c is.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
from torch import Tensor
from torch.distributions.transforms import AffineTransform

LOCATION_SCALE = (dist.Normal, dist.StudentT, dist.Laplace, dist.Cauchy, dist.Logistic, dist.Gumbel)


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


def partly_centred(fn: Any, centring: Tensor) -> AffineTransform:
    """v ↦ x, where `centring` (c) has the shape of a draw of fn, or broadcasts to it."""
    location, scale = location_and_scale(fn)
    power = scale.pow(1 - centring)
    return AffineTransform(location - power * centring * location, power, event_dim=fn.event_dim)
