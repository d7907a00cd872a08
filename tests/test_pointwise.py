"""Log likelihoods of rows equal scipy's; predictive draws have the distribution's moments; both survive a file."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from scipy import stats

import mlmdsl
from mlmdsl.cli import app
from mlmdsl.inference import batching
from mlmdsl.observations import rows_of, with_rows
from mlmdsl.pointwise import Pointwise
from mlmdsl.results.fit import Dim, Fit
from tests.compiler.density import bound

Values = npt.NDArray[np.float64]
EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def rows(model: mlmdsl.Bound, predictive: bool = False, seed: int = 1, **samples: Any) -> Pointwise:
    """What is computed of the rows of a model, given draws (chain, draw, …) of its parameters."""
    drawn = {name: np.asarray(values, dtype=np.float64) for name, values in samples.items()}
    found = rows_of(model, drawn, seed, "float64", "cpu", True, predictive)
    assert found is not None
    return found


def draws(*shape: int, seed: int = 0) -> Values:
    """Positive numbers, 2 chains × 3 draws."""
    return np.random.default_rng(seed).gamma(3.0, size=(2, 3, *shape))


# ── log likelihoods ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_normal_rows() -> None:
    model = bound(
        "@model function m(x, y)\n μ ~ Normal(0, 1)\n σ ~ Exponential(1)\n y ~ MvNormal(μ .* x, σ^2 * I)\nend",
        x=[1.0, 2.0],
        y=[0.5, 3.0],
    )
    μ, σ = draws(), draws(seed=1)
    expected = stats.norm.logpdf([0.5, 3.0], μ[..., None] * [1.0, 2.0], σ[..., None])
    np.testing.assert_allclose(rows(model, μ=μ, σ=σ).log_likelihood["y"].values, expected, **EXACT)


def test_counts_and_truths() -> None:
    text = "@model function m(n, b)\n λ ~ Exponential(1)\n n .~ Poisson(λ)\n for i in eachindex(b)\n b[i] ~ Bernoulli(λ / (1 + λ))\n end\nend"
    found = rows(bound(text, n=[0, 3, 7], b=[True, False]), λ=(λ := draws()[..., None])[..., 0]).log_likelihood
    np.testing.assert_allclose(found["n"].values, stats.poisson.logpmf([0, 3, 7], λ), **EXACT)
    np.testing.assert_allclose(found["b"].values, stats.bernoulli.logpmf([1, 0], λ / (1 + λ)), **EXACT)


def test_several_sites_join_in_one_array() -> None:
    """A loop that walks columns first, one that carries a value, and an entry that nothing observes."""
    text = """@model function m(Y, z)
        μ ~ Normal(0, 1)
        for j in 1:2, i in 1:3
            Y[i, j] ~ Normal(μ * j, 1)
        end
        z[2] ~ Normal(0, 2)
        for t in 3:5
            z[t] ~ Normal(μ * z[t-1], 1)
        end
    end"""
    Y, z, μ = np.arange(6.0).reshape(3, 2), np.array([9.0, 1.0, -1.0, 0.5, 2.0]), draws()
    fit = fit_of(bound(text, Y=Y, z=z), μ=μ)
    assert fit.log_likelihood is not None
    np.testing.assert_allclose(
        fit.log_likelihood["Y"].values, stats.norm.logpdf(Y, μ[..., None, None] * [1, 2], 1), **EXACT
    )
    expected = [stats.norm.logpdf(z[1:2], 0, 2) + 0 * μ[..., None], stats.norm.logpdf(z[2:], μ[..., None] * z[1:-1], 1)]
    np.testing.assert_allclose(fit.log_likelihood["z"].values, np.concatenate(expected, axis=-1), **EXACT)
    assert fit.log_likelihood["z"].dims == (Dim("z_observed", 4, ("2", "3", "4", "5")),)


def fit_of(model: mlmdsl.Bound, **samples: Any) -> Fit:
    """A short fit with the rows of made-up draws."""
    fit = model.sample(seed=1, chains=2, draws=3, tune=10)
    return with_rows(model, fit, rows(model, True, **samples))


def test_missing_entries_have_no_row() -> None:
    y = np.ma.masked_array([1.0, 0.0, 2.0], [False, True, False])
    model = bound("@model function m(y)\n μ ~ Normal(0, 1)\n y .~ Normal(μ, 1)\nend", y=y)
    μ = draws()
    found = rows(model, True, μ=μ, y=draws(1))
    np.testing.assert_array_equal(found.log_likelihood["y"].observed, [True, False, True])
    np.testing.assert_allclose(
        found.log_likelihood["y"].values[..., [0, 2]], stats.norm.logpdf([1.0, 2.0], μ[..., None], 1), **EXACT
    )
    assert np.isfinite(found.predictive["y"].values).all()


VECTORS = """@model function m(Y)
    μ ~ filldist(Normal(0, 1), 2)
    for i in 1:3
        Y[:, i] ~ MvNormal(μ, [2.0 0.5; 0.5 1.0])
    end
