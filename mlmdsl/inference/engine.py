"""What takes all chains through their steps: machine code where the model's gradient can be translated, else tensor operations.

The choice depends on the model and on what the machine has, never on a clock, so one seed gives one set of draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor

from mlmdsl.inference.captured import NotCapturable, Run, capture
from mlmdsl.inference.compiled import (
    SECONDS_PER_KERNEL,
    SECONDS_PER_OPERATION,
    WORTH_COMPILING_S,
    Step,
    compile_step,
    estimated_seconds,
    plain_step,
)
from mlmdsl.inference.native import NativeGradient, NativeSteps, NoCompiler, Unsupported
from mlmdsl.inference.native.build import find_compiler
from mlmdsl.inference.potential import GradientAndValue, Potential, build_potential, record_gradient
from mlmdsl.inference.record import NotRecordable, trace
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import Sites
from mlmdsl.inference.tree import Noise, State, Tables, draw_noise, tables

SECONDS_PER_FLOP = 5e-10
STEP_S = 2e-5
"""What a compiled step takes beside its gradients."""

Stepped = tuple[State, Tensor, Tensor]
"""The state after some steps, which chains finished at each (step, chain), what they record (step, chain, column)."""


class Engine(Protocol):
    """Runs steps. `evaluate` gives gradients and values of all chains; `notes` say what is slower than it could be."""

    evaluate: GradientAndValue
    notes: tuple[str, ...]
    compile_s: float
    seconds_per_step: float
    """What a step of all chains takes, estimated from counts of operations."""

    def steps(
        self, state: State, chance: torch.Generator, count: int, size: Tensor, max_size: Tensor, factor: Tensor
    ) -> Stepped:
        """`count` steps, with the size of a step and the greatest of a tree for each chain; the state given is used up,
        and the rows may be gone at the next call."""

    def is_worth_compiling(self, steps: float) -> bool:
        """Whether that many more steps would win back the time that `compile` takes."""

    def compile(self, state: State, max_size: Tensor, factor: Tensor) -> None:
        """Make further steps faster, for states and factors of these shapes."""


def build_engine(sites: Sites, settings: Settings) -> Engine:
    """The fastest engine that the model and the machine allow.

    Raises NotVectorizable for a model that cannot be run for many chains at once.
    """
    notes: tuple[str, ...] = ()
    if sites.device.type == "cpu":
        try:
            return NativeEngine(sites, settings)
        except NoCompiler as reason:
            notes = (f"steps run uncompiled, ten or more times slower: {reason}",)
        except (Unsupported, NotRecordable):  # the tensor operations will say what there is to say
            pass
    potential = build_potential(sites, settings.chains, settings.seed)
    return TensorEngine(potential, tables(settings.max_depth, sites.device), notes)


class NativeEngine:
    """Compiled C.

    Raises:
        NotRecordable, Unsupported: the gradient cannot be translated.
        NoCompiler: C cannot be compiled here.
    """

    def __init__(self, sites: Sites, settings: Settings) -> None:
        started = perf_counter()
        find_compiler()  # before anything is recorded for it
        try:
            graph, example = record_gradient(sites, settings.seed)
            self.gradient = NativeGradient(graph, example, settings.chains)
        except (NotRecordable, Unsupported):
            graph, example = record_gradient(sites, settings.seed, trace)
            self.gradient = NativeGradient(graph, example, settings.chains)
        self.keyed_steps = NativeSteps(self.gradient)
        self.gradient.verify(graph, example)
        self.keyed_steps.ready()
        self.evaluate: GradientAndValue = self.gradient
        self.notes: tuple[str, ...] = ()
        # threads are left out: how long a run may become must not depend on them
        self.seconds_per_step = STEP_S + settings.chains * self.gradient.function.work * SECONDS_PER_FLOP
        self.compile_s = perf_counter() - started

    def steps(
        self, state: State, chance: torch.Generator, count: int, size: Tensor, max_size: Tensor, factor: Tensor
    ) -> Stepped:
        """All steps in one call, from one random key a chain."""
        keys = torch.empty(len(state.size), dtype=torch.int64).random_(generator=chance)
        return self.keyed_steps(state, keys, count, size, max_size, factor)

    def is_worth_compiling(self, steps: float) -> bool:
        """It is compiled."""
        return False

    def compile(self, state: State, max_size: Tensor, factor: Tensor) -> None:
        """Nothing is left to do."""


class TensorEngine:
    """Tensor operations one by one, or on a GPU a block of steps launched as one; in a long run inductor compiles the step."""

    def __init__(self, potential: Potential, table: Tables, notes: tuple[str, ...] = ()) -> None:
        self.evaluate, self.graph = potential.evaluate, potential.graph
        self.notes = notes if potential.note is None else (*notes, potential.note)
        self.compile_s = 0.0
        self._captures = self.graph is not None and table.write.device.type == "cuda"
        self.seconds_per_step = estimated_seconds(
            potential.graph, SECONDS_PER_KERNEL if self._captures else SECONDS_PER_OPERATION
        )
        self._plain = plain_step(potential.evaluate, table)
        self._step: Step = self._plain
        self._launches: dict[tuple[torch.Size, ...], Run] = {}
        self._compiled_for: torch.Size | None = None

    def steps(
        self, state: State, chance: torch.Generator, count: int, size: Tensor, max_size: Tensor, factor: Tensor
    ) -> Stepped:
        """One step after the other."""
        noise = draw_noise(chance, count, state.tree_momentum)
        return self.noisy_steps(state, noise, size, max_size, factor)

    def noisy_steps(self, state: State, noise: Noise, size: Tensor, max_size: Tensor, factor: Tensor) -> Stepped:
        """As many steps as the noise has."""
        arguments = (*state, *noise, size, max_size, factor)
        results = self._block(arguments)(*arguments)
        return State(*results[:-2]), results[-2], results[-1]

    def _block(self, arguments: Sequence[Tensor]) -> Run:
        """What makes a block of steps of these shapes."""
        if not self._captures:
            return self._one_by_one
        shapes = tuple(argument.shape for argument in arguments)
        if shapes not in self._launches:
            started = perf_counter()
            try:
                self._launches[shapes] = capture(self._one_by_one, arguments)
            except NotCapturable as reason:
                self._captures = False
                self.notes = (*self.notes, f"a GPU gets its kernels one by one, which is slower: {reason}")
                return self._one_by_one
            finally:
                self.compile_s += perf_counter() - started
        return self._launches[shapes]

    def _one_by_one(self, *tensors: Tensor) -> Sequence[Tensor]:
        parts = len(State._fields)
        state, noise = State(*tensors[:parts]), Noise(*tensors[parts:-3])
        finished, rows = [], []
        for each in zip(*noise, strict=True):
            state, settled = self._step(state, Noise(*each), *tensors[-3:])
            finished.append(settled.finished)
            rows.append(settled.row)
        return *state, torch.stack(finished), torch.stack(rows)

    def is_worth_compiling(self, steps: float) -> bool:
        """Judged by counts alone; never where the gradient is not a graph."""
        return self.graph is not None and steps * self.seconds_per_step > WORTH_COMPILING_S

    def compile(self, state: State, max_size: Tensor, factor: Tensor) -> None:
        """By inductor; again where the metric's form changed."""
        if self._compiled_for == factor.shape:
            return
        momentum = state.tree_momentum
        chains = len(momentum)
        noise = Noise(torch.zeros_like(momentum), momentum.new_zeros(2, chains), momentum.new_zeros(chains, 1))
        example: tuple[Any, ...] = (state, noise, momentum.new_full((chains,), 0.1), max_size, factor)
        self._step, note, seconds = compile_step(self._plain, example)
        self._launches.clear()  # they hold the kernels of the step that was
        self._compiled_for = factor.shape
        self.compile_s += seconds
        self.notes = self.notes if note is None else (*self.notes, note)
