"""Integrated likelihoods against the dense normal density that they are, on random affine models; and their edges.

Both ways, dense and by groups, get the same model. Tolerances are of rounding: 1e-9 of the log density.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.distributions import MultivariateNormal

from mlmdsl.runtime import Collapsed, CollapsedNormal, GroupedNormal, Term, group_statistics, row_statistics


@dataclass(frozen=True)
class Affine:
    """Rows in groups and at levels of a second factor, with coefficients that are affine in u (q,) and v (s, J).

    Of all rows: an intercept, columns X, and x by level. Of a row's group: an intercept, x, and a coefficient for each level.
    """

    y: Tensor
    matrix: Tensor
    x: Tensor
    group: Tensor
    level: Tensor
    shared: Tensor
    """(p, 1 + q): m and M."""
    own: Tensor
    """(g, 1 + q + s, J): m_j, A_j and T_j."""
    sizes: tuple[int, int]
    levels: int
    sigma: float = 0.7
    scale: Tensor | None = None
    weight: Tensor | None = None

    @property
    def number(self) -> int:
        return self.own.shape[-1]

    def effects(self, u: Tensor, v: Tensor) -> tuple[dict[str, Tensor], list[Tensor], list[Tensor]]:
        c = self.shared[:, 0] + self.shared[:, 1:] @ u
        split = 1 + self.sizes[0]
        each = self.own[:, 0] + torch.tensordot(u, self.own[:, 1:split], ([0], [1])) + (self.own[:, split:] * v).sum(1)
        wide = 1 + self.matrix.shape[1]
        return {"u": u, "v": v}, [c[0], c[1:wide], c[wide:]], [each[0], each[1], each[2:]]

    def terms(self) -> tuple[list[Term], list[Term]]:
        level = [(self.level, self.levels)]
        return [Term(), Term(self.matrix), Term(picks=level, scale=self.x)], [
            Term(),
            Term(scale=self.x),
            Term(picks=level),
        ]

    def by_groups(self) -> GroupedNormal:
        sums = group_statistics(self.y, *self.terms(), (self.group, self.number), self.scale, self.weight)
        return GroupedNormal(self.effects, self.sizes, sums, torch.tensor(self.sigma, dtype=torch.float64))

    def dense(self) -> CollapsedNormal:
        def effects(u: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
            named, shared, own = self.effects(u[: self.sizes[0]], u[self.sizes[0] :].reshape(-1, self.number))
            return named, shared + own

        shared, own = self.terms()
        terms = shared + [term._replace(picks=[*term.picks, (self.group, self.number)]) for term in own]
        sums = row_statistics(self.y, terms, self.scale, self.weight)
        size = self.sizes[0] + self.sizes[1] * self.number
        return CollapsedNormal(effects, size, sums, torch.tensor(self.sigma, dtype=torch.float64))

    def linear(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Every row as often as it counts: y − m, the columns of the effects, and the scale of each."""
        hot = torch.nn.functional.one_hot(self.level - 1, self.levels).double()
        ones = torch.ones_like(self.x)[:, None]
        columns = torch.cat([ones, self.matrix, hot * self.x[:, None]], 1) @ self.shared
        inner = torch.cat([ones, self.x[:, None], hot], 1)
        each = torch.einsum("ng,gkn->nk", inner, self.own[:, :, self.group - 1])
        split = 1 + self.sizes[0]
        groups = torch.nn.functional.one_hot(self.group - 1, self.number).double()
        effects = torch.cat(
            [columns[:, 1:] + each[:, 1:split], torch.einsum("ns,nj->nsj", each[:, split:], groups).flatten(1)], 1
        )
        scale = self.sigma * (torch.ones_like(self.y) if self.scale is None else self.scale)
        parts = self.y - columns[:, 0] - each[:, 0], effects, scale
        times = torch.ones_like(self.group) if self.weight is None else self.weight.long()
        residual, effects, scale = (part.repeat_interleave(times, 0) for part in parts)
        return residual, effects, scale, effects @ effects.T + torch.diag(scale**2)