end"""
COVARIANCE = [[2.0, 0.5], [0.5, 1.0]]


def test_a_vector_with_a_full_covariance_is_one_row() -> None:
    Y, μ = np.arange(6.0).reshape(2, 3), draws(2)
    found = rows(bound(VECTORS, Y=Y), True, μ=μ)
    expected = [[[stats.multivariate_normal.logpdf(y, m, COVARIANCE) for y in Y.T] for m in chain] for chain in μ]
    np.testing.assert_allclose(found.log_likelihood["Y"].values, expected, **EXACT)
    assert found.log_likelihood["Y"].axes == (1,)
    assert found.predictive["Y"].values.shape == (2, 3, 2, 3)


def test_a_vector_with_missing_entries_has_none() -> None:
    Y = np.ma.masked_array(np.arange(6.0).reshape(2, 3), [[False, True, False], [False, False, False]])
    μ = draws(2)
    fit = fit_of(bound(VECTORS, Y=Y), μ=μ, Y=draws(1))
    assert fit.log_likelihood is not None
    assert fit.log_likelihood["Y"].dims == (Dim("Y_observed", 2, ("1", "3")),)
    assert "no row for a vector of `Y`" in fit.run.findings[-1].message


def test_factors_are_no_rows() -> None:
    model = bound("@model function m(y)\n μ ~ Normal(0, 1)\n @addlogprob! -μ^2\n y ~ Normal(μ, 1)\nend", y=2.0)
    found = rows(model, μ=(μ := draws()))
    assert list(found.log_likelihood) == ["y"]
    np.testing.assert_allclose(found.log_likelihood["y"].values, stats.norm.logpdf(2.0, μ, 1), **EXACT)


def test_an_entry_observed_in_every_iteration_has_one_density() -> None:
    text = "@model function m(x, y)\n μ ~ Normal(0, 1)\n for i in 1:3\n y[1] ~ Normal(μ * x[i], 1)\n end\nend"
    found = rows(bound(text, x=[1.0, 2.0, 3.0], y=[0.5]), μ=(μ := draws())).log_likelihood
    expected = stats.norm.logpdf(0.5, μ[..., None] * [1, 2, 3], 1).sum(-1, keepdims=True)
    np.testing.assert_allclose(found["y"].values, expected, **EXACT)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bound("@model function m(y)\n μ ~ Normal(0, 1)\n y .~ Normal(μ, 1)\nend", y=[1.0, 2.0, 3.0])
    whole = rows(model, μ=(μ := draws()))
    monkeypatch.setattr(batching, "CHUNK", 7)
    np.testing.assert_array_equal(rows(model, μ=μ).log_likelihood["y"].values, whole.log_likelihood["y"].values)


# ── predictive draws ─────────────────────────────────────────────────────────────────────────────────────────────────

COUNT = 20_000


@pytest.mark.parametrize(
    ("distribution", "observed", "mean", "variance"),
    [
        ("Normal(2, 3)", [0.0, 1.0], 2, 9),
        ("Poisson(4)", [1, 2], 4, 4),
        ("Bernoulli(0.25)", [1, 0], 0.25, 0.1875),
        ("Binomial(10, 0.3)", [1, 2], 3, 2.1),
        ("Gamma(2, 3)", [1.0, 2.0], 6, 18),
        ("truncated(Normal(0, 1); lower=0)", [1.0, 2.0], np.sqrt(2 / np.pi), 1 - 2 / np.pi),
    ],
)
def test_predictive_moments(distribution: str, observed: Any, mean: float, variance: float) -> None:
    """12 means at 5 standard errors: a false alarm once in 140 000 runs. The two rows are independent likewise."""
    model = bound(f"@model function m(y)\n μ ~ Normal(0, 1)\n y .~ {distribution}\nend", y=observed)
    drawn = rows(model, True, μ=np.zeros((1, COUNT))).predictive["y"].values[0]
    assert (abs(drawn.mean(0) - mean) < 5 * np.sqrt(variance / COUNT)).all()
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / np.sqrt(COUNT)


def test_predictive_draws_follow_the_seed() -> None:
    model = bound("@model function m(y)\n μ ~ Normal(0, 1)\n y .~ Normal(μ, 1)\nend", y=[1.0, 2.0])
    first, again, other = (rows(model, True, seed, μ=draws()).predictive["y"].values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


# ── whole runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_collapsed_model_with_its_rows(tmp_path: Path) -> None:
    """Rows given the recovered effects; the parameters' draws are those of a run without; a file keeps them; loo runs."""
    model = mlmdsl.load("cheese/varying_intercept").bind()
    size: dict[str, Any] = {"seed": 3, "chains": 2, "draws": 50, "tune": 50}
    plain, fit = model.sample(**size), model.sample(**size, log_likelihood=True, predictive=True)
    assert fit.run.marginalized == ("α", "β", "αⱼ")
    for name, values in plain.values.items():
        np.testing.assert_array_equal(values, fit.values[name])
    X, idx, y = (model.bound.values[name].known.values for name in ("X", "idx", "y"))  # type: ignore[union-attr]
    mean = fit.values["α"][..., None] + fit.values["β"] @ X.T + fit.values["αⱼ"][..., idx - 1]
    assert fit.log_likelihood is not None and fit.posterior_predictive is not None
    expected = stats.norm.logpdf(y, mean, fit.values["σ"][..., None])
    np.testing.assert_allclose(fit.log_likelihood["y"].values, expected, **EXACT)
    z = (fit.posterior_predictive["y"].values - mean) / fit.values["σ"][..., None]
    assert abs(z.mean()) < 5 / np.sqrt(z.size)  # a false alarm once in 1.7 million runs
    fit.save(tmp_path / "fit.nc")
    loaded = Fit.load(tmp_path / "fit.nc")
    for group in ("log_likelihood", "posterior_predictive"):
        np.testing.assert_array_equal(getattr(loaded, group)["y"].values, getattr(fit, group)["y"].values)
        assert getattr(loaded, group)["y"].dims == loaded.observed["y"].dims
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 0.23 announces 1.x, and 100 draws make a poor loo
        assert import_module("arviz").loo(loaded.idata).n_data_points == 160


def test_the_flags(tmp_path: Path) -> None:
    arguments = ["run", "cheese/varying_intercept", "--seed", "1", "--chains", "2", "--draws", "20", "--tune", "20"]
    saved = tmp_path / "fit.nc"
    done = CliRunner().invoke(app, [*arguments, "--log-likelihood", "--predictive", "-o", str(saved)])
    assert done.exit_code == 0, done.output
    fit = Fit.load(saved)
    assert fit.log_likelihood is not None and fit.log_likelihood["y"].values.shape == (2, 20, 160)
    assert fit.posterior_predictive is not None and fit.posterior_predictive["y"].values.shape == (2, 20, 160)
