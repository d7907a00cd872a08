"""From a bound model to a fit: the kernel run on its program, its draws under the author's names and labels."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mlmdsl.choices import (
    check_seed,
    check_whole,
    verify_centring,
    verify_checkpoint,
    verify_device,
    verify_one_of,
)
from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.centring import Recentred
from mlmdsl.compiler.passes.marginalize import collapsed_names
from mlmdsl.observations import observed_data, rows_of, with_rows
from mlmdsl.outputs import described, outputs

if TYPE_CHECKING:
    from mlmdsl.driver import Bound, DType
    from mlmdsl.inference.centring import Centring
    from mlmdsl.inference.draws import Longer
    from mlmdsl.inference.run import Draws, Progress
    from mlmdsl.results.findings import Finding
    from mlmdsl.results.fit import Fit

Values = npt.NDArray[np.float64]


def sample_bound(
    bound: Bound,
    *,
    seed: int | None,
    chains: int | None,
    draws: int | None,
    tune: int | None,
    target_accept: float | None,
    max_depth: int,
    kernel: Literal["vectorized", "pyro"],
    marginalize: Literal["auto", "off"],
    centring: Centring | Mapping[str, Centring],
    device: str,
    dtype: DType,
    progress: Callable[[Progress], None] | None,
    checkpoint: str | Path | None,
    resume: str | Path | None,
    log_likelihood: bool,
    predictive: bool,
) -> Fit:
    """Draw from the posterior of a bound model. ValueError, naming it, for a setting that means nothing."""
    counts = {"chains": chains, "draws": draws, "tune": tune}
    whole = {name: check_whole(name, value) for name, value in counts.items()}
    verify_forms(bound, kernel, marginalize, centring, dtype, device, checkpoint)
    seed = chosen_seed(bound, check_seed(seed))
    started = perf_counter()
    from mlmdsl.inference.process import one_thread
    from mlmdsl.inference.run import sample

    imported = perf_counter()
    with one_thread():
        collapsed = bound.collapsed if marginalize == "auto" else None
        program = bound.compiled(dtype, device, collapsed=collapsed is not None)
        _, effects = bound.recentred(collapsed is not None)
        chosen = chosen_centring(effects, centring)
        sampled = bound.compiled(dtype, device, collapsed is not None, recentred=True) if effects else program
        is_kept = checkpoint is not None or resume is not None
        origin = bound.fingerprints(dtype, device, collapsed is not None, bool(effects)) if is_kept else {}
        compiled = perf_counter()
        with explained(program):
            result = sample(
                sampled,
                **whole,
                max_depth=check_whole("max_depth", max_depth) or 0,
                seed=seed,
                kernel=kernel,
                target_accept=target_accept,
                lengthen=lengthened if draws is None else None,
                progress=progress,
                checkpoint=_path(checkpoint),
                resume=_path(resume),
                centring={effect.site: chosen[effect.name] for effect in effects},
                origin=origin,
            )
        recovering = perf_counter()
        samples = as_written(result.samples, effects)
        if collapsed is not None:
            samples = with_effects(bound, collapsed, program, samples, seed, dtype, device)
        recovered = perf_counter() - recovering
        rows = rows_of(bound, samples, seed, dtype, device, log_likelihood, predictive)
    timing = {
        "import_s": imported - started,
        "compile_s": bound.lower_s + compiled - imported + result.compile_s,
        "warmup_s": result.warmup_s,
        "sample_s": result.sample_s,
        "recover_s": result.recover_s + recovered,
        "total_s": perf_counter() - started + bound.lower_s,
    }
    names = () if collapsed is None else collapsed_names(collapsed)
    learned = {effect.name: result.centring[effect.site] for effect in effects}
    result = replace(result, samples=samples, centring=learned)
    fit = as_fit(bound, result, names, seed, timing, device, dtype)
    return with_rows(bound, fit, rows) if rows is not None else fit


def verify_forms(
    bound: Bound,
    kernel: str,
    marginalize: str,
    centring: Centring | Mapping[str, Centring],
    dtype: str,
    device: str,
    checkpoint: str | Path | None,
) -> None:
    """Raise ValueError for a choice that is none of those there are, and a checkpoint that cannot be written."""
    verify_one_of("kernel", kernel, ("vectorized", "pyro"))
    verify_one_of("marginalize", marginalize, ("auto", "off"))
    verify_centring(centring, ("auto", "centred", "noncentred"))
    verify_one_of("dtype", dtype, ("float64", "float32"))
    verify_device(device)
    if checkpoint is not None:
        verify_checkpoint(Path(checkpoint), bound.spec.files())


def chosen_centring(effects: Sequence[Recentred], centring: Centring | Mapping[str, Centring]) -> dict[str, Centring]:
    """How each effect is to be sampled; `centring` is for all of them, or by name with that of the others under "".

    Raises:
        ValueError: one is named that has one form only.
    """
    given = centring if isinstance(centring, Mapping) else {"": centring}
    names = [effect.name for effect in effects]
    for name in given:
        if name and name not in names:
            others = f"; the effects with two are {', '.join(names)}" if names else "; this model has none with two"
            raise ValueError(
                f"the centring of `{name}` cannot be chosen: an effect has two forms where it is normal (or of another"
                f" location-scale family) about or with a scale that is a parameter{others}"
            )
    return {name: given.get(name, given.get("", "auto")) for name in names}


def as_written(samples: Mapping[str, Values], effects: Sequence[Recentred]) -> dict[str, Values]:
    """The draws without the sites that stood in the place of effects: those follow under their own names."""
    placed = {effect.site for effect in effects if effect.site != effect.name}
    return {name: drawn for name, drawn in samples.items() if name not in placed}


def with_effects(
    bound: Bound,
    collapsed: ir.Model,
    program: Callable[[], Any],
    samples: Mapping[str, Values],
    seed: int,
    dtype: DType,
    device: str,
) -> dict[str, Values]:
    """The draws with those of the effects integrated out, and of what the spec tracks."""
    import torch

    from mlmdsl.recovery import recompute, recover_effects

    like = torch.zeros((), dtype=getattr(torch, dtype), device=device)
    target = next(node.target for node in collapsed.body if isinstance(node, ir.Collapsed))
    sites = dict(samples)
    whole = {**sites, **recover_effects(program, target, sites, like, seed)}
    tracked = [output.name for output in outputs(bound.lowered.model) if output.kind == "deterministic"]
    return {**whole, **recompute(bound.compiled(dtype, device), tracked, whole, like)}


ENOUGH_ESS = 1500
GOOD_RHAT = 1.005
MOST_TIMES = 8
LEAST_ESS, MOST_RHAT, MIXING_RHAT = 400, 1.01, 1.1
BETTER_S, NEEDED_S = 10.0, 60.0
"""Seconds that a run may go on so that good draws become better, and so that draws become good."""


def lengthened(positions: Values) -> Longer:
    """How much longer a run must be for its draws to be worth something: unconstrained (chain, draw, D) → 1 … 8 times.

    It is long enough where each coordinate has a bulk ESS of 1500 and an R-hat of 1.005; else its length goes up in
    proportion, since both ESS and R-hat² − 1 of draws that mix do. Draws that warnings would be raised of may take more time,
    unless their chains do not mix: those stay apart however long they are.
    """
    from mlmdsl.inference.draws import Longer
    from mlmdsl.results.diagnostics import ess_bulk, rhat

    ess, worst = np.nanmin(ess_bulk(positions), initial=np.inf), np.nanmax(rhat(positions), initial=1.0)
    if not np.isfinite(ess):
        return Longer(1, BETTER_S)
    times = max(ENOUGH_ESS / ess, (worst**2 - 1) / (GOOD_RHAT**2 - 1))
    poor = (ess < LEAST_ESS or worst > MOST_RHAT) and worst < MIXING_RHAT
    return Longer(int(np.clip(np.ceil(times), 1, MOST_TIMES)), NEEDED_S if poor else BETTER_S)


@contextmanager
def explained(program: Callable[[], Any]) -> Iterator[None]:
    """Where no start is found: the error of the program itself, if it has one, in place of the sampler's."""
    try:
        yield
    except ValueError as error:
        from pyro import poutine

        from mlmdsl.inference.process import alone

        try:
            with alone(), poutine.block():
                program()
        except (ValueError, RuntimeError) as cause:
            raise cause from error
        raise


