"""Distributions over covariance matrices, and vectors given by precision or by a scale matrix.

torch's Wishart looks at the values of its parameters when it is built, which cannot be mapped over chains, and there
is no inverse Wishart. No positive definiteness is checked here: a matrix that is not gives NaN.
"""

import math
from typing import Any, ClassVar

import torch
from pyro.distributions import MultivariateNormal, MultivariateStudentT, constraints
from torch import Tensor
from torch.distributions.constraints import Constraint

from .constraints import Covariance
from .parametric import Parametric
from .typed import NO_SHAPE, Shape, Value, broadcast_shapes, cholesky, greater_than, solve_lower


def _half_log_det(factor: Tensor) -> Tensor:
    """½·log det(L·Lᵀ)."""
    return torch.log(factor.diagonal(dim1=-2, dim2=-1)).sum(-1)


def _log_multigamma(a: Tensor, d: int) -> Tensor:
    """log Γ_d(a) = d(d − 1)/4·log π + Σᵢ log Γ(a − i/2), i = 0…d − 1."""
    halves = 0.5 * torch.arange(d, dtype=a.dtype, device=a.device)
    return d * (d - 1) / 4 * math.log(math.pi) + torch.lgamma(a.unsqueeze(-1) - halves).sum(-1)


class _OverCovariances(Parametric):
    """Degrees of freedom ν > d − 1 and a d × d scale matrix, kept as its Cholesky factor."""

    support = Covariance()
    has_rsample = True
    parameter_ranks: ClassVar[dict[str, int]] = {"df": 0, "scale_tril": 2}

    def __init__(self, df: Value, scale: Tensor, validate_args: bool | None = None) -> None:
        freedom = torch.as_tensor(df, dtype=scale.dtype, device=scale.device)
        shape = broadcast_shapes(freedom.shape, scale.shape[:-2])
        self.df = freedom.expand(shape)
        self.scale_tril = cholesky(scale).expand(shape + scale.shape[-2:])
        super().__init__(shape, scale.shape[-2:], validate_args=validate_args)

    @property
    def arg_constraints(self) -> dict[str, Constraint]:
        return {"df": greater_than(self.event_shape[-1] - 1), "scale_tril": constraints.lower_cholesky}

    def _log_normaliser(self) -> Tensor:
        d = self.event_shape[-1]
        return 0.5 * d * math.log(2) * self.df + _log_multigamma(self.df / 2, d)

    def _bartlett(self, sample_shape: Shape) -> Tensor:
        """A lower triangular with A·Aᵀ ~ Wishart(ν, I)."""
        shape = self._shape(sample_shape)
        noise = torch.randn(shape, dtype=self.df.dtype, device=self.df.device)
        step = torch.arange(shape[-1], dtype=self.df.dtype, device=self.df.device)
        half_df = ((self.df.unsqueeze(-1) - step) / 2).expand(shape[:-1])
        return torch.tril(noise, -1) + torch.diag_embed(torch.sqrt(2 * torch._standard_gamma(half_df)))


class Wishart(_OverCovariances):
    """log p(X) = (ν − d − 1)/2·log|X| − ½ tr(S⁻¹X) − νd/2·log 2 − ν/2·log|S| − log Γ_d(ν/2).

    Parameters: df ν > d − 1 (…), scale S (…, d, d) positive definite, in X's units; mean ν·S. Event shape (d, d).
    Draws by Bartlett's decomposition, with gradient. Source: Distributions.jl `Wishart`.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        factor = cholesky(value)
        root = solve_lower(self.scale_tril, factor)
        power = self.df - self.event_shape[-1] - 1
        fit = power * _half_log_det(factor) - 0.5 * (root * root).sum((-2, -1))
        return fit - self.df * _half_log_det(self.scale_tril) - self._log_normaliser()

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        factor = self.scale_tril @ self._bartlett(sample_shape)
        return factor @ factor.mT


class InverseWishart(_OverCovariances):
    """log p(X) = ν/2·log|Ψ| − (ν + d + 1)/2·log|X| − ½ tr(Ψ X⁻¹) − νd/2·log 2 − log Γ_d(ν/2).

    Parameters: df ν > d − 1 (…), scale Ψ (…, d, d) positive definite, in X's units; mean Ψ/(ν − d − 1). Event shape
    (d, d). Draws are inverses of Wishart(ν, Ψ⁻¹) draws, with gradient. Source: Distributions.jl `InverseWishart`.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        factor = cholesky(value)
        root = solve_lower(factor, self.scale_tril)
        power = self.df + self.event_shape[-1] + 1
        fit = -power * _half_log_det(factor) - 0.5 * (root * root).sum((-2, -1))
        return fit + self.df * _half_log_det(self.scale_tril) - self._log_normaliser()

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        noise = self._bartlett(sample_shape)
        factor = solve_lower(noise, self.scale_tril.mT.expand_as(noise)).mT
        return factor @ factor.mT


def symmetric(matrix: Tensor) -> Tensor:
    """The upper triangle, mirrored; shape (…, d, d). Source: Julia's `Symmetric`."""
    return torch.triu(matrix) + torch.triu(matrix, 1).mT


def mv_normal_canonical(potential: Tensor, precision: Tensor) -> MultivariateNormal:
    """Normal with density ∝ exp(hᵀx − ½ xᵀJx): mean J⁻¹h, precision J. Source: Distributions.jl `MvNormalCanon(h, J)`.

    Shapes: potential h (…, d), precision J (…, d, d). The covariance's factor is taken from J's by reversing its
    axes, so J is factored once and never inverted.
    """
    factor = cholesky(precision)
    loc = torch.cholesky_solve(potential.unsqueeze(-1), factor).squeeze(-1)
    reversed_factor = cholesky(precision.flip(-2, -1)).flip(-2, -1).mT
    identity = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device).expand_as(precision)
    scale_tril = solve_lower(reversed_factor, identity)
    return MultivariateNormal(loc, scale_tril=scale_tril)


def mv_student(df: Value, loc: Tensor, scale: Tensor) -> MultivariateStudentT:
    """Multivariate t with ν degrees of freedom, location μ (…, d) and scale matrix Σ (…, d, d), no covariance.

    p(x) ∝ (1 + (x − μ)ᵀ Σ⁻¹ (x − μ) / ν)^{−(ν + d)/2}. Source: Distributions.jl `MvTDist(ν, μ, Σ)`.
    """
    make: Any = MultivariateStudentT
    distribution: MultivariateStudentT = make(df, loc, cholesky(scale))
    return distribution
