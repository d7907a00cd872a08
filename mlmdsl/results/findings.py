"""What is wrong with a fit, in words: what was seen, in which parameters, and what to do about it.

Thresholds are those of Vehtari et al. (2021) for R-hat and effective sample sizes, and of Betancourt (2016) for E-BFMI.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlmdsl.results.diagnostics import MIN_DRAWS, bfmi, is_constant, nested_rhat
from mlmdsl.results.summary import Entry, Row, entries, listed_draws

if TYPE_CHECKING:
    from mlmdsl.results.fit import Fit

RHAT_LIMIT = 1.01
APART, FAR_APART = 1.1, 1.4  # R-hats above which chains have not met, and above which even short ones have not
ESS_PER_CHAIN, ESS_LIMIT = 100, 400  # the effective draws wanted: 100 a chain, 400 in all
BFMI_LIMIT = 0.3
STUCK_SHARE = 0.5  # the share of transitions without a move that makes a chain a stuck one
SHORT_CHAIN = 100  # draws; autocorrelated chains shorter than this exceed 1.01 even where they agree
SUPERCHAINS = 4


Severity = Literal["note", "warning", "error"]

GRAVITY: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first."""


class DiagnosticWarning(UserWarning):
    """The draws of a run cannot be relied on as they are: `fit.findings` says why, and what to do."""


@dataclass(frozen=True)
class Finding:
    """Something to know about a fit.

    An `error` means that its figures are wrong, a `warning` that they cannot be relied on as they are, a `note` neither.
    `code` is a short name that programs can rely on. `parameters` are the names of what it is about, the worst first, none
    where it is about the whole run; `values` are the figures of each, or of the run.
    """

    code: str
    severity: Severity
    message: str
    remedy: str = ""
    parameters: tuple[str, ...] = ()
    values: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Finding:
        """The inverse of `asdict`, from what JSON made of it."""
        given = {entry.name: known[entry.name] for entry in fields(cls)}
        return cls(**given | {name: tuple(given[name]) for name in ("parameters", "values")})


def diagnose(fit: Fit) -> tuple[Finding, ...]:
    """All findings, those of the run itself included, the gravest first; none where all is well."""
    found = [*fit.run.findings, *(finding for check in _CHECKS for finding in check(fit))]
    return tuple(sorted(found, key=lambda finding: GRAVITY.index(finding.severity)))


def findings_text(findings: Sequence[Finding]) -> str:
    """What was found and what to do about it."""
    return "\n".join(
        f"{finding.severity}: {finding.message}" + (f"\n  {finding.remedy}" if finding.remedy else "")
        for finding in findings
    )


def _of_rows(
    code: str,
    severity: Severity,
    message: str,
    remedy: str,
    rows: Sequence[Row],
    figure: Callable[[Row], float] | None = None,
) -> Finding:
    """A finding about some entries of the variables."""
    values = () if figure is None else tuple(figure(row) for row in rows)
    return Finding(code, severity, message, remedy, tuple(row.parameter for row in rows), values)


def _not_finite(fit: Fit) -> Iterator[Finding]:
    rows = [row for row in fit.rows if not np.isfinite(row.mean)]
    if rows:
        yield _of_rows(
            "not_finite",
            "error",
            f"draws that are not finite: {_listing([row.label for row in rows])}",
            "look for a division by zero, a log of a negative number or an overflow in the model",
            rows,
        )


def _interrupted(fit: Fit) -> Iterator[Finding]:
    if fit.run.interrupted:
        chains, draws = layout(fit)
        message = f"interrupted; this is the summary of {chains} × {draws} draws"
        remedy = "a run with a --checkpoint goes on with --resume"
        yield Finding("interrupted", "warning", message, remedy, values=(draws,))


