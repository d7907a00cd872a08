"""How centred sites are sampled: the change of variables, what is learned from a pilot, and that runs can be repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from mlmdsl.inference import sample
from mlmdsl.inference.centring import PILOTS, centred, heights_not_centred, merged_evidence, near_the_best
from mlmdsl.inference.draws import Phase, Progress
from mlmdsl.inference.recentring import Evidence, NotLocationScale, freed
from mlmdsl.inference.settings import Raw
from mlmdsl.inference.sites import read_sites
from mlmdsl.results.diagnostics import ess_bulk

from .models import Model

FLOAT64 = {"dtype": torch.float64}
FAMILIES = {
    "normal": lambda m, s: dist.Normal(m, s),
    "many": lambda m, s: dist.Normal(m, s).expand([4]).to_event(1),
    "t": lambda m, s: dist.StudentT(torch.tensor(3.0, **FLOAT64), m, s),
    "laplace": lambda m, s: dist.Laplace(m, s),
    "cauchy": lambda m, s: dist.Cauchy(m, s),
    "gumbel": lambda m, s: dist.Gumbel(m, s),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("i", [0.0, 0.3, 50.0])
def test_a_freed_draw_is_of_its_family(family: str, i: float) -> None:
    """With scale √(1 + i·s²), and at x = μ the value that belongs to it."""
    m, s, v, b = (torch.tensor(value, **FLOAT64) for value in (0.7, 2.5, -0.4, i * 1.5))
    fn = FAMILIES[family](m, s)
    v, information, pull = (each.expand(fn.event_shape) for each in (v, torch.tensor(i, **FLOAT64), b))
    transform = freed(fn, Evidence(information, pull, information))
    x = transform(v)
    width = (1 + i * s**2).sqrt()
    middle = (m - (m + b * s**2) / width**2) * width / s
    density = fn.log_prob(x) + transform.log_abs_det_jacobian(v, x)
    torch.testing.assert_close(density, FAMILIES[family](middle, width).log_prob(v), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(transform.inv(x), v, rtol=1e-12, atol=1e-12)


def test_other_families_have_one_form() -> None:
    zero = torch.tensor(0.0)
    with pytest.raises(NotLocationScale, match="Gamma is not a location-scale family"):
        freed(dist.Gamma(2.0, 1.0), Evidence(zero, zero, zero))


def rows(count: int) -> Tensor:
    return torch.linspace(-1, 1.5, count, **FLOAT64)


def grouped(sizes: list[int], spread: float = 1.0) -> Model:
    """Normal rows of variance 1 in groups whose levels have a spread near `spread`, so that i is their number."""
    y = [rows(n) for n in sizes]

    def model() -> None:
        τ = pyro.sample("τ", dist.LogNormal(torch.tensor(spread, **FLOAT64).log(), 1e-3))
        x = pyro.sample("x", dist.Normal(torch.zeros(len(sizes), **FLOAT64), τ).to_event(1))
        for group, values in enumerate(y):
            pyro.sample(f"y{group}", dist.Normal(x[group], 1.0).expand([len(values)]).to_event(1), obs=values)

    return model


def test_the_evidence_of_normal_rows_is_what_they_say() -> None:
    """i = n, b = Σ y, exactly: a quadratic's differences are exact but for rounding, and all draws say the same."""
    learned = centred(read_sites(grouped([1, 10, 100], 0.5)), {"x": "auto"}, seed=1)
    evidence = learned.evidence["x"]
    wanted = torch.tensor([1.0, 10.0, 100.0], **FLOAT64)
    sums = torch.stack([rows(n).sum() for n in (1, 10, 100)])
    torch.testing.assert_close(evidence.information, wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(evidence.pull, sums, rtol=1e-6, atol=1e-4)
    # s is 0.5 to 0.1 %, its square to 0.2 %
    torch.testing.assert_close(learned.shares["x"], wanted / (wanted + 4), rtol=0, atol=2e-3)


def test_chains_far_below_the_best_are_not_heard() -> None:
    """In 66 dimensions a normal posterior's log density has a standard deviation of 5.7: 10 and five of these are near."""
    heights = torch.tensor([-646.0, -299492.0, -615.0, -650.0, -655.0, torch.nan, -torch.inf], **FLOAT64)
    assert near_the_best(heights, 66).tolist() == [True, False, True, True, False, False, False]


def test_heights_are_those_of_sites_not_centred() -> None:
    """At one x whatever the coordinates: the density of the funnel itself, times the volume sⁿ that v leaves out."""
    sites = read_sites(funnel)
    q = torch.linspace(-1, 2, 10, **FLOAT64)
    i, b = torch.linspace(0, 2, 9, **FLOAT64), torch.linspace(-1, 1, 9, **FLOAT64)
    found = []
    for evidence in (Evidence(i, b, i), Evidence(0 * i, 0 * b, 0 * i)):
        freed_sites = replace(sites, centring={"x": evidence})
        growth = 1 + evidence.information * q[0].exp()
        v = (q[1:] - evidence.pull * q[0].exp() / growth) / (q[0].exp() / growth).sqrt()
        place = torch.cat([q[:1], v])
        height = freed_sites.log_density(place).reshape(1, 1).numpy()
        found.append(heights_not_centred(freed_sites, pilot_of(place[None, None], {"lp": height})))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[0][0], sites.log_density(q) + 9 * q[0] / 2, rtol=1e-12, atol=1e-12)


