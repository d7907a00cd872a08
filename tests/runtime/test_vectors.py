"""Distributions over vectors and matrices against densities written with numpy, and their bijections."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyro.distributions as dist
import pytest
import scipy.special as sp
import scipy.stats as st
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution, biject_to
from torch.func import grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl import runtime

Array = NDArray[np.float64]
SIGMA = np.array([[2.0, 0.6, -0.3], [0.6, 1.5, 0.2], [-0.3, 0.2, 0.8]])
MU = np.array([0.3, -1.0, 2.0])


pytestmark = pytest.mark.usefixtures("unvalidated")


def tensor(values: object) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A distribution built from one number s, and its log density at one event by numpy."""

    name: str
    build: Callable[[Tensor], Distribution]
    s: float
    log_density: Callable[[Array], float]
    discrete: bool = False


def log_lkj_constant(d: int, eta: float) -> float:
    """Lewandowski, Kurowicka & Joe 2009, equation 16, as product of gamma functions over k = 1…d − 1."""
    terms = [k / 2 * math.log(math.pi) + sp.gammaln(eta + (d - 1 - k) / 2) for k in range(1, d)]
    return float(sum(terms) - (d - 1) * sp.gammaln(eta + (d - 1) / 2))


def lkj(d: int, eta: float) -> Case:
    def log_density(r: Array) -> float:
        return (eta - 1) * float(np.linalg.slogdet(r)[1]) - log_lkj_constant(d, eta)

    return Case(f"LKJ({d}, {eta})", lambda s: runtime.LKJ(d, s), eta, log_density)


def lkj_cholesky(d: int, eta: float) -> Case:
    """Π L_kk^{d − k + 2η − 2}, k = 2…d, over the constant of LKJ: Stan's and Distributions.jl's density."""

    def log_density(factor: Array) -> float:
        power = np.array([d - k + 2 * eta - 2 for k in range(2, d + 1)])
        return float(power @ np.log(np.diag(factor)[1:])) - log_lkj_constant(d, eta)

    return Case(f"LKJCholesky({d}, {eta})", lambda s: dist.LKJCholesky(d, s), eta, log_density)


def log_ordered_density(y: Array) -> float:
    x = np.concatenate([y[:1], np.log(np.diff(y))])
    return float(st.multivariate_normal(MU, SIGMA).logpdf(x) - x[1:].sum())


def columns_density(x: Array) -> float:
    return float(sum(st.dirichlet([0.5, 1.7, 2.0]).logpdf(x[:, j]) for j in range(4)))


CASES = [
    *(lkj(d, eta) for d, eta in [(2, 1.0), (3, 0.7), (4, 2.0), (6, 3.5)]),
    *(lkj_cholesky(d, eta) for d, eta in [(2, 1.0), (3, 0.7), (4, 2.0), (6, 3.5)]),
    Case(
        "Wishart",
        lambda s: runtime.Wishart(s, tensor(SIGMA)),
        4.5,
        lambda x: float(st.wishart(4.5, SIGMA).logpdf(x)),
    ),
    Case(
        "InverseWishart",
        lambda s: runtime.InverseWishart(s, tensor(SIGMA)),
        4.5,
        lambda x: float(st.invwishart(4.5, SIGMA).logpdf(x)),
    ),
    Case(
        "MvNormal",
        lambda s: dist.MultivariateNormal(s * tensor(MU), covariance_matrix=tensor(SIGMA)),
        1.0,
        lambda x: float(st.multivariate_normal(MU, SIGMA).logpdf(x)),
    ),
    Case(
        "MvNormal, factor",
        lambda s: dist.MultivariateNormal(s * tensor(MU), scale_tril=tensor(np.linalg.cholesky(SIGMA))),
        1.0,
        lambda x: float(st.multivariate_normal(MU, SIGMA).logpdf(x)),
    ),
    Case(
        "MvNormalCanon",
        lambda s: runtime.mv_normal_canonical(s * tensor(MU), tensor(SIGMA)),
        1.0,
        lambda x: float(st.multivariate_normal(np.linalg.solve(SIGMA, MU), np.linalg.inv(SIGMA)).logpdf(x)),
    ),
    Case(
        "MvTDist",
        lambda s: runtime.mv_student(s, tensor(MU), tensor(SIGMA)),
        3.5,
        lambda x: float(st.multivariate_t(MU, SIGMA, 3.5).logpdf(x)),
    ),
    Case(
        "Dirichlet",
        lambda s: dist.Dirichlet(s * tensor([0.5, 1.7, 2.0])),
        1.0,
        lambda x: float(st.dirichlet([0.5, 1.7, 2.0]).logpdf(x)),
    ),
    Case(
        "Multinomial",
        lambda s: runtime.Multinomial(6, torch.stack([s, 0.5 - s, 0 * s + 0.5])),
        0.2,
        lambda x: float(st.multinomial(6, [0.2, 0.3, 0.5]).logpmf(x)),
        discrete=True,
    ),
    Case(
        "Ordered",
        lambda s: runtime.Ordered(dist.Normal(0.0, s).expand((3,)).to_event(1)),
        1.7,
        lambda x: float(st.norm(0, 1.7).logpdf(x).sum()),
    ),
    Case(
        "PushedOrdered",
        lambda s: runtime.PushedOrdered(dist.MultivariateNormal(s * tensor(MU), tensor(SIGMA))),
        1.0,
        log_ordered_density,
    ),
    Case(
        "Columns",
        lambda s: runtime.Columns(dist.Dirichlet(s * tensor([0.5, 1.7, 2.0])).expand((4,))),
        1.0,
        columns_density,
    ),
    Case(
        "Columns of ordered vectors",
        lambda s: runtime.Columns(runtime.Ordered(dist.Normal(0.0, s).expand((2, 3)).to_event(1))),
        1.7,
        lambda x: float(st.norm(0, 1.7).logpdf(x).sum()),
    ),
    Case(
        "Columns of matrices",
        lambda s: runtime.Columns(runtime.Wishart(s, tensor(SIGMA)).expand((2,))),
        4.5,
        lambda x: float(sum(st.wishart(4.5, SIGMA).logpdf(x[:, :, j]) for j in range(2))),
    ),
]

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def draws(case: Case, count: int) -> Tensor:
    torch.manual_seed(1)
    return case.build(tensor(case.s)).sample((count,))


