"""What is wrong with a fit, in words: what was seen, in which parameters, and what to do about it.

Thresholds are those of Vehtari et al. (2021) for R-hat and effective sample sizes, and of Betancourt (2016) for E-BFMI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlmdsl.results.diagnostics import MIN_DRAWS, bfmi, nested_rhat
from mlmdsl.results.summary import Row, entries, listed_draws

if TYPE_CHECKING:
    from mlmdsl.results.fit import Fit

RHAT_LIMIT = 1.01
ESS_PER_CHAIN, ESS_LIMIT = 100, 400  # the effective draws wanted: 100 a chain, 400 in all
BFMI_LIMIT = 0.3
STUCK_SHARE = 0.5  # the share of transitions without a move that makes a chain a stuck one
SHORT_CHAIN = 100  # draws; autocorrelated chains shorter than this exceed 1.01 even where they agree
SUPERCHAINS = 4


@dataclass(frozen=True)
class Finding:
    """Something to know about a fit. A `warning` means that its figures cannot be relied on as they are."""

    level: Literal["warning", "note"]
    message: str
    remedy: str


def diagnose(fit: Fit) -> tuple[Finding, ...]:
    """All findings, warnings first; none where all is well."""
    found = [finding for check in _CHECKS for finding in check(fit)]
    return tuple(sorted(found, key=lambda finding: finding.level == "note"))


def _not_finite(fit: Fit) -> Iterator[Finding]:
    names = [row.label for row in fit.rows if not np.isfinite(row.mean)]
    if names:
        yield Finding(
            "warning",
            f"draws that are not finite: {_listing(names)}",
            "look for a division by zero, a log of a negative number or an overflow in the model",
        )


def _divergences(fit: Fit) -> Iterator[Finding]:
    diverging = fit.stats.get("diverging")
    count = fit.run.divergences if diverging is None else int(np.sum(diverging))
    if count:
        yield Finding(
            "warning",
            f"{count} of {_draws(fit)} transitions diverged: parts of the posterior may be missing",
            "raise --target-accept (0.95, 0.99), sample group effects non-centred (--centring noncentred), or give "
            "scales a prior with less mass near 0",
        )


def _too_short(fit: Fit) -> Iterator[Finding]:
    chains, draws = _layout(fit)
    if draws < MIN_DRAWS:
        yield Finding("warning", f"{draws} draws a chain: nothing can be diagnosed", "draw more: --draws 1000")
    elif chains < 2:
        yield Finding("warning", "one chain: R-hat cannot tell whether it converged", "run several: --chains 4")


def _rhat(fit: Fit) -> Iterator[Finding]:
    worst = sorted((row for row in fit.rows if row.rhat > RHAT_LIMIT), key=lambda row: -row.rhat)
    if not worst:
        return
    message = f"R-hat above {RHAT_LIMIT} {_share(worst, fit)}: {_figures(worst, lambda row: f'{row.rhat:.3f}')}"
    nested = _worst_nested_rhat(fit)
    if nested is None:
        yield Finding("warning", message, "the chains do not agree: run a longer warm-up (--tune) and more draws")
        return
    yield Finding(
        "note" if nested <= RHAT_LIMIT else "warning",
        f"{message}; nested R-hat of {SUPERCHAINS} groups of chains is at most {nested:.3f}",
        "chains this short cannot have a small R-hat, the nested one counts: where it is above the limit too, "
        "run a longer warm-up (--tune) and more draws",
    )


def _worst_nested_rhat(fit: Fit) -> float | None:
    """The largest nested R-hat where chains are many and short, None where the classic one is enough."""
    chains, draws = _layout(fit)
    if draws >= SHORT_CHAIN or chains < 4 * SUPERCHAINS or chains % SUPERCHAINS:
        return None
    figures = [
        nested_rhat(listed_draws(variable, fit.values[variable.name]), SUPERCHAINS) for variable in fit.variables
    ]
    return float(np.nanmax(np.concatenate(figures)))


def _few_effective_draws(fit: Fit) -> Iterator[Finding]:
    limit = min(ESS_LIMIT, ESS_PER_CHAIN * _layout(fit)[0])
    measures: tuple[tuple[str, Callable[[Row], float]], ...] = (
        ("ess_bulk", lambda row: row.ess_bulk),
        ("ess_tail", lambda row: row.ess_tail),
    )
    for name, measure in measures:
        worst = sorted((row for row in fit.rows if measure(row) < limit), key=measure)
        if worst:
            figures = _figures(worst, lambda row, measure=measure: f"{measure(row):.0f}")  # type: ignore[misc]
            yield Finding(
                "warning",
                f"{name} below {limit} {_share(worst, fit)}: {figures}",
                "draw more (--draws), or write the model so that these parameters depend less on each other",
            )


def _tree_depth(fit: Fit) -> Iterator[Finding]:
    count = int(np.sum(fit.stats.get("reached_max_treedepth", 0)))
    if count:
        yield Finding(
            "warning",
            f"{count} of {_draws(fit)} transitions reached the largest tree depth: draws cost much and move little",
            "raise --max-depth, run a longer warm-up (--tune), or bring parameters to similar scales",
        )


def _energy(fit: Fit) -> Iterator[Finding]:
    if "energy" not in fit.stats:
        return
    fractions = bfmi(fit.stats["energy"])
    low = int(np.sum(fractions < BFMI_LIMIT))
    if low:
        yield Finding(
            "warning",
            f"E-BFMI below {BFMI_LIMIT} in {low} of {len(fractions)} chains (lowest {np.nanmin(fractions):.2f}): "
            "tails are explored slowly",
            "run a longer warm-up (--tune), or sample group effects non-centred (--centring noncentred)",
        )


def _stuck_chains(fit: Fit) -> Iterator[Finding]:
    """A chain that mostly repeats its last draw, in a parameter that varies in other places."""
    stuck: dict[int, str] = {}
    for variable in fit.variables:
        values = fit.values[variable.name]
        if variable.kind == "parameter" and np.issubdtype(values.dtype, np.floating) and values.shape[1] >= MIN_DRAWS:
            draws = listed_draws(variable, values)
            still = (draws[:, 1:] == draws[:, :-1]).mean(axis=1) > STUCK_SHARE
            still &= (draws != draws[:1, :1]).any(axis=(0, 1))
            labels = [entry.label for entry in entries(variable)]
            stuck |= {int(chain): labels[entry] for chain, entry in np.argwhere(still) if int(chain) not in stuck}
    if stuck:
        places = [f"chain {chain + 1} ({label})" for chain, label in sorted(stuck.items())]
        yield Finding(
            "warning",
            f"stuck, most draws repeat the one before: {_listing(places)}",
            "run a longer warm-up (--tune), another --seed, or raise --target-accept",
        )


def _constants(fit: Fit) -> Iterator[Finding]:
    """A constant entry beside others that vary is one by construction; a whole constant parameter is not."""
    rows = iter(fit.rows)
    own = {variable: [next(rows) for _ in entries(variable)] for variable in fit.variables}
    parameters = {variable: figures for variable, figures in own.items() if variable.kind == "parameter" and figures}
    names = [variable.name for variable, figures in parameters.items() if all(row.std == 0 for row in figures)]
    if names:
        yield Finding("warning", f"the same in every draw: {_listing(names)}", "check their priors and their use")


_CHECKS: tuple[Callable[[Fit], Iterator[Finding]], ...] = (
    _not_finite,
    _too_short,
    _divergences,
    _stuck_chains,
    _rhat,
    _few_effective_draws,
    _tree_depth,
    _energy,
    _constants,
)


def _layout(fit: Fit) -> tuple[int, int]:
    """Chains and draws a chain, as they are, whatever was asked for."""
    for values in fit.values.values():
        return int(values.shape[0]), int(values.shape[1])
    return fit.run.chains, fit.run.draws


def _draws(fit: Fit) -> int:
    chains, draws = _layout(fit)
    return chains * draws


def _share(rows: Sequence[Row], fit: Fit) -> str:
    return f"in {len(rows)} of {len(fit.rows)} figures"


def _figures(rows: Sequence[Row], figure: Callable[[Row], str]) -> str:
    return _listing([f"{row.label} ({figure(row)})" for row in rows])


def _listing(names: Sequence[str], shown: int = 3) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