def pilot_of(positions: Tensor, stats: dict[str, np.ndarray]) -> Raw:  # type: ignore[type-arg]
    """What a pilot hands back."""
    return Raw(positions, stats, 0.0, 0.0, 0.0, False)


def test_what_cannot_be_used_of_a_pilot_is_left_out() -> None:
    x, scale, push = torch.full((50, 1), 2.0, **FLOAT64), torch.ones(50, 1, **FLOAT64), torch.ones(50, 1, **FLOAT64)
    information = torch.full((50, 1), 3.0, **FLOAT64)
    information[::5], scale[1::5], push[2::5], x[3] = torch.nan, torch.inf, -torch.inf, torch.nan
    i, b, share = merged_evidence(x, scale, information, push)
    assert (float(i), float(b), float(share)) == pytest.approx((3.0, 7.0, 0.75), rel=1e-12)
    nothing = merged_evidence(*(torch.full((9, 1), torch.nan, **FLOAT64) for _ in range(4)))
    assert [float(part) for part in nothing] == [0.0, 0.0, 0.0]


def test_a_likelihood_that_is_not_concave_is_no_evidence() -> None:
    ones = torch.ones(9, 1, **FLOAT64)
    assert [float(part) for part in merged_evidence(ones, ones, -ones, ones)] == [0.0, 0.0, 0.0]


def funnel() -> None:
    """Neal's funnel."""
    v = pyro.sample("v", dist.Normal(torch.tensor(0.0, **FLOAT64), 3.0))
    pyro.sample("x", dist.Normal(torch.zeros(9, **FLOAT64), (v / 2).exp()).to_event(1))


def test_the_funnel_is_sampled_as_a_normal() -> None:
    """v ~ Normal(0, 3) exactly: mean and standard deviation within 5 standard errors, each a false alarm in 10⁶."""
    draws = sample(funnel, seed=2, centring={"x": "auto"})
    # nothing but rounding of 1/s² in curvatures, at s down to e⁻⁵
    assert draws.centring["x"].max() < 1e-3
    assert not draws.stats["diverging"].any()
    v = draws.samples["v"]
    size = float(ess_bulk(v))
    assert size > 1000
    assert abs(v.mean()) < 5 * 3 / np.sqrt(size)
    # the squares of normal draws have variance 2σ⁴, and hardly more correlation than the draws
    squares = float(ess_bulk(v**2))
    assert abs((v**2).mean() - 9) < 5 * 9 * np.sqrt(2 / min(size, squares))