@every
def test_density(case: Case) -> None:
    x = draws(case, 10)
    expected = [case.log_density(event) for event in x.numpy()]
    # 1e-10 relative; absolute where a log density is near 0
    np.testing.assert_allclose(case.build(tensor(case.s)).log_prob(x).numpy(), expected, rtol=1e-10, atol=1e-10)


@every
def test_maps_over_chains(case: Case) -> None:
    """Value and gradient in the parameter and the unconstrained event, eager and traced, equal each chain's own."""
    d = case.build(tensor(case.s))
    x = draws(case, 3)
    free = x if case.discrete else biject_to(d.support).inv(x)

    def density(s: Tensor, y: Tensor) -> Tensor:
        chain = case.build(s)
        if case.discrete:
            return chain.log_prob(y)
        transform = biject_to(chain.support)
        event = transform(y)
        return chain.log_prob(event) + transform.log_abs_det_jacobian(y, event).sum()

    s = tensor([case.s, case.s + 0.01, case.s + 0.02])
    one = grad_and_value(density, argnums=0 if case.discrete else (0, 1))
    alone = [one(*chain) for chain in zip(s, free, strict=True)]
    traced = make_fx(vmap(one))(s, free)
    for gradient, value in (vmap(one)(s, free), traced(s, free)):
        # the same operations in another order: rounding only
        torch.testing.assert_close(value, torch.stack([v for _, v in alone]), rtol=1e-9, atol=1e-9)
        first = gradient if case.discrete else gradient[0]
        assert torch.isfinite(first).all()
        alone_first = [g if case.discrete else g[0] for g, _ in alone]
        torch.testing.assert_close(first, torch.stack(alone_first), rtol=1e-9, atol=1e-9)


@every
def test_gradient(case: Case) -> None:
    """Finite differences in float64 leave about 1e-8 of the gradient's size."""
    x = draws(case, 2)
    s = tensor(case.s).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: case.build(p).log_prob(x), (s,), eps=1e-6, atol=1e-6, rtol=1e-5)


@every
def test_expands(case: Case) -> None:
    d = case.build(tensor(case.s))
    wide = d.expand((3, 2))
    x = draws(case, 6).reshape(3, 2, *d.event_shape)
    assert wide.batch_shape == (3, 2) and wide.event_shape == d.event_shape
    assert wide.sample((4,)).shape == (4, 3, 2, *d.event_shape)
    torch.testing.assert_close(wide.log_prob(x), d.log_prob(x), rtol=1e-12, atol=1e-12)
    event = wide.to_event(1)  # type: ignore[attr-defined]
    torch.testing.assert_close(event.log_prob(x), d.log_prob(x).sum(-1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if not case.discrete], ids=lambda case: case.name)
