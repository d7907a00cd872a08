"""The flags that commands share, each with its help, and the values that need reading.

click and not typer, which since 0.29 imports pydantic: 0.2 s before any command begins, of the half second that `check`
may take; click takes 0.03.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

Setting = int | float | bool | str | None
Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("table", "json", "csv")
STAGES = ("tree", "checked", "ir", "pyro", "marginal")


def read_value(text: str) -> Setting:
    """A whole or other number, `true`, `false`, `missing` (None), or text; double quotes make any of these text."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    words: dict[str, Setting] = {"true": True, "false": False, "missing": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _all_of(decorators: Sequence[Callable[[Any], Any]]) -> Callable[[Function], Function]:
    """One decorator for several, in the order in which help shows them."""

    def decorate(function: Function) -> Function:
        decorated: Function = reduce(lambda inner, decorator: decorator(inner), reversed(decorators), function)
        return decorated

    return decorate


def read_settings(ctx: click.Context, param: click.Parameter, pairs: Sequence[str]) -> dict[str, Setting]:
    """`("n_gr=2", "link=logit")` → the values by name; of two for one name the last counts.

    Raises:
        click.BadParameter: one is no NAME=VALUE.
    """
    settings: dict[str, Setting] = {}
    for pair in pairs:
        name, mark, text = pair.partition("=")
        if not mark or not name.strip():
            raise click.BadParameter(f"`{pair}` is no NAME=VALUE, such as n_gr=2", ctx, param)
        settings[unicodedata.normalize("NFC", name.strip())] = read_value(text.strip())
    return settings


CENTRINGS = ("auto", "centred", "noncentred")


def read_centring(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """`("noncentred", "αⱼ=centred")` → how each effect is sampled; under `` that of all the others.

    Raises:
        click.BadParameter: one is neither.
    """
    centring: dict[str, str] = {}
    for text in given:
        name, mark, choice = text.rpartition("=")
        if choice.strip() not in CENTRINGS or (mark and not name.strip()):
            known = ", ".join(CENTRINGS)
            raise click.BadParameter(f"`{text}` is none of {known}, nor one after a name and =", ctx, param)
        centring[unicodedata.normalize("NFC", name.strip())] = choice.strip()
    return centring


_FILE = click.Path(path_type=Path)

spec = click.argument("spec", metavar="SPEC")
specs = click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
fit = click.argument("fit", metavar="FIT", type=_FILE)
model = click.option("--model", metavar="NAME", help="Which @model, where the spec has several (default: the last).")
data = click.option("--data", metavar="FILE", help="The table, in place of the one that @data names.")
settings = click.option(
    "--set", "settings", multiple=True, callback=read_settings, metavar="NAME=VALUE",
    help="A keyword argument of the model; repeatable.",
)  # fmt: skip
stage = click.option("--stage", type=click.Choice(STAGES), default="pyro", show_default=True, help="What to print.")
output = click.option("-o", "--output", metavar="FILE", type=_FILE, help="Write to a file, not to stdout.")
fit_output = click.option("-o", "--output", metavar="FILE", type=_FILE, help="Write the draws as netCDF, for ArviZ.")
format_ = click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="Of the report."
)
quiet = click.option("--quiet", is_flag=True, help="Nothing on stderr but errors, and what is wrong with the draws.")
strict = click.option("--strict", is_flag=True, help="Exit with status 1 where the diagnostics fail.")
seed = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), metavar="N",
    help="Seed of the draws (default: the spec's seed!, else drawn and printed).",
)  # fmt: skip

no_network = click.option(
    "--no-network", is_flag=True, expose_value=False, callback=lambda ctx, _, given: ctx.meta.update(network=not given),
    help="Read no table from an http(s) address (as MLMDSL_NO_NETWORK=1).",
)  # fmt: skip

bound_data = _all_of([model, data, settings, no_network])
"""What binds a model to its data."""

place = _all_of([
    click.option(
        "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to compute."
    ),
    click.option(
        "--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True,
        help="Precision of real numbers.",
    ),
])  # fmt: skip
"""What a program computes on."""

_POSITIVE = click.IntRange(min=1)

sampling = _all_of([
    click.option("--chains", type=_POSITIVE, metavar="N", help="Number of chains (default: the sampler's choice)."),
    click.option("--draws", type=_POSITIVE, metavar="N", help="Draws per chain (default: 4000 in all)."),
    click.option("--tune", type=click.IntRange(min=0), metavar="N", help="Warm-up transitions per chain."),
    click.option(
        "--target-accept", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="P",
        help="Acceptance rate that the step size aims at (default: 0.8; 0.95 where warm-up diverges).",
    ),
    click.option(
        "--max-depth", type=click.IntRange(1, 20), default=10, show_default=True, metavar="N",
        help="Doublings of a trajectory at most.",
    ),
    click.option(
        "--kernel", type=click.Choice(["vectorized", "pyro"]), default="vectorized", show_default=True,
        help="This package's NUTS, or Pyro's own.",
    ),
    click.option(
        "--marginalize", type=click.Choice(["auto", "off"]), default="auto", show_default=True,
        help="Integrate Gaussian effects out where that is exact.",
    ),
    click.option(
        "--centring", multiple=True, callback=read_centring, metavar="[NAME=]FORM",
        help="How group effects are sampled: auto (default), centred, noncentred; of one, αⱼ=centred. Repeatable.",
    ),
    place,
    click.option("--checkpoint", metavar="FILE", type=_FILE, help="Written as the run goes, to resume it from."),
    click.option("--resume", metavar="FILE", type=_FILE, help="Continue the run that wrote this checkpoint."),
    click.option("--log-likelihood", is_flag=True, help="Keep the log likelihood of each row, for arviz.loo."),
    click.option("--predictive", is_flag=True, help="Keep a predictive draw of each row, for ArviZ's plot_ppc (1.x: plot_ppc_dist)."),
])  # fmt: skip
"""How to sample: the keywords of `Bound.sample`, but for `seed` and `progress`."""