def affine(
    seed: int, rows: int = 40, groups: int = 5, columns: int = 2, sizes: tuple[int, int] = (3, 2), levels: int = 2
) -> Affine:
    """A random model."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def index(size: int) -> Tensor:
        return torch.randint(1, size + 1, (rows,), generator=generator)

    q, s = sizes
    return Affine(
        y=normal(rows), matrix=normal(rows, columns), x=normal(rows), group=index(groups), level=index(levels),
        shared=normal(1 + columns + levels, 1 + q), own=normal(2 + levels, 1 + q + s, groups), sizes=sizes, levels=levels,
    )  # fmt: skip


def verify(model: Affine, rel: float = 1e-9) -> None:
    """The density, and the conditional of the effects: linear in the noise, so that its moments are exact."""
    residual, columns, scale, covariance = model.linear()
    expected = multivariate_normal.logpdf(residual.numpy(), cov=covariance.numpy())
    weighted = columns / scale[:, None]
    precision = torch.eye(columns.shape[1], dtype=torch.float64) + weighted.T @ weighted
    mean = torch.linalg.solve(precision, weighted.T @ (residual / scale))
    for collapsed in (model.by_groups(), model.dense()):
        assert float(collapsed.log_prob(model.y)) == pytest.approx(expected, rel=rel)
        zero = torch.zeros(collapsed.size, dtype=torch.float64)
        torch.testing.assert_close(drawn(collapsed, zero), mean, rtol=1e-7, atol=1e-8)
        spread = torch.autograd.functional.jacobian(lambda noise, made=collapsed: drawn(made, noise), zero)
        identity = spread.T @ precision @ spread
        torch.testing.assert_close(identity, torch.eye(len(zero), dtype=torch.float64), rtol=1e-7, atol=1e-7)


def drawn(collapsed: Collapsed, noise: Tensor) -> Tensor:
    """The effects, one after another."""
    return torch.cat([value.reshape(-1) for value in collapsed.posterior(noise).values()])


@given(
    seed=st.integers(0, 2**31), rows=st.integers(1, 60), groups=st.integers(1, 8), columns=st.integers(0, 3),
    dense=st.integers(0, 4), own=st.integers(1, 3), levels=st.integers(1, 3), known=st.booleans(), weighted=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_models(
    seed: int, rows: int, groups: int, columns: int, dense: int, own: int, levels: int, known: bool, weighted: bool
) -> None:
    """Groups without rows, and of one row, are among them."""
    model = affine(seed, rows, groups, columns, (dense, own), levels)
    scale = torch.exp(model.x) if known else None
    weight = torch.arange(rows).remainder(3).double() + 1 if weighted else None
    verify(replace(model, scale=scale, weight=weight))


def test_groups_with_many_effects_of_their_own() -> None:
    """More than are written out."""
    verify(affine(1, sizes=(2, 11), rows=80))


def test_a_weight_of_zero_leaves_a_row_out() -> None:
    model = affine(2)
    kept = torch.arange(40) % 4 != 0
    part = replace(
        model,
        y=model.y[kept],
        matrix=model.matrix[kept],
        x=model.x[kept],
        group=model.group[kept],
        level=model.level[kept],
    )
    whole = replace(model, weight=kept.double())
    expected = float(part.by_groups().log_prob(part.y))
    assert float(whole.by_groups().log_prob(model.y)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_numbers_far_from_zero_keep_their_digits(shift: float) -> None:
    """y of mean 1e6 and standard deviation 1 is y itself where the model's mean is as far; 1e-9 is what 1e6 leaves of y."""
    model = affine(3, rows=500)
    shared = model.shared.clone()
    shared[0, 0] += shift
    far = replace(model, y=model.y + shift, shared=shared)
    for near, moved in ((model.dense(), far.dense()), (model.by_groups(), far.by_groups())):
        assert float(moved.log_prob(far.y)) == pytest.approx(float(near.log_prob(model.y)), rel=1e-9)


def test_a_mean_that_only_the_effects_reach_keeps_its_digits() -> None:
    """A prior of scale 1e6 around 0: against the same model with y and prior moved to it, 500 rows, to 1e-6 of log p."""
    model = affine(3, rows=500, sizes=(1, 1))
    shared = torch.zeros_like(model.shared)
    shared[0, 1] = 1e6
    own = torch.zeros_like(model.own)
    own[0, 2] = 1.0
    centred = replace(model, shared=shared, own=own, sigma=1.0)
    far = replace(centred, y=model.y + 1e6)
    shift = float(centred.by_groups().log_prob(centred.y)) - 0.5
    for collapsed in (far.by_groups(), far.dense()):
        # the mode moves by one prior standard deviation: log p falls by ½, and by what the two modes differ
        assert float(collapsed.log_prob(far.y)) == pytest.approx(shift, abs=1e-4)


EDGES = {"τ = 0": 0.0, "τ tiny": 1e-12, "τ large": 1e5}


@pytest.mark.parametrize("name", EDGES)
def test_scales_of_effects_at_their_edges(name: str) -> None:
    """With 1e5 the dense covariance loses ten digits: 1e-5 of log p is what is left to compare."""
    model = affine(4)
    own = model.own.clone()
    own[:, 4:] *= EDGES[name]
    verify_density(replace(model, own=own), 1e-9 if EDGES[name] < 1 else 1e-5)


@pytest.mark.parametrize("sigma", [1e-4, 1e4])
def test_scales_of_rows_at_their_edges(sigma: float) -> None:
    verify_density(replace(affine(5), sigma=sigma), 1e-5)


def test_collinear_columns() -> None:
    model = affine(6)
    twice = torch.cat([model.matrix[:, :1], model.matrix[:, :1]], 1)
    verify_density(replace(model, matrix=twice), 1e-9)


def verify_density(model: Affine, rel: float) -> None:
    """The density alone, and a gradient that is finite."""
    residual, _, _, covariance = model.linear()
    expected = float(MultivariateNormal(torch.zeros_like(residual), covariance).log_prob(residual))
    for way in ("by_groups", "dense"):
        own = model.own.clone().requires_grad_()
        density = getattr(replace(model, own=own), way)().log_prob(model.y)
        assert float(density.detach()) == pytest.approx(expected, rel=rel)
        (gradient,) = torch.autograd.grad(density, own)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("way", ["by_groups", "dense"])
def test_gradients_by_finite_differences(way: str) -> None:
    model = affine(7, rows=20, groups=3)

    def density(shared: Tensor, own: Tensor) -> Tensor:
        value: Tensor = getattr(replace(model, shared=shared, own=own), way)().log_prob(model.y)
        return value

    assert torch.autograd.gradcheck(density, (model.shared.requires_grad_(), model.own.requires_grad_()))


def test_both_take_vmap() -> None:
    """As chains do."""
    model = affine(8)

    def density(factor: Tensor) -> Tensor:
        scaled = replace(model, own=model.own * factor)
        return torch.stack([scaled.by_groups().log_prob(model.y), scaled.dense().log_prob(model.y)])

    factors = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    each = torch.stack([density(factor) for factor in factors])
    torch.testing.assert_close(torch.func.vmap(density)(factors), each, rtol=1e-12, atol=0)