def test_bijection(case: Case) -> None:
    """There and back; the log Jacobian is that of the free entries, by automatic differentiation."""
    d = case.build(tensor(case.s))
    assert d.support.check(draws(case, 5)).all()
    transform = biject_to(d.support)
    y = transform.inv(draws(case, 1)[0])
    x = transform(y)
    assert tuple(transform.forward_shape(y.shape)) == tuple(x.shape)
    assert tuple(transform.inverse_shape(x.shape)) == tuple(y.shape)
    # Cholesky factors and stick breaking lose a few digits
    torch.testing.assert_close(transform.inv(x), y, rtol=1e-8, atol=1e-8)
    free = _free_entries(case.name, x)
    jacobian = torch.autograd.functional.jacobian(lambda v: transform(v)[free], y).reshape(-1, y.numel())
    log_det = transform.log_abs_det_jacobian(y, x)
    assert log_det.shape == ()
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-8, atol=1e-8)


def _free_entries(name: str, x: Tensor) -> Tensor:
    """Mask of the entries of an event that determine the others."""
    mask = torch.ones_like(x, dtype=torch.bool)
    if name.startswith("LKJ"):
        return mask.tril(-1)
    if "Wishart" in name:
        return mask.tril()
    if name == "Columns of matrices":
        return mask.movedim(-1, 0).tril().movedim(0, -1)
    if name in ("Dirichlet", "Columns"):
        return torch.cat([mask[:-1], ~mask[-1:]])
    return mask


def _mean_test(sample: Tensor, expected: object) -> float:
    """Largest |mean − expected| in standard errors over the entries that vary."""
    error = sample.std(0) / math.sqrt(len(sample))
    varies = error > 1e-12
    gap = (sample.mean(0) - tensor(expected)).abs()
    assert (gap[~varies] < 1e-6).all()
    return float((gap[varies] / error[varies]).max())


@pytest.mark.parametrize(
    ("name", "d", "mean"),
    [
        ("Wishart", runtime.Wishart(6.5, tensor(SIGMA)), 6.5 * SIGMA),
        ("InverseWishart", runtime.InverseWishart(9.5, tensor(SIGMA)), SIGMA / 5.5),
        ("LKJ", runtime.LKJ(3, tensor(2.0)), np.eye(3)),
        ("Multinomial", runtime.Multinomial(6, tensor([0.2, 0.3, 0.5])), np.array([1.2, 1.8, 3.0])),
        ("MvNormalCanon", runtime.mv_normal_canonical(tensor(MU), tensor(SIGMA)), np.linalg.solve(SIGMA, MU)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mean_of_draws(name: str, d: Distribution, mean: Array) -> None:
    """Within 6 standard errors: with at most 9 entries a row, a false alarm once in 10⁷ seeds under normality."""
    torch.manual_seed(2)
    assert _mean_test(d.sample((4000,)), mean) < 6, name


def test_multinomial_sizes_may_differ() -> None:
    probs = tensor([0.2, 0.3, 0.5])
    n = tensor([4.0, 9.0])
    d = runtime.Multinomial(n, probs)
    x = d.sample((20,))
    assert d.batch_shape == (2,) and (x.sum(-1) == n).all()
    expected = [st.multinomial(int(n[j]), probs.numpy()).logpmf(x[:, j].numpy()) for j in range(2)]
    # 1e-10: the same sum of log gammas
    np.testing.assert_allclose(d.log_prob(x).numpy(), np.stack(expected, -1), rtol=1e-10, atol=1e-10)


def test_columns_lay_draws_out_as_columns() -> None:
    torch.manual_seed(3)
    base = dist.MultivariateNormal(tensor([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]]), 1e-6 * torch.eye(2).double())
    x = runtime.Columns(base).sample()
    assert x.shape == (2, 3)
    np.testing.assert_allclose(x.numpy(), [[0, 10, 20], [1, 11, 21]], atol=0.01)  # ten standard deviations
    with pytest.raises(ValueError, match="batch axis"):
        runtime.Columns(dist.Normal(0.0, 1.0))


def test_ordering_needs_vectors() -> None:
    with pytest.raises(TypeError, match="vectors"):
        runtime.Ordered(dist.Normal(0.0, 1.0))


def test_sorted_draws() -> None:
    torch.manual_seed(4)
    x = runtime.Ordered(dist.Normal(0.0, 1.0).expand((4,)).to_event(1)).sample((50,))
    assert (x.diff(dim=-1) > 0).all()