def _path(where: str | Path | None) -> Path | None:
    return None if where is None else Path(where)


def chosen_seed(bound: Bound, seed: int | None) -> int:
    """The seed given, else the spec's `seed!`, else one drawn from the system."""
    if seed is not None:
        return seed
    return bound.spec.seed if bound.spec.seed is not None else secrets.randbelow(2**31)


def as_fit(
    bound: Bound,
    result: Draws,
    marginalized: tuple[str, ...],
    seed: int,
    timing: Mapping[str, float],
    device: str,
    dtype: str,
) -> Fit:
    """The draws of a run with the names, axes and labels of the spec."""
    from mlmdsl.results.findings import Finding
    from mlmdsl.results.fit import Fit, Run

    variables, values = described(bound, result.samples)
    run = Run(
        spec=bound.spec.source.name,
        model=bound.model_name,
        seed=seed,
        chains=result.chains,
        draws=result.draws,
        tune=result.tune,
        thin=result.thin,
        kernel=result.kernel,
        device=device,
        dtype=dtype,
        marginalized=marginalized,
        timing=dict(timing),
        gradient_evaluations=result.gradient_evaluations,
        divergences=int(np.sum(result.stats["diverging"])) if "diverging" in result.stats else 0,
        findings=(*findings_of(bound), *(Finding(**asdict(remark)) for remark in result.remarks)),
        versions=versions(),
        interrupted=result.interrupted,
        centring={name: (float(c.mean()), float(c.min()), float(c.max())) for name, c in result.centring.items()},
    )
    return Fit(tuple(variables), values, run, result.stats, observed_data(bound))


def findings_of(bound: Bound) -> Iterator[Finding]:
    """What there is to say of a model and its data before anything is drawn."""
    from mlmdsl.results.findings import Finding

    yield from (Finding("similar_levels", "note", note) for note in bound.notes)
    for name in bound.lowered.computed:
        yield Finding(
            "not_observed",
            "warning",
            f"`{name}` is computed from the data and then drawn by `~`: it is no argument of the model, so it is sampled anew "
            "and its value does not enter",
            f"make `{name}` an argument (compute it in the `@data` block) to observe it, or give the parameter another name",
            (name,),
        )


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("mlmdsl", "torch", "pyro-ppl")}
