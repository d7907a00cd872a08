"""Each finding shows on draws that deserve it and names the culprit; good draws have none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from mlmdsl.results.findings import Finding
from mlmdsl.results.fit import Fit

from .conftest import RUN, autoregressive

Build = Callable[..., Fit]


def only(fit: Fit) -> Finding:
    (finding,) = fit.findings
    return finding


def noise(chains: int = 4, draws: int = 500, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(chains, draws))


def short_chains() -> npt.NDArray[np.float64]:
    """128 autocorrelated chains of 60 draws, all of one distribution."""
    return autoregressive(128, 60, 1, 0.5, seed=2)[:, :, 0]


def test_good_draws_have_no_findings(fit: Fit) -> None:
    """Fixed seed: independent draws, one constant entry of a Cholesky factor, no divergence."""
    assert fit.findings == ()
    assert fit.ok


def test_divergences_are_counted_from_the_stats(fit_of: Build) -> None:
    diverging = np.zeros((4, 500), dtype=bool)
    diverging[1, :7] = True
    finding = only(fit_of({"θ": noise()}, stats={"diverging": diverging}))
    assert finding.severity == "warning"
    assert finding.message.startswith("7 of 2000 transitions diverged")
    assert "--target-accept" in finding.remedy
    assert "non-centred" in finding.remedy


def test_divergences_are_the_runs_where_stats_are_missing(fit_of: Build) -> None:
    fit = fit_of({"θ": noise()}, run=replace(RUN, divergences=3))
    assert only(fit).message.startswith("3 of 2000")
    assert not fit.ok


def test_chains_that_disagree_are_named_worst_first(fit_of: Build) -> None:
    shift = np.array([[0.0], [0.0], [0.0], [1.0]])
    values = {f"a{number}": noise(seed=number) + shift * number for number in range(5)}
    message = fit_of(values).findings[0].message
    assert message.startswith("R-hat above 1.01 in 4 of 5 figures: a4 (")
    assert message.endswith(" and 1 more")


def test_many_short_chains_that_agree_are_only_noted(fit_of: Build) -> None:
    """Autocorrelation time 3: the classic R-hat is about 1.03; the nested one reaches 1.01 if χ²₃ > 38, once in 3e7."""
    fit = fit_of({"θ": short_chains()})
    finding = only(fit)
    assert finding.severity == "note"
    assert "nested R-hat of 4 groups" in finding.message
    assert fit.ok


def test_many_short_chains_that_disagree_are_warned_of(fit_of: Build) -> None:
    groups = np.repeat([[0.0], [0.0], [0.0], [3.0]], 32, axis=0)
    fit = fit_of({"θ": short_chains() + groups})
    assert fit.findings[0].severity == "error"
    assert "nested R-hat" in fit.findings[0].message


def test_few_effective_draws(fit_of: Build) -> None:
    """AR(1) with φ = 0.98 has about S·(1 − φ)/(1 + φ) = 20 effective draws."""
    fit = fit_of({"slow": autoregressive(4, 500, 1, 0.98, seed=1)[:, :, 0], "fast": noise()})
    message = next(finding.message for finding in fit.findings if finding.message.startswith("ess_bulk"))
    assert message.startswith("ess_bulk below 400 in 1 of 2 figures: slow (")


def test_fewer_chains_need_fewer_effective_draws(fit_of: Build) -> None:
    """Two independent chains of 150 draws have some 300 effective draws: over 100 a chain, under 400."""
    assert fit_of({"θ": noise(2, 150, seed=3)}).ok


def test_tree_depth(fit_of: Build) -> None:
    reached = np.ones((4, 500), dtype=bool)
    finding = only(fit_of({"θ": noise()}, stats={"reached_max_treedepth": reached}))
    assert finding.message.startswith("2000 of 2000 transitions reached the largest tree depth")
    assert "--max-depth" in finding.remedy


def test_energy_that_moves_slowly(fit_of: Build) -> None:
    """A random walk in one chain has an E-BFMI near 0, white noise in the others one of 2."""
    energy = noise(seed=4)
    energy[2] = np.cumsum(energy[2])
    assert "E-BFMI below 0.3 in 1 of 4 chains" in only(fit_of({"θ": noise()}, stats={"energy": energy})).message


def test_a_stuck_chain_is_named(fit_of: Build) -> None:
    values = noise()
    values[2, 100:] = values[2, 100]
    messages = [finding.message for finding in fit_of({"θ": values}).findings]
    assert "stuck, most draws repeat the one before: chain 3 (θ)" in messages


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_constant_but_for_rounding_is_not_stuck(fit_of: Build, dtype: type) -> None:
    """As the diagonal of a correlation matrix: 1, now and then one unit in the last place less."""
    ones = np.where(noise(seed=5) > 1, np.nextafter(dtype(1), dtype(0)), dtype(1)).astype(dtype)
    values = {"Ω21": noise().astype(dtype), "Ω22": ones}
    assert not any(finding.code == "stuck" for finding in fit_of(values).findings)
    values["Ω21"][1, 50:] = values["Ω21"][1, 50]
    assert [finding.parameters for finding in fit_of(values).findings if finding.code == "stuck"] == [("Ω21",)]


def test_repeated_integers_are_not_stuck(fit_of: Build) -> None:
    values = (noise() > 1).astype(np.int64)
    assert not any("stuck" in finding.message for finding in fit_of({"n": values}).findings)


def test_a_constant_parameter(fit_of: Build) -> None:
    fit = fit_of({"θ": noise(), "c": np.ones((4, 500))})
    assert only(fit).message == "the same in every draw: c"
    assert not fit.ok


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_draws_that_are_not_finite(fit_of: Build, bad: float) -> None:
    values = noise()
    values[0, 0] = bad
    assert only(fit_of({"θ": values})).message == "draws that are not finite: θ"


def test_one_chain(fit_of: Build) -> None:
    assert only(fit_of({"θ": noise(1, 2000)})).message.startswith("one chain")


def test_hardly_any_draws(fit_of: Build) -> None:
    assert only(fit_of({"θ": noise(4, 3)})).message.startswith("3 draws a chain")


def test_warnings_come_before_notes(fit_of: Build) -> None:
    diverging = np.ones((128, 60), dtype=bool)
    fit = fit_of({"θ": short_chains()}, stats={"diverging": diverging})
    assert [finding.severity for finding in fit.findings] == ["warning", "note"]