def _divergences(fit: Fit) -> Iterator[Finding]:
    diverging = fit.stats.get("diverging")
    count = fit.run.divergences if diverging is None else int(np.sum(diverging))
    if count:
        yield Finding(
            "divergences",
            "warning",
            f"{count} of {_draws(fit)} transitions diverged: parts of the posterior may be missing",
            "raise --target-accept (0.95, 0.99), sample group effects non-centred (--centring noncentred), or give "
            "scales a prior with less mass near 0",
            values=(count,),
        )


def _too_short(fit: Fit) -> Iterator[Finding]:
    chains, draws = layout(fit)
    if draws < MIN_DRAWS:
        message = f"{draws} draws a chain: nothing can be diagnosed"
        yield Finding("few_draws", "warning", message, "draw more: --draws 1000", values=(draws,))
    elif chains < 2:
        message = "one chain: R-hat cannot tell whether it converged"
        yield Finding("one_chain", "warning", message, "run several: --chains 4", values=(chains,))


def _rhat(fit: Fit) -> Iterator[Finding]:
    worst = sorted((row for row in fit.rows if row.rhat > RHAT_LIMIT), key=lambda row: -row.rhat)
    if not worst:
        return
    message = f"R-hat above {RHAT_LIMIT} {_share(worst, fit)}: {_figures(worst, lambda row: f'{row.rhat:.3f}')}"
    remedy = "the chains do not agree: run a longer warm-up (--tune) and more draws"
    nested = _worst_nested_rhat(fit)
    if nested is not None:
        message = f"{message}; nested R-hat of {SUPERCHAINS} groups of chains is at most {nested:.3f}"
        remedy = (
            "chains this short cannot have a small R-hat, the nested one counts: where it is above the limit too, "
            "run a longer warm-up (--tune) and more draws"
        )
    severity = _rhat_severity(worst[0].rhat if nested is None else nested, layout(fit)[1])
    yield _of_rows("rhat", severity, message, remedy, worst, lambda row: row.rhat)


def _rhat_severity(rhat: float, draws: int) -> Severity:
    """That of the largest R-hat; chains that are apart have drawn from different parts of the posterior."""
    if rhat <= RHAT_LIMIT:
        return "note"
    return "error" if rhat > (APART if draws >= SHORT_CHAIN else FAR_APART) else "warning"


def _worst_nested_rhat(fit: Fit) -> float | None:
    """The largest nested R-hat where chains are many and short, None where the classic one is enough."""
    chains, draws = layout(fit)
    if draws >= SHORT_CHAIN or chains < 4 * SUPERCHAINS or chains % SUPERCHAINS:
        return None
    figures = [
        nested_rhat(listed_draws(variable, fit.values[variable.name]), SUPERCHAINS) for variable in fit.variables
    ]
    return float(np.nanmax(np.concatenate(figures)))


def _few_effective_draws(fit: Fit) -> Iterator[Finding]:
    limit = min(ESS_LIMIT, ESS_PER_CHAIN * layout(fit)[0])
    measures: tuple[tuple[str, Callable[[Row], float]], ...] = (
        ("ess_bulk", lambda row: row.ess_bulk),
        ("ess_tail", lambda row: row.ess_tail),
    )
    for name, measure in measures:
        worst = sorted((row for row in fit.rows if measure(row) < limit), key=measure)
        if worst:
            figures = _figures(worst, lambda row, measure=measure: f"{measure(row):.0f}")  # type: ignore[misc]
            yield _of_rows(
                name,
                "warning",
                f"{name} below {limit} {_share(worst, fit)}: {figures}",
                "draw more (--draws), or write the model so that these parameters depend less on each other",
                worst,
                measure,
            )


def _tree_depth(fit: Fit) -> Iterator[Finding]:
    count = int(np.sum(fit.stats.get("reached_max_treedepth", 0)))
    if count:
        yield Finding(
            "tree_depth",
            "warning",
            f"{count} of {_draws(fit)} transitions reached the largest tree depth: draws cost much and move little",
            "raise --max-depth, run a longer warm-up (--tune), or bring parameters to similar scales",
            values=(count,),
        )


