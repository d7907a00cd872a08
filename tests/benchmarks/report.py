"""What the benchmarks share: the figures of one run, the worst ESS and R-hat, tables, flags, which peers are there."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

CHEESE = ("varying_intercept", "varying_slope", "varying_intercept_slope", "correlated_varying_intercept_slope")
PEERS = {"numpyro": ("numpyro",), "pymc": ("pymc", "nutpie"), "pyro": ("pyro",)}
"""Each peer, and the packages it needs."""
DEFAULT_PEERS = "numpyro,pymc"
"""Stock Pyro takes minutes even when its figures are extrapolated, and is run only if named."""

console = Console(width=150, highlight=False)


class Result(NamedTuple):
    """One run: wall-clock seconds, gradients of one chain with those of warm-up, the worst ESS and R-hat.

    `warmup_s` is NaN where a library does not tell warm-up from sampling: `sample_s` then holds both.
    """

    sampler: str
    compile_s: float
    warmup_s: float
    sample_s: float
    gradients: float
    ess: float
    rhat: float
    divergences: int

    @property
    def seconds(self) -> float:
        """Warm-up and sampling."""
        return self.sample_s + (0.0 if np.isnan(self.warmup_s) else self.warmup_s)


Runner = Callable[[int], Result]
"""A compiled model: from a seed to the figures of a run."""


def worst(samples: Mapping[str, Any]) -> tuple[float, float]:
    """The smallest bulk ESS and the greatest R-hat (NaN of one chain) of all elements that vary, of arrays (chain, draw, …).

    Where chains stand still, each at a place of its own, both are undefined: they count as an ESS of 0 and an infinite R-hat.
    """
    import arviz as az

    columns = [np.asarray(value).reshape(*value.shape[:2], -1) for value in samples.values()]
    flat = np.concatenate(columns, axis=2)
    flat = flat[:, :, ~(flat.std((0, 1)) <= 1e-9)]
    data = az.convert_to_dataset({"x": flat})
    rhat = float(np.nan_to_num(az.rhat(data)["x"], nan=np.inf).max()) if len(flat) > 1 else float("nan")
    return float(np.nan_to_num(az.ess(data)["x"], nan=0.0).min()), rhat


def over_seeds(results: Sequence[Result]) -> Result:
    """One line for several seeds: medians, the greatest R-hat, all divergences."""
    middle = [median(values) for values in zip(*(result[1:6] for result in results), strict=True)]
    rhat = max(result.rhat for result in results)
    return Result(results[0].sampler, *middle, rhat, sum(result.divergences for result in results))


def show_results(title: str, results: Sequence[Result]) -> None:
    """The table of several samplers on one model; `ratio` says how many times the first line's ESS/s is this line's."""
    times = ("compile s", "warm-up s", "sampling s", "total s")
    columns = (*times, "gradients", "min ESS", "max R-hat", "divergences", "ESS/s", "ratio")
    rates = [result.ess / result.seconds for result in results]
    rows = [
        [
            result.sampler,
            *(f"{seconds:.2f}" for seconds in (*result[1:4], result.compile_s + result.seconds)),
            *(f"{count:.0f}" for count in result[4:6]),
            f"{result.rhat:.3f}",
            str(result.divergences),
            f"{rate:.1f}",
            f"{rates[0] / rate:.2f}",
        ]
        for result, rate in zip(results, rates, strict=True)
    ]
    show_table(title, ("sampler", *columns), rows)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table whose first column is text, and the others numbers; an undefined figure is a dash."""
    table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*("–" if cell in ("nan", "None") else cell for cell in row))
    console.print(table)


def flags(
    doc: str | None, models: bool = True, seeds: bool = True, known: Sequence[str] = CHEESE
) -> argparse.ArgumentParser:
    """The flags that parts have in common; `known` are the models that a part may be asked for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if models:
        parser.add_argument(
            "--models", type=_names(known), default=known, metavar="NAME,…", help=f"of {', '.join(known)}"
        )
    parser.add_argument(
        "--peers", type=_names((*PEERS, "none")), default=DEFAULT_PEERS, metavar="NAME,…",
        help=f"of {', '.join(PEERS)}; or none (default: {DEFAULT_PEERS})",
    )  # fmt: skip
    if seeds:
        parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs, with the seeds 0 … N−1")
    return parser


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}: choose of {', '.join(known)}")
        return chosen

    return names


def installed(peers: Sequence[str]) -> tuple[str, ...]:
    """Those of the peers whose packages are there; a line for each of the others."""
    there = []
    for peer in peers:
        missing = [package for package in PEERS.get(peer, ()) if find_spec(package) is None]
        if missing:
            console.print(f"{peer} is left out: {', '.join(missing)} not installed (pip install -e '.\\[bench]')")
        elif peer != "none":
            there.append(peer)
    return tuple(there)
