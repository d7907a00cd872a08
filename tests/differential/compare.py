"""One program, computed by the reference and as compiled: do they agree?"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyro
import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample

import mlmdsl
from mlmdsl.compiler import ir
from tests.differential.programs import Program
from tests.differential.statements import Outcome, reference
from tests.differential.values import JuliaError

TOLERANCE = 1e-10
"""How far log densities may be apart, relative to the sizes of their terms: what rounding in another order explains."""

ELEMENT = re.compile(r"(.+?)\[([0-9,: ]+)\]$")


@dataclass(frozen=True)
class Compiled:
    """What the compiled program gives: an outcome, a refusal (located, before it runs), an error as it runs, or a crash."""

    kind: str
    log_density: float = math.nan
    tracked: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    sequential: bool = False


@dataclass(frozen=True)
class Verdict:
    """`agree`, `both refuse`, `refused` (Julia runs it), `undefined` (no finite density), or a difference: `differ`, `crash`,
    `not refused`."""

    kind: str
    wanted: str
    found: str
    sequential: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether this is a difference."""
        return self.kind in ("differ", "crash", "not refused")


class Given(Messenger):
    """Sets each parameter to the value given for it, or for the array it is an element of."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.values = {name: torch.as_tensor(np.asarray(value, dtype=np.float64)) for name, value in values.items()}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["is_observed"] or isinstance(msg["fn"], _Subsample):
            return
        name = msg["name"]
        value = self.values.get(name)
        if value is None:
            found = ELEMENT.match(name)
            assert found is not None and found[1] in self.values, f"no value for site {name}"
            value = self.values[found[1]][tuple(_place(part) for part in found[2].split(","))]
        msg["value"], msg["done"] = value, True


def _place(part: str) -> int | slice:
    """A place, or a range of them, counted from 1."""
    first, colon, last = part.partition(":")
    return slice(int(first or 1) - 1, int(last) if last else None) if colon else int(part) - 1


def compiled(program: Program, spec: mlmdsl.Spec) -> Compiled:
    """Compile a program with its data, and compute its density at the values given."""
    try:
        model = spec.bind(**program.arguments)
        run = model.program
        sequential = any(isinstance(node, ir.Loop) for node in ir.statements(model.lowered.model.body))
    except (mlmdsl.SpecError, mlmdsl.DataError) as error:
        located = all(found.span is not None for found in error.diagnostics)
        return Compiled("refused" if located else "crash", message=str(error))
    except Exception as error:
        return Compiled("crash", message=f"compiling: {type(error).__name__}: {error}")
    try:
        return _run(run, program.values, sequential)
    except Exception as error:
        notes = _notes(error)
        located = isinstance(error, mlmdsl.MlmError) or (isinstance(error, ValueError) and bool(notes))
        message = f"running: {type(error).__name__}: {error} {notes}"
        return Compiled("error" if located else "crash", message=message, sequential=sequential)


def _notes(error: BaseException | None) -> list[str]:
    """Where in the spec an error was raised: notes of it, or of what is behind it (Pyro raises its own on the way out)."""
    while error is not None:
        if notes := getattr(error, "__notes__", None):
            return list(notes)
        error = error.__cause__
    return []


def _run(run: Any, values: dict[str, Any], sequential: bool) -> Compiled:
    with pyro.poutine.block(), pyro.validation_enabled(False), warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = pyro.poutine.trace(Given(values)(run)).get_trace()
        density = float(trace.log_prob_sum())
    tracked = {
        name: node["value"].detach().numpy() if torch.is_tensor(node["value"]) else np.asarray(node["value"])
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and node["infer"].get("_deterministic")
    }
    return Compiled("outcome", density, tracked, sequential=sequential)


def expected(program: Program, spec: mlmdsl.Spec) -> Outcome | JuliaError:
    """What Julia computes, or the error that it raises."""
    try:
        with np.errstate(all="ignore"):
            return reference(spec.tree, program.arguments, program.values)
    except JuliaError as error:
        return error


def compare(program: Program) -> Verdict:
    """Hold a program's two computations against each other."""
    spec = mlmdsl.parse(program.text)
    wanted, found = expected(program, spec), compiled(program, spec)
    if isinstance(wanted, JuliaError):
        return _judge_error(wanted, found)
    shown = f"{wanted.log_density!r} {wanted.tracked}"
    if found.kind in ("refused", "crash"):
        return Verdict(found.kind, shown, found.message, found.sequential)
    if not _finite(wanted):
        return Verdict("undefined", shown, found.message, found.sequential)
    if found.kind == "error":
        return Verdict("refused", shown, found.message, found.sequential)
    same = _close(found.log_density, wanted.log_density, wanted.magnitude) and _same_tracked(wanted, found)
    kind = "agree" if same else "differ"
    return Verdict(kind, shown, f"{found.log_density!r} {found.tracked}", found.sequential)


def _judge_error(wanted: JuliaError, found: Compiled) -> Verdict:
    if found.kind in ("refused", "error"):
        return Verdict("both refuse", str(wanted), found.message)
    if found.kind == "crash":
        return Verdict("crash", str(wanted), found.message)
    undefined = wanted.kind in ("domain", "divide") and not math.isfinite(found.log_density)
    return Verdict("undefined" if undefined else "not refused", str(wanted), f"{found.log_density!r} {found.tracked}")


def _finite(outcome: Outcome) -> bool:
    values = [np.asarray(value, dtype=float) for value in outcome.tracked.values()]
    return math.isfinite(outcome.log_density) and all(np.isfinite(value).all() for value in values)


def _close(found: Any, wanted: Any, magnitude: float) -> bool:
    return bool(np.all(np.abs(np.asarray(found) - np.asarray(wanted)) <= TOLERANCE * (1 + magnitude)))


def _same_tracked(wanted: Outcome, found: Compiled) -> bool:
    if wanted.tracked.keys() != found.tracked.keys():
        return False
    for name, value in wanted.tracked.items():
        other = np.asarray(found.tracked[name], dtype=float)
        value = np.asarray(value, dtype=float)
        if other.shape != value.shape or not _close(other, value, float(np.abs(value).max(initial=0.0))):
            return False
    return True