def _energy(fit: Fit) -> Iterator[Finding]:
    if "energy" not in fit.stats:
        return
    fractions = bfmi(fit.stats["energy"])
    low = int(np.sum(fractions < BFMI_LIMIT))
    if low:
        yield Finding(
            "ebfmi",
            "warning",
            f"E-BFMI below {BFMI_LIMIT} in {low} of {len(fractions)} chains (lowest {np.nanmin(fractions):.2f}): "
            "tails are explored slowly",
            "run a longer warm-up (--tune), or sample group effects non-centred (--centring noncentred)",
            values=tuple(fractions.tolist()),
        )


def _stuck_chains(fit: Fit) -> Iterator[Finding]:
    """A chain that mostly repeats its last draw, in a parameter that varies in other places."""
    stuck: dict[int, Entry] = {}
    for variable in fit.variables:
        values = fit.values[variable.name]
        if variable.kind == "parameter" and np.issubdtype(values.dtype, np.floating) and values.shape[1] >= MIN_DRAWS:
            draws = listed_draws(variable, values)
            still = (draws[:, 1:] == draws[:, :-1]).mean(axis=1) > STUCK_SHARE
            still &= ~is_constant(draws.astype(values.dtype))  # up to rounding: the diagonal of a correlation matrix
            named = list(entries(variable))
            stuck |= {int(chain): named[entry] for chain, entry in np.argwhere(still) if int(chain) not in stuck}
    if stuck:
        places = [f"chain {chain + 1} ({entry.label})" for chain, entry in sorted(stuck.items())]
        yield Finding(
            "stuck",
            "error",
            f"stuck, most draws repeat the one before: {_listing(places)}",
            "run a longer warm-up (--tune), another --seed, or raise --target-accept",
            tuple(dict.fromkeys(entry.parameter for _, entry in sorted(stuck.items()))),
        )


def _constants(fit: Fit) -> Iterator[Finding]:
    """A constant entry beside others that vary is one by construction; a whole constant parameter is not."""
    rows = iter(fit.rows)
    own = {variable: [next(rows) for _ in entries(variable)] for variable in fit.variables}
    parameters = {variable: figures for variable, figures in own.items() if variable.kind == "parameter" and figures}
    names = [variable.name for variable, figures in parameters.items() if all(row.std == 0 for row in figures)]
    if names:
        message = f"the same in every draw: {_listing(names)}"
        yield Finding("constant", "warning", message, "check their priors and their use", tuple(names))


_CHECKS: tuple[Callable[[Fit], Iterator[Finding]], ...] = (
    _not_finite,
    _interrupted,
    _too_short,
    _divergences,
    _stuck_chains,
    _rhat,
    _few_effective_draws,
    _tree_depth,
    _energy,
    _constants,
)


def warn_of(fit: Fit, stacklevel: int) -> None:
    """Raise one DiagnosticWarning with all there is to warn of, if anything; `stacklevel` as from the caller."""
    shown = [finding for finding in fit.findings if finding.severity != "note"]
    if shown:
        warnings.warn(findings_text(shown), DiagnosticWarning, stacklevel=stacklevel + 1)


def warnings_of(fit: Fit) -> tuple[str, ...]:
    """What there is to warn of, and what the run itself remarked on, in messages alone."""
    return tuple(f.message for f in fit.findings if f.severity != "note" or f in fit.run.findings)


def layout(fit: Fit) -> tuple[int, int]:
    """Chains and draws a chain, as they are, whatever was asked for."""
    for values in fit.values.values():
        return int(values.shape[0]), int(values.shape[1])
    return fit.run.chains, fit.run.draws


def _draws(fit: Fit) -> int:
    chains, draws = layout(fit)
    return chains * draws


def _share(rows: Sequence[Row], fit: Fit) -> str:
    return f"in {len(rows)} of {len(fit.rows)} figures"


def _figures(rows: Sequence[Row], figure: Callable[[Row], str]) -> str:
    return _listing([f"{row.label} ({figure(row)})" for row in rows])


def _listing(names: Sequence[str], shown: int = 3) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
