"""Whole runs: right answers, the same answers, and what happens when things go wrong.

Tolerances are in Monte Carlo standard errors of the run itself. Each comparison fails by chance with probability
6·10⁻⁵ at 4 standard errors; seeds are fixed, so a test that passes keeps passing on one machine.
"""

from __future__ import annotations

from pathlib import Path

import arviz as az
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from mlmdsl.inference import Draws, Progress, UnsupportedModel, sample
from mlmdsl.inference.draws import Longer
from mlmdsl.inference.run import choose_settings

from .models import Model, eight_schools, gaussian, varying_intercept

Values = NDArray[np.float64]
SIGMAS = 4.0


def standard_error(values: Values) -> Values:
    """Of the mean of each element of (chain, draw, *shape)."""
    flat = values.reshape(*values.shape[:2], -1)
    ess = np.array([float(az.ess(flat[..., i], method="mean")) for i in range(flat.shape[2])])
    error: Values = flat.std((0, 1)) / np.sqrt(ess)
    return error


def z_scores(values: Values, wanted: Values | float) -> Values:
    flat = values.reshape(*values.shape[:2], -1)
    scores: Values = (flat.mean((0, 1)) - np.ravel(wanted)) / standard_error(values)
    return scores


def scaled_covariance(dim: int) -> torch.Tensor:
    """Neighbours correlate by 0.9; standard deviations run from 0.01 to 100."""
    index = torch.arange(dim, dtype=torch.float64)
    scale = torch.logspace(-2, 2, dim, dtype=torch.float64)
    return scale[:, None] * 0.9 ** (index[:, None] - index).abs() * scale


@pytest.mark.parametrize("dim", [1, 2, 10])
def test_gaussians_have_their_means_and_variances(dim: int) -> None:
    mean = torch.linspace(-3, 3, dim, dtype=torch.float64)
    covariance = scaled_covariance(dim)
    draws = sample(gaussian(mean, covariance), chains=8, draws=250, tune=150, seed=1)
    x, variance = draws.samples["x"], covariance.diagonal().numpy()
    # 2·dim comparisons
    assert np.abs(z_scores(x, mean.numpy())).max() < SIGMAS
    assert np.abs(z_scores((x - mean.numpy()) ** 2, variance)).max() < SIGMAS
    assert not draws.stats["diverging"].any()
    assert draws.stats["acceptance_rate"].mean() == pytest.approx(0.8, abs=0.12)


@pytest.mark.slow
def test_a_gaussian_in_a_hundred_dimensions() -> None:
    mean = torch.linspace(-3, 3, 100, dtype=torch.float64)
    covariance = scaled_covariance(100)
    draws = sample(gaussian(mean, covariance), chains=16, draws=250, tune=300, seed=2)
    # 200 comparisons: 4.5 standard errors keep the false-alarm rate at 0.14 %
    assert np.abs(z_scores(draws.samples["x"], mean.numpy())).max() < 4.5
    squares = (draws.samples["x"] - mean.numpy()) ** 2
    assert np.abs(z_scores(squares, covariance.diagonal().numpy())).max() < 4.5


def test_draws_of_a_gaussian_pass_a_test_of_fit() -> None:
    """Kolmogorov–Smirnov on draws thinned to near independence; false alarms at 0.1 %."""
    draws = sample(gaussian(torch.zeros(1), torch.eye(1)), chains=8, draws=250, tune=150, seed=4)
    thinned = draws.samples["x"][:, ::4, 0].ravel()
    assert stats.kstest(thinned, "norm").pvalue > 1e-3


def eight_schools_by_quadrature() -> dict[str, float]:
    """E μ, E τ, E τ² truncated by quadrature over (μ, log τ); the effects integrate out: y ~ Normal(μ, √(σ² + τ²))."""
    y, σ = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    μ, log_τ = np.linspace(-25, 35, 601)[:, None], np.linspace(-12, 6, 1801)[None]
    τ = np.exp(log_τ)
    log_p = stats.norm.logpdf(μ, 0, 5) + stats.halfcauchy.logpdf(τ, scale=5) + log_τ
    for value, scale in zip(y, σ, strict=True):
        log_p = log_p + stats.norm.logpdf(value, μ, np.hypot(scale, τ))
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return {"mu": float((p * μ).sum()), "tau": float((p * τ).sum()), "log": float((p * np.log1p(τ)).sum())}


def test_eight_schools_agree_with_quadrature() -> None:
    wanted = eight_schools_by_quadrature()
    draws = sample(eight_schools(), chains=8, draws=500, tune=200, seed=3)
    assert abs(z_scores(draws.samples["mu"], wanted["mu"])[0]) < SIGMAS
    assert abs(z_scores(draws.samples["tau"], wanted["tau"])[0]) < SIGMAS
    assert abs(z_scores(np.log1p(draws.samples["tau"]), wanted["log"])[0]) < SIGMAS
    assert list(draws.samples) == ["mu", "tau", "theta_trans", "theta"]
    θ = draws.samples["mu"][..., None] + draws.samples["tau"][..., None] * draws.samples["theta_trans"]
    assert np.allclose(draws.samples["theta"], θ, rtol=1e-12)


