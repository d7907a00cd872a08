"""A Pyro model seen as a function of one flat, unconstrained vector.

Samplers move a vector q ∈ ℝᴰ; a Pyro model speaks of named sites with supports. `read_sites` runs the model once to
learn its latent sites; `log_density` and `constrained` then run the model again with each latent site set to
T(u), where u is the site's part of q and T = `biject_to(support)`:

    log π(q) = log p(T(q), data) + Σ log |det ∂T/∂u|

The support is the one the site has in that very run, so a support that depends on other sites (Uniform(0, τ)) is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.distributions import Delta, MaskedDistribution
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.distributions import biject_to
from torch.overrides import TorchFunctionMode

from mlmdsl.inference.draws import UnsupportedModel
from mlmdsl.inference.process import IsolatedRandomness, alone
from mlmdsl.inference.recentring import Evidence, freed

Model = Callable[[], Any]


@dataclass(frozen=True)
class Site:
    """One latent site: its part of q is q[start:stop], reshaped to `shape` and cast to `dtype`; T as in the run that
    was read."""

    name: str
    start: int
    stop: int
    shape: torch.Size
    dtype: torch.dtype
    transform: Any


@dataclass(frozen=True)
class Sites:
    """The latent sites of a model, in the order of its trace, and the number type and device of q.

    Sites named in `centring` are freed of their parents by that evidence (`inference.recentring`).
    """

    model: Model
    latent: tuple[Site, ...]
    dim: int
    dtype: torch.dtype
    device: torch.device
    centring: Mapping[str, Evidence] = field(default_factory=dict)

    def split(self, q: Tensor) -> dict[str, Tensor]:
        """The unconstrained value of each site; q has shape (D,)."""
        return {site.name: q[site.start : site.stop].reshape(site.shape).to(site.dtype) for site in self.latent}

    def log_density(self, q: Tensor) -> Tensor:
        """log π(q) with the Jacobian of the transforms, a scalar; q has shape (D,)."""
        messenger = _Unconstrained(self.split(q), self.centring)
        with alone(), pyro.validation_enabled(False), FailuresAsNan():
            total: Tensor = _trace(self.model, messenger).log_prob_sum() + messenger.log_jacobian
        return total

    def potential(self, q: Tensor) -> Tensor:
        """U(q) = −log π(q), a scalar; q has shape (D,)."""
        return -self.log_density(q)

    def constrained(self, q: Tensor) -> dict[str, Tensor]:
        """The latent and the deterministic sites at q, in the order of the trace; q has shape (D,)."""
        nodes = _trace(self.model, _Unconstrained(self.split(q), self.centring)).nodes
        return {name: node["value"] for name, node in nodes.items() if _is_latent(node) or _is_deterministic(node)}

    def distributions(self, q: Tensor, names: Collection[str]) -> dict[str, Any]:
        """What sites are drawn from at q; q has shape (D,)."""
        nodes = _trace(self.model, _Unconstrained(self.split(q), self.centring)).nodes
        return {name: nodes[name]["fn"] for name in names}


class FailuresAsNan(TorchFunctionMode):
    """A factorisation that fails gives nan where torch would raise.

    Far from the posterior a covariance may be singular to rounding. That chain's density is then nan and its
    transition diverges; an exception would end the run of all chains.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        safe = _SAFE.get(func, func)
        return safe(*args, **(kwargs or {}))


def _nan_where_failed(result: Tensor, info: Tensor) -> Tensor:
    failed = (info != 0).reshape(*info.shape, *[1] * (result.ndim - info.ndim))
    return torch.where(failed, torch.nan, result)


def _cholesky(matrix: Tensor, *, upper: bool = False) -> Tensor:
    return _nan_where_failed(*torch.linalg.cholesky_ex(matrix, upper=upper))


def _inv(matrix: Tensor) -> Tensor:
    return _nan_where_failed(*torch.linalg.inv_ex(matrix))


def _solve(matrix: Tensor, right: Tensor, *, left: bool = True) -> Tensor:
    return _nan_where_failed(*torch.linalg.solve_ex(matrix, right, left=left))


def _old_cholesky(matrix: Tensor, upper: bool = False) -> Tensor:
    return _cholesky(matrix, upper=upper)


_SAFE: dict[Any, Callable[..., Tensor]] = {
    torch.linalg.cholesky: _cholesky,
    torch.cholesky: _old_cholesky,
    Tensor.cholesky: _old_cholesky,
    torch.linalg.inv: _inv,
    torch.inverse: _inv,
    Tensor.inverse: _inv,
    torch.linalg.solve: _solve,
}


class _Unconstrained(poutine.messenger.Messenger):
    """Sets each latent site to T(u) and sums the log-Jacobians."""

    def __init__(self, values: Mapping[str, Tensor], centring: Mapping[str, Evidence]) -> None:
        super().__init__()
        self.values, self.centring = values, centring
        self.log_jacobian: Tensor | float = 0.0

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        u = self.values.get(msg["name"])
        if u is None or msg["is_observed"]:
            return
        evidence = self.centring.get(msg["name"])
        fn = msg["fn"]
        transform = biject_to(fn.support) if evidence is None else freed(fn, evidence)
        msg["value"] = transform(u)
        msg["done"] = True
        self.log_jacobian = self.log_jacobian + transform.log_abs_det_jacobian(u, msg["value"]).sum()


