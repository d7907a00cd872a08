"""Observed arrays with missing entries: those become latent, the rest stay data, and the joint density is exact.

The program has the data with placeholders where entries are missing, and a mask of these. What the sampler moves is one
vector that holds the missing entries alone.
"""

from functools import singledispatch
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyro
import torch
from pyro.distributions import MultivariateNormal, constraints
from torch import Tensor
from torch.distributions import Distribution, Independent, biject_to
from torch.distributions.constraints import Constraint
from torch.distributions.transforms import Transform

from .columns import Columns
from .constraints import ColumnsOf, batch_to_columns, columns_to_batch, register
from .parametric import RuntimeDistribution
from .typed import NO_SHAPE, Shape, broadcast_shapes, cholesky, draw, satisfies, support_of

_untyped_pyro: Any = pyro


def sample_missing(
    name: str, distribution: Distribution, value: Tensor, missing: Tensor, order: tuple[int, ...] | None = None
) -> Tensor:
    """Draw the missing entries of `value`, observe the others, and return `value` completed.

    Where the entries are independent (batch axes, and axes that `to_event` made), site `name` is the vector of the
    missing ones, each with its own density, and site `<name>_observed` the vector of the others. Where they are not
    (MvNormal, Dirichlet), there is the site `name` only: its log_prob at the missing entries is the joint density of
    the completed array, observed entries included.

    Shapes: value and missing those of a draw, once their axes are permuted to `order`; a single value is drawn or
    observed as a whole. The missing entries stand in the row-major order of `value` as it was given.
    Errors: TypeError where a part of a draw cannot be missing alone (an entry of a simplex).
    """
    if order is not None:
        back = tuple(order.index(axis) for axis in range(len(order)))
        rank = torch.arange(value.numel(), device=value.device).reshape(value.shape).permute(order)
        return _completed(name, distribution, value.permute(order), missing.permute(order), rank).permute(back)
    return _completed(name, distribution, value, missing, None)


def _completed(name: str, distribution: Distribution, value: Tensor, missing: Tensor, rank: Tensor | None) -> Tensor:
    """`sample_missing` for axes in the distribution's order; `rank` says where each entry stands among all."""
    marks = marked(missing)
    if not marks.any():
        return _sample(name, distribution, value)
    if value.dim() == 0:
        return _sample(name, distribution)
    shape = broadcast_shapes(value.shape, distribution.batch_shape + distribution.event_shape)
    value, missing = value.expand(shape), missing.expand(shape)
    entries = _separate(distribution)
    if entries is None:
        batch_shape = shape[: len(shape) - len(distribution.event_shape)]
        joint = MissingPart(distribution.expand(batch_shape), value, missing, rank)
        return joint.completed(_sample(name, joint))
    each = MissingPart(entries.expand(shape), value, missing, rank)
    completed = each.completed(_sample(name, each))
    if not marks.all():
        rest = MissingPart(entries.expand(shape), completed, ~missing, rank)
        _sample(f"{name}_observed", rest, value.reshape(-1)[rest.places])
    return completed


def marked(data: Tensor) -> npt.NDArray[Any]:
    """Data as an array: what they decide is decided once, by no operation that whatever records or maps over could see."""
    transforms: Any = torch._C._functorch
    while transforms.is_functorch_wrapped_tensor(data):  # as everything is that `torch.func` has seen made
        data = transforms.get_unwrapped(data)
    with torch._C._DisableFuncTorch():
        return data.cpu().numpy()


def _sample(name: str, distribution: Distribution, value: Tensor | None = None) -> Tensor:
    drawn: Tensor = _untyped_pyro.sample(name, distribution, obs=value)
    return drawn


def _separate(distribution: Distribution) -> Distribution | None:
    """The distribution of the entries, where these are independent; else None."""
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    return None if distribution.event_shape else distribution


