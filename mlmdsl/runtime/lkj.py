"""LKJ over correlation matrices themselves; over their Cholesky factors Pyro's `LKJCholesky` is exact."""

from typing import ClassVar, Self

import torch
from pyro.distributions import LKJCholesky, constraints
from torch import Tensor
from torch.distributions.constraints import Constraint

from .parametric import RuntimeDistribution, as_parameters
from .typed import NO_SHAPE, Shape, Value, cholesky, draw


class LKJ(RuntimeDistribution):
    """p(R) = det(R)^(η − 1) / c_d(η) on d × d correlation matrices.

    c_d(η) = ∏ₖ π^{k/2} Γ(η + (d − 1 − k)/2) / Γ(η + (d − 1)/2), where k runs over 1…d − 1, and
    the density is with respect to the entries below the diagonal. Parameters: d ≥ 2 a Python
    int, eta η > 0 a number or a tensor of any shape (a tensor, if float64 is wanted). Event shape (d, d). The
    support's bijection goes through R = L·Lᵀ with its Jacobian. Draws carry no gradient. Errors: ValueError for d <
    2; log_prob of a matrix that is not positive definite is NaN or meaningless. Source: Lewandowski, Kurowicka & Joe
    2009; Distributions.jl `LKJ`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"eta": constraints.positive}
    support = constraints.corr_matrix

    def __init__(self, d: int, eta: Value, validate_args: bool | None = None) -> None:
        (concentration,) = as_parameters(eta)
        self._factor = LKJCholesky(d, concentration, validate_args=False)
        super().__init__(concentration.shape, torch.Size((d, d)), validate_args=validate_args)

    @property
    def eta(self) -> Tensor:
        """η, shape: the batch shape."""
        concentration: Tensor = self._factor.concentration
        return concentration

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new._factor = self._factor.expand(shape)
        return new._finish(self, shape, self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        factor = cholesky(value)
        d = self.event_shape[-1]
        power = torch.arange(d - 1, -1, -1, dtype=factor.dtype, device=factor.device)
        jacobian = (power * torch.log(factor.diagonal(dim1=-2, dim2=-1))).sum(-1)
        density: Tensor = self._factor.log_prob(factor)
        return density - jacobian

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            factor = draw(self._factor, sample_shape)
            return factor @ factor.mT