def regression() -> Model:
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    y = 0.5 + 2 * x + 0.3 * torch.sin(37 * x)

    def model() -> None:
        a = pyro.sample("a", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        b = pyro.sample("b", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        σ = pyro.sample("σ", dist.HalfNormal(torch.ones((), dtype=torch.float64)))
        with pyro.plate("rows", 20):
            pyro.sample("y", dist.Normal(a + b * x, σ), obs=y)

    return model


@pytest.mark.slow
def test_both_kernels_draw_from_the_same_distribution() -> None:
    ours = sample(regression(), chains=8, draws=250, seed=1)
    stock = sample(regression(), chains=2, draws=250, tune=250, seed=2, kernel="pyro")
    assert (ours.kernel, stock.kernel) == ("vectorized", "pyro")
    assert list(ours.samples) == list(stock.samples)
    for name, values in ours.samples.items():
        for power in (1, 2):
            a, b = values**power, stock.samples[name] ** power
            error = np.hypot(standard_error(a), standard_error(b))
            assert abs(a.mean() - b.mean()) < SIGMAS * error
    assert set(stock.stats) <= set(ours.stats)


@pytest.mark.slow
def test_the_varying_intercept_model_reproduces_the_published_means() -> None:
    """Turing's table in the tutorial, printed with its Monte Carlo errors; nine comparisons."""
    published = {
        "α": ([70.7489], [0.176587]),
        "β": ([2.91501, -10.632, 6.52144, 1.09178], [0.0257346, 0.028425, 0.0265587, 0.0264376]),
        "σ": ([7.3913], [0.00807096]),
        "τ": ([6.11784], [0.152948]),
        "αⱼ": ([-3.39662, 3.63474], [0.174051, 0.175295]),
    }
    draws = sample(varying_intercept(), seed=0)
    for name, (means, errors) in published.items():
        values = draws.samples[name]
        found = values.reshape(*values.shape[:2], -1).mean((0, 1))
        assert (np.abs(found - means) < SIGMAS * np.hypot(standard_error(values), errors)).all(), name


def small(**options: object) -> Draws:
    return sample(regression(), **{"chains": 4, "draws": 30, "tune": 40, "seed": 7, **options})  # type: ignore[arg-type]


def same(a: Draws, b: Draws) -> bool:
    parts = [(a.samples, b.samples), (a.stats, b.stats)]
    return all(np.array_equal(x[name], y[name]) for x, y in parts for name in x)


def test_shapes_and_statistics() -> None:
    draws = small()
    assert {name: value.shape for name, value in draws.samples.items()} == dict.fromkeys(["a", "b", "σ"], (4, 30))
    assert set(draws.stats) == {
        "acceptance_rate",
        "diverging",
        "energy",
        "lp",
        "n_steps",
        "reached_max_treedepth",
        "step_size",
        "tree_depth",
    }
    assert all(value.shape == (4, 30) for value in draws.stats.values())
    assert (draws.stats["energy"] >= -draws.stats["lp"]).all()
    assert (draws.stats["n_steps"] < 2.0 ** (draws.stats["tree_depth"] + 1)).all()
    assert (draws.chains, draws.draws, draws.tune, draws.interrupted) == (4, 30, 40, False)


def test_one_seed_gives_one_set_of_draws_and_another_seed_another() -> None:
    reports: list[Progress] = []
    first, again = small(), small(progress=reports.append)
    assert same(first, again)
    assert not same(first, small(seed=8))
    assert {report.phase for report in reports} == {"warmup", "sample"}
    assert all(report.done <= report.total for report in reports)
    assert reports[-1].done == reports[-1].total == 4 * 30


def test_the_global_random_state_neither_matters_nor_changes() -> None:
    torch.manual_seed(1)
    first = small()
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert same(first, small())
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())


def interrupt_at(phase: str, done: int):  # type: ignore[no-untyped-def]
    def progress(report: Progress) -> None:
        if report.phase == phase and report.done >= done:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("kernel", ["vectorized", "pyro"])
def test_an_interrupt_while_sampling_keeps_what_was_drawn(kernel: str) -> None:
    options = {"kernel": kernel, "chains": 1, "draws": 40, "tune": 20}
    whole, cut = small(**options), small(**options, progress=interrupt_at("sample", 20))
    assert cut.interrupted
    assert 4 <= cut.draws < 40
    assert np.array_equal(cut.samples["a"], whole.samples["a"][:, : cut.draws])


@pytest.mark.parametrize(("phase", "done"), [("warmup", 50), ("sample", 1)])
def test_an_interrupt_before_there_are_draws_propagates(phase: str, done: int) -> None:
    with pytest.raises(KeyboardInterrupt):  # small steps: long trees, few draws in a block of steps
        small(progress=interrupt_at(phase, done), target_accept=0.99)


@pytest.mark.parametrize(
    ("phase", "done", "times"), [("warmup", 60, 1), ("sample", 50, 1), ("sample", 50, 3), ("sample", 150, 3)]
)
def test_a_killed_run_continues_as_if_nothing_had_happened(
    phase: str, done: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three times the length, the second kill comes after the run was made longer."""
    monkeypatch.setattr("mlmdsl.inference.checkpoint.SECONDS_BETWEEN", 0.0)
    file = tmp_path / "run.checkpoint"

    class Killed(Exception):
        pass

    def kill(report: Progress) -> None:
        if report.phase == phase and report.done >= done:
            raise Killed

    with pytest.raises(Killed):
        small(checkpoint=file, progress=kill, lengthen=lambda _: Longer(times, 10.0))
    assert same(
        small(resume=file, lengthen=lambda _: Longer(times, 10.0)), small(lengthen=lambda _: Longer(times, 10.0))
    )


def test_a_longer_run_is_thinned_to_the_draws_asked_for() -> None:
    seen = []

    def lengthen(positions: np.ndarray) -> Longer:  # type: ignore[type-arg]
        seen.append(positions.shape)
        return Longer(3, 10.0)

    plain, longer = small(), small(lengthen=lengthen)
    assert (plain.thin, longer.thin) == (1, 3)
    assert (longer.chains, longer.draws) == (plain.chains, plain.draws)
    assert [shape[:2] for shape in seen] == [(plain.chains, plain.draws)]
    assert longer.stats["n_steps"].sum() > 2 * plain.stats["n_steps"].sum()
    kept = plain.samples["a"].shape[1] // 3
    assert np.array_equal(longer.samples["a"][:, :kept], plain.samples["a"][:, 2::3][:, :kept])


def test_the_target_goes_up_where_warm_up_diverges_unless_it_is_given() -> None:
    def funnel() -> None:
        v = pyro.sample("v", dist.Normal(torch.zeros(()).double(), 3.0))
        pyro.sample("x", dist.Normal(torch.zeros(9).double(), (v / 2).exp()).to_event(1))

    raised, given = (sample(funnel, chains=8, draws=20, tune=100, seed=3, target_accept=t) for t in (None, 0.8))
    assert [warning for warning in raised.warnings if "raised from 0.8 to 0.95" in warning]
    assert "target_raised" not in {remark.code for remark in given.remarks}
    assert raised.stats["step_size"].mean() < given.stats["step_size"].mean()


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "run.checkpoint"
    small(checkpoint=file)
    assert same(small(resume=file), small())
    with pytest.raises(ValueError, match="draws, seed differ"):
        small(resume=file, draws=31, seed=8)
    with pytest.raises(ValueError, match="sites"):
        sample(eight_schools(), chains=4, draws=30, tune=40, seed=7, resume=file)


def test_a_model_that_cannot_be_batched_is_sampled_by_the_stock_kernel() -> None:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        pyro.deterministic("sign", torch.ones_like(x) if x > 0 else -torch.ones_like(x))

    draws = sample(model, chains=1, draws=20, tune=20)
    assert draws.kernel == "pyro"
    assert any("stock Pyro kernel" in warning and "vmap" in warning for warning in draws.warnings)
    assert np.array_equal(draws.samples["sign"], np.sign(draws.samples["x"]))


def test_a_discrete_site_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="'coin'"):
        sample(lambda: pyro.sample("coin", dist.Bernoulli(0.5)))


@pytest.mark.parametrize("kernel", ["vectorized", "pyro"])
def test_a_model_without_a_finite_density_says_so(kernel: str) -> None:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(()), 1.0))
        pyro.factor("nowhere", x * torch.nan)

    with pytest.raises(ValueError, match="finite density"):
        sample(model, chains=2, draws=10, tune=10, kernel=kernel)  # type: ignore[arg-type]


def test_single_precision_models_are_sampled_in_single_precision() -> None:
    draws = sample(gaussian(torch.ones(2), torch.eye(2)), chains=4, draws=100, tune=100, seed=1)
    assert draws.samples["x"].dtype == np.float32
    assert np.abs(z_scores(draws.samples["x"].astype(np.float64), 1.0)).max() < SIGMAS


@pytest.mark.parametrize(
    ("option", "value"), [("chains", 0), ("draws", 0), ("tune", -1), ("max_depth", 0), ("target_accept", 1.0)]
)
def test_settings_out_of_range_are_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=option):
        small(**{option: value})


@pytest.mark.parametrize(
    ("kernel", "chains", "draws", "layout"),
    [
        ("vectorized", None, None, (8, 500)),
        ("vectorized", 4, None, (4, 1000)),
        ("vectorized", None, 100, (8, 100)),
        ("pyro", None, None, (4, 1000)),
    ],
)
def test_the_default_layout_gives_four_thousand_draws(
    kernel: str, chains: int | None, draws: int | None, layout: tuple[int, int]
) -> None:
    settings = choose_settings(kernel, chains, draws, None, 0, 0.8, 10)  # type: ignore[arg-type]
    assert (settings.chains, settings.draws) == layout


def test_no_warm_up_still_samples() -> None:
    draws = small(tune=0, draws=10)
    assert np.isfinite(draws.samples["a"]).all()


def test_a_shallow_tree_is_marked() -> None:
    draws = small(max_depth=1)
    assert draws.stats["reached_max_treedepth"].any()
    assert (draws.stats["n_steps"] == 1).all()