class MissingPart(RuntimeDistribution):
    """The entries of an array where `missing` is true, as one vector, given the others.

    Entries of a univariate base are independent: log_prob is the sum of their log densities. Of a multivariate base
    it is the log density of the completed array, the joint one. Shapes: value and missing those of the base's draws;
    event shape (n,), n the number of true entries, in row-major order or that of `rank`; no batch axes. Draws are the
    missing entries of a draw of the base given the others, where `conditional_draw` knows that conditional. Errors:
    TypeError for a support whose entries depend on each other.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(
        self,
        base: Distribution,
        value: Tensor,
        missing: Tensor,
        rank: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.base, self.value, self.missing = base, value, missing
        places = np.flatnonzero(marked(missing))
        if rank is not None:
            places = places[np.argsort(marked(rank).reshape(-1)[places])]
        self.places = torch.from_numpy(places).to(missing.device)
        super().__init__(torch.Size(), self.places.shape, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        if torch.Size(batch_shape):
            raise NotImplementedError("the missing entries of an array are one vector, and have no batch")
        return self

    def completed(self, entries: Tensor) -> Tensor:
        """The array with these entries in the places of the missing ones; (…, n) to (…, *shape of the array)."""
        return _filled(self.value, self.places, entries)

    @constraints.dependent_property(event_dim=1)
    def support(self) -> Constraint:
        return EntriesOf(entrywise(support_of(self.base)), self.value, self.places)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        density: Tensor = self.base.log_prob(self.completed(value))
        lead = value.shape[:-1]
        if self.base.event_shape:
            return density.reshape((*lead, -1)).sum(-1)
        return density.reshape((*lead, -1))[..., self.places].sum(-1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            drawn = conditional_draw(self.base, self.value, self.missing, torch.Size(sample_shape))
            return drawn.reshape((*torch.Size(sample_shape), -1))[..., self.places]


def _filled(value: Tensor, places: Tensor, entries: Tensor) -> Tensor:
    lead = entries.shape[:-1]
    flat = value.reshape(-1).expand((*lead, value.numel())).to(torch.result_type(value, entries))
    filled = flat.index_copy(-1, places, entries.to(flat.dtype))
    return filled.reshape((*lead, *value.shape))


# ── supports ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class EntriesOf(Constraint):
    """Vectors of some entries of an array that lies, entry by entry, in `base`; `value` stands in for the others."""

    is_discrete = False
    event_dim = 1

    def __init__(self, base: Constraint, value: Tensor, places: Tensor) -> None:
        self.base, self.value, self.places = base, value, places
        self.is_discrete = base.is_discrete
        super().__init__()

    def __repr__(self) -> str:
        return f"EntriesOf({self.base}, {len(self.places)} of {tuple(self.value.shape)})"

    def check(self, value: Tensor) -> Tensor:
        mask = satisfies(self.base, _filled(self.value, self.places, value))
        return (
            mask.expand((*value.shape[:-1], *self.value.shape))
            .reshape((*value.shape[:-1], -1))[..., self.places]
            .all(-1)
        )


def entrywise(support: Constraint) -> Constraint:
    """The support of each entry, where it says nothing about several together; TypeError where it does."""
    inner: Any = support
    while True:
        if isinstance(inner, ColumnsOf):
            inner = inner.base
        elif hasattr(inner, "base_constraint"):
            inner = inner.base_constraint
        elif inner.event_dim:
            raise TypeError(f"entries of a draw from {support} cannot be missing alone: they determine each other")
        else:
            entry: Constraint = inner
            return entry


class EntriesTransform(Transform):
    """An elementwise bijection of a whole array, on some entries of it."""

    domain = constraints.real_vector
    bijective = True

    def __init__(self, part: Transform, support: EntriesOf, cache_size: int = 0) -> None:
        self.part: Any = part
        self.support = support
        self.codomain = support
        super().__init__(cache_size=cache_size)

    def with_cache(self, cache_size: int = 1) -> "EntriesTransform":
        return self if self._cache_size == cache_size else EntriesTransform(self.part, self.support, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntriesTransform) and self.support is other.support

    def _whole(self, entries: Tensor) -> Tensor:
        return _filled(torch.zeros_like(self.support.value, dtype=entries.dtype), self.support.places, entries)

    def _entries(self, whole: Tensor, lead: torch.Size) -> Tensor:
        whole = whole.expand((*lead, *self.support.value.shape))
        return whole.reshape((*lead, -1))[..., self.support.places]

    def _call(self, x: Tensor) -> Tensor:
        return self._entries(self.part(self._whole(x)), x.shape[:-1])

    def _inverse(self, y: Tensor) -> Tensor:
        inside = self.part(torch.zeros_like(self.support.value, dtype=y.dtype))
        return self._entries(self.part.inv(_filled(inside, self.support.places, y)), y.shape[:-1])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        whole = self._whole(x)
        each: Tensor = self.part.log_abs_det_jacobian(whole, self.part(whole))
        return self._entries(each, x.shape[:-1]).sum(-1)


def _entries(support: EntriesOf) -> Transform:
    return EntriesTransform(biject_to(support.base), support)


register(EntriesOf, _entries)


# ── draws ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@singledispatch
def conditional_draw(distribution: Distribution, value: Tensor, missing: Tensor, sample_shape: torch.Size) -> Tensor:
    """A draw whose missing entries follow their distribution given the others; what it has elsewhere means nothing.

    Exact for independent entries and the multivariate normal. For other multivariate distributions it is a draw of the
    whole, which serves as a starting point.
    """
    return draw(distribution, sample_shape)


@conditional_draw.register
def _(distribution: MultivariateNormal, value: Tensor, missing: Tensor, sample_shape: torch.Size) -> Tensor:
    """x + Σ·M·(M·Σ·M + 1 − M)⁻¹·M·(value − x), x a draw of the whole, M the mask of the others (Matheron's rule)."""
    whole = draw(distribution, sample_shape)
    others = (~missing).to(whole.dtype)
    covariance = distribution.covariance_matrix
    cut = covariance * others.unsqueeze(-1) * others.unsqueeze(-2) + torch.diag_embed(1 - others)
    gap = torch.where(missing, 0.0, value - whole).unsqueeze(-1)
    factor = cholesky(cut).expand((*gap.shape[:-2], *cut.shape[-2:]))
    weights = others.unsqueeze(-1) * torch.cholesky_solve(gap, factor)
    return whole + (covariance @ weights).squeeze(-1)


@conditional_draw.register
def _(distribution: Columns, value: Tensor, missing: Tensor, sample_shape: torch.Size) -> Tensor:
    rank = len(distribution.base.event_shape)
    rows = columns_to_batch(value, rank), columns_to_batch(missing, rank)
    return batch_to_columns(conditional_draw(distribution.base, *rows, sample_shape), rank)
