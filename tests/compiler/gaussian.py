"""The exact integral of a program over its Gaussian effects, from nothing but the program's own density.

With everything else fixed, log p(y, z) is a quadratic in the effects z: −½ zᵀPz + bᵀz + c. Its gradient and Hessian at any z
give P and b, so that log ∫ p(y, z) dz = c + ½ bᵀP⁻¹b − ½ log det P + q/2 · log 2π, and z | y ~ N(P⁻¹b, P⁻¹).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from pyro import poutine
from torch import Tensor

Program = Callable[[], Any]


class Integral(NamedTuple):
    """log ∫ p(y, z) dz, and the mean and the covariance of z given y, of the effects one after another."""

    log_density: float
    mean: Tensor
    covariance: Tensor


def traced(program: Program, values: Mapping[str, Tensor]) -> Any:
    """A trace with its densities, given values of sites."""
    with poutine.block():
        trace = poutine.trace(poutine.condition(program, data=dict(values))).get_trace()
    trace.compute_log_prob()
    return trace


def integrated(program: Program, theta: Mapping[str, Tensor], names: Sequence[str]) -> Integral:
    """The integral over the sites of these names, given all others."""
    shapes = {name: traced(program, theta).nodes[name]["value"].shape for name in names}
    parts = [math.prod(shape) for shape in shapes.values()]

    def density(z: Tensor) -> Tensor:
        each = zip(shapes.items(), z.split(parts), strict=True)
        value: Tensor = traced(program, {**theta, **{n: p.reshape(s) for (n, s), p in each}}).log_prob_sum()
        return value

    zero = torch.zeros(sum(parts), dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(density, zero)
    precision = -torch.autograd.functional.hessian(density, zero)
    mean = torch.linalg.solve(precision, gradient)
    normal = len(zero) * math.log(2 * math.pi) - torch.linalg.slogdet(precision).logabsdet
    return Integral(float(density(zero) + (gradient @ mean + normal) / 2), mean, torch.linalg.inv(precision))


def conditional_of(collapsed: Any) -> tuple[Tensor, Tensor]:
    """The mean and the covariance of a collapsed distribution's draws: they are linear in the noise."""

    def draw(noise: Tensor) -> Tensor:
        return torch.cat([value.reshape(-1) for value in collapsed.posterior(noise).values()])

    zero = torch.zeros(collapsed.size, dtype=torch.float64)
    spread = torch.autograd.functional.jacobian(draw, zero)
    return draw(zero).detach(), spread @ spread.T