@pytest.mark.parametrize("choice", ["auto", "centred", "noncentred"])
def test_every_form_has_the_same_posterior(choice: str) -> None:
    """The mean of each level, known but for τ's 0.1 %: 5 standard errors, a false alarm in 10⁶ each."""
    sizes = [2, 20]
    draws = sample(grouped(sizes), seed=3, chains=8, draws=250, tune=150, centring={"x": choice})
    x = draws.samples["x"]
    for group, n in enumerate(sizes):
        mean, deviation = float(rows(n).sum()) / (n + 1), np.sqrt(1 / (n + 1))
        assert abs(x[..., group].mean() - mean) < 5 * deviation / np.sqrt(float(ess_bulk(x[..., group]))) + 1e-3


def test_the_same_seed_learns_the_same_whatever_the_layout() -> None:
    sites = read_sites(grouped([1, 5]))
    first, second = (centred(sites, {"x": "auto"}, seed=7) for _ in range(2))
    assert torch.equal(first.evidence["x"].pull, second.evidence["x"].pull)
    draws = sample(sites.model, seed=7, chains=2, draws=5, tune=5, centring={"x": "auto"})
    assert np.array_equal(draws.centring["x"], first.shares["x"].numpy())


def test_a_resumed_run_takes_its_centring_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    model = grouped([1, 5])
    settings = {"chains": 2, "draws": 20, "tune": 20, "seed": 3}
    whole = sample(model, **settings, checkpoint=path, centring={"x": "auto"})  # type: ignore[arg-type]
    phases: set[Phase] = set()

    def heard(progress: Progress) -> None:
        phases.add(progress.phase)

    resumed = sample(model, **settings, resume=path, centring={"x": "auto"}, progress=heard)  # type: ignore[arg-type]
    assert np.array_equal(whole.samples["x"], resumed.samples["x"])
    assert "pilot" not in phases
    with pytest.raises(ValueError, match="written by another run: centring differs"):
        sample(model, **settings, resume=path, centring={"x": "centred"})  # type: ignore[arg-type]


def test_the_pilot_is_told_of_and_paid_for() -> None:
    told: list[Progress] = []
    draws = sample(grouped([3]), chains=2, draws=5, tune=5, progress=told.append, centring={"x": "auto"})
    assert [progress.phase for progress in told][0] == "pilot"
    assert draws.gradient_evaluations > sum(pilot.tune for pilot in PILOTS)
    without = sample(grouped([3]), chains=2, draws=5, tune=5, progress=told.append)
    assert without.centring == {}
    assert without.gradient_evaluations < draws.gradient_evaluations


def test_sites_must_be_there_and_have_two_forms() -> None:
    sites = read_sites(grouped([1]))
    with pytest.raises(ValueError, match="no site 'y' whose centring could be chosen: τ, x"):
        centred(sites, {"y": "centred"}, seed=0)
    with pytest.raises(NotLocationScale, match="LogNormal"):
        centred(sites, {"τ": "centred"}, seed=0)


def test_sites_of_a_model_that_cannot_be_batched_are_not_centred() -> None:
    def model() -> None:
        τ = pyro.sample("τ", dist.HalfNormal(torch.tensor(1.0, **FLOAT64)))
        x = pyro.sample("x", dist.Normal(torch.zeros(2, **FLOAT64), τ).to_event(1))
        pyro.factor("value", torch.tensor(float(x.sum()), **FLOAT64) * 0)

    learned = centred(read_sites(model), {"x": "auto"}, seed=0)
    assert learned.shares["x"].tolist() == [0.0, 0.0]


def test_positions_are_read_with_the_same_coordinates() -> None:
    """`constrained` gives x under its own name: (μ + b·s²)/(1 + i·s²) + s/√(1 + i·s²)·v, with s² = exp(v)."""
    sites = read_sites(funnel)
    i, b = torch.linspace(0, 2, 9, **FLOAT64), torch.linspace(-1, 1, 9, **FLOAT64)
    q = torch.arange(10, **FLOAT64) / 10
    x: Tensor = replace(sites, centring={"x": Evidence(i, b, i)}).constrained(q)["x"]
    growth = 1 + i * q[0].exp()
    wanted = b * q[0].exp() / growth + (q[0].exp() / growth).sqrt() * q[1:]
    torch.testing.assert_close(x, wanted, rtol=1e-14, atol=1e-14)