class _Prototype(poutine.messenger.Messenger):
    """Sets each continuous latent site to T(0), wherever it may be, and notes the shape and dtype of its u."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: dict[str, Tensor] = {}
        self.transforms: dict[str, Any] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["is_observed"] or msg["value"] is not None or not _is_continuous(msg["fn"]):
            return
        transform = biject_to(msg["fn"].support)
        shape = _unconstrained_shape(transform, msg["fn"].shape())
        origin = torch.zeros(shape, **_number_type(msg["fn"]))
        self.origins[msg["name"]] = origin
        self.transforms[msg["name"]] = transform
        msg["value"] = transform(origin)
        msg["done"] = True


def _unconstrained_shape(transform: Any, shape: torch.Size) -> torch.Size:
    """The shape of u; asking an elementwise transform for it would import a part of torch that takes a third of a second."""
    elementwise = transform.domain.event_dim == 0 == transform.codomain.event_dim
    return shape if elementwise else torch.Size(transform.inverse_shape(shape))


def read_sites(model: Model, seed: int = 0) -> Sites:
    """Learn the latent sites by running the model once; the global random state is left as it was.

    Raises UnsupportedModel, naming the sites, if some latent site is discrete or subsampled, or if there is none.
    """
    with IsolatedRandomness(seed):
        prototype = _Prototype()
        nodes = _trace(model, prototype).nodes
    _check_supported(nodes, prototype.origins)
    values = [n["value"] for n in nodes.values() if n["type"] == "sample" and isinstance(n["value"], Tensor)]
    floats = [v.dtype for v in values if v.dtype.is_floating_point]
    latent, start = [], 0
    for name, origin in prototype.origins.items():
        transform = prototype.transforms[name]
        latent.append(Site(name, start, start + origin.numel(), origin.shape, origin.dtype, transform))
        start += origin.numel()
    device = next(iter(prototype.origins.values())).device
    return Sites(model, tuple(latent), start, _widest(floats), device)


def _trace(model: Model, messenger: poutine.messenger.Messenger) -> Any:
    # validation reads values, which costs time and cannot be vectorised: a bad value shows as a non-finite density
    with alone(), pyro.validation_enabled(False), FailuresAsNan():
        return poutine.trace(messenger(model)).get_trace()


def _check_supported(nodes: Mapping[str, Any], origins: Mapping[str, Tensor]) -> None:
    free = {name: node["fn"] for name, node in nodes.items() if node["type"] == "sample" and not node["is_observed"]}
    subsampled = [n for n, fn in free.items() if isinstance(fn, _Subsample) and _is_subset(fn)]
    if subsampled:
        raise UnsupportedModel(f"NUTS needs all data, but these plates subsample: {_listed(subsampled)}", subsampled)
    discrete = [n for n, fn in free.items() if n not in origins and not isinstance(fn, _Subsample)]
    if discrete:
        raise UnsupportedModel(f"NUTS moves only continuous sites; these are discrete: {_listed(discrete)}", discrete)
    if sum(origin.numel() for origin in origins.values()) == 0:
        raise UnsupportedModel("the model has no latent site: all of it is observed, and nothing is left to sample")


def _is_subset(fn: _Subsample) -> bool:
    return fn.subsample_size is not None and fn.subsample_size < fn.size


def _is_continuous(fn: Any) -> bool:
    return not isinstance(fn, _Subsample) and not fn.has_enumerate_support and not fn.support.is_discrete


def _is_latent(node: Mapping[str, Any]) -> bool:
    return node["type"] == "sample" and not node["is_observed"] and not isinstance(node["fn"], _Subsample)


def _is_deterministic(node: Mapping[str, Any]) -> bool:
    """`pyro.deterministic`, and what a reparametrisation leaves in the place of the site it replaced."""
    if node["type"] != "sample" or not node["is_observed"]:
        return False
    fn = node["fn"]
    masked_delta = isinstance(fn, MaskedDistribution) and fn._mask is False and isinstance(fn.base_dist, Delta)
    return bool(node["infer"].get("_deterministic")) or masked_delta


def _number_type(fn: Any) -> dict[str, Any]:
    try:
        value = fn.sample()
    except NotImplementedError:  # improper priors cannot be drawn from: take what their own tensors say
        tensors = [v for v in vars(fn).values() if isinstance(v, Tensor) and v.dtype.is_floating_point]
        value = tensors[0] if tensors else torch.empty(0)
    return {"dtype": value.dtype, "device": value.device}


def _widest(dtypes: list[torch.dtype]) -> torch.dtype:
    widest = dtypes[0]
    for dtype in dtypes[1:]:
        widest = torch.promote_types(widest, dtype)
    return widest


def _listed(names: list[str]) -> str:
    return ", ".join(f"{name!r}" for name in names)
