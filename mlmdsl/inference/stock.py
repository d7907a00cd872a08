"""Pyro's own NUTS behind the same interface: the reference in tests, the way out for models that cannot be batched.

`pyro.infer.NUTS` is handed the model's potential over one flat vector and driven chain by chain. It keeps the running
mean of the acceptance rate and a list of divergences; the figures of single transitions are recovered from these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pyro.infer
import torch
from pyro import poutine
from torch import Tensor

from mlmdsl.inference.draws import Progress, ProgressCallback
from mlmdsl.inference.process import IsolatedRandomness, alone
from mlmdsl.inference.settings import ENOUGH_DRAWS, INITIAL_TRIES, Raw, Settings
from mlmdsl.inference.sites import Sites

_StockNUTS: Any = pyro.infer.NUTS
_potential_grad: Any = pyro.ops.integrator.potential_grad


@dataclass
class _Chain:
    """One chain's record; `evaluations` counts its gradients."""

    positions: list[Tensor] = field(default_factory=list)
    stats: dict[str, list[float]] = field(default_factory=dict)
    evaluations: int = 0
    warmup_s: float = 0.0
    sample_s: float = 0.0

    def record(self, position: Tensor, stats: dict[str, float]) -> None:
        self.positions.append(position.detach().clone())
        for name, value in stats.items():
            self.stats.setdefault(name, []).append(value)


def sample_stock(sites: Sites, settings: Settings, progress: ProgressCallback | None = None) -> Raw:
    """Draw with `pyro.infer.NUTS`, one chain after another; an interrupt keeps the chains that are complete.

    Raises ValueError if no starting point of finite density is found.
    """
    chains: list[_Chain] = []
    interrupted = False
    for number in range(settings.chains):
        chain = _Chain()
        chains.append(chain)
        try:
            chance = IsolatedRandomness(settings.seed * 100_003 + number)
            _run_chain(sites, settings, chain, chance, _counted(progress, settings, number))
        except KeyboardInterrupt:
            interrupted = True
            break
    return _gathered(_worth_keeping(chains, settings) if interrupted else chains, interrupted)


def initial_position(sites: Sites, potential: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
    """A point uniform on (−2, 2)ᴰ with a finite density and gradient, shape (D,)."""
    for _ in range(INITIAL_TRIES):
        q = torch.rand(sites.dim, dtype=sites.dtype, device=sites.device) * 4 - 2
        gradient, value = _potential_grad(potential, {"q": q})
        if torch.isfinite(value) and torch.isfinite(gradient["q"]).all():
            return q
    raise ValueError(f"no point with a finite density in {INITIAL_TRIES} tries on (−2, 2): is the model right?")


class _Drawn(poutine.messenger.Messenger):
    """Draws what the kernel draws, which are sites to Pyro, from generators of the run's own."""

    def __init__(self, chance: IsolatedRandomness) -> None:
        super().__init__()
        self.chance = chance

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not msg["done"] and msg["value"] is None:
            with self.chance:
                msg["value"] = msg["fn"](*msg["args"], **msg["kwargs"])
            msg["done"] = True


def _run_chain(
    sites: Sites, settings: Settings, chain: _Chain, chance: IsolatedRandomness, tell: Callable[[str, int, Any], None]
) -> None:
    def potential(params: dict[str, Tensor]) -> Tensor:
        chain.evaluations += 1
        return sites.potential(params["q"])

    kernel = _StockNUTS(
        potential_fn=potential,
        target_accept_prob=settings.target_accept,
        max_tree_depth=settings.max_depth,
    )
    with chance:
        params = {"q": initial_position(sites, potential)}
    kernel.initial_params = params
    started = perf_counter()
    with alone(), _Drawn(chance):
        kernel.setup(settings.tune)
    for i in range(settings.tune):
        params = _moved(kernel, params, chance)
        tell("warmup", i + 1, kernel)
    chain.warmup_s = perf_counter() - started
    for i in range(settings.draws):
        before = kernel._mean_accept_prob * i, len(kernel._divergences), chain.evaluations
        params = _moved(kernel, params, chance)
        chain.record(params["q"], _stats(kernel, i + 1, before, chain.evaluations))
        chain.sample_s = perf_counter() - started - chain.warmup_s
        tell("sample", i + 1, kernel)


def _moved(kernel: Any, params: dict[str, Tensor], chance: IsolatedRandomness) -> dict[str, Tensor]:
    """A transition."""
    with alone(), _Drawn(chance):
        moved: dict[str, Tensor] = kernel.sample(params)
    return moved


def _stats(kernel: Any, n: int, before: tuple[float, int, int], evaluations: int) -> dict[str, float]:
    accepted, divergences, evaluated = before
    return {
        "acceptance_rate": kernel._mean_accept_prob * n - accepted,
        "diverging": float(len(kernel._divergences) > divergences),
        "lp": -float(kernel._potential_energy_last),
        "n_steps": float(evaluations - evaluated),
        "step_size": float(kernel.step_size),
    }


def _counted(progress: ProgressCallback | None, settings: Settings, number: int) -> Callable[[str, int, Any], None]:
    """A callback that turns the count of one chain into the count of all."""

    def tell(phase: str, done: int, kernel: Any) -> None:
        if progress is None:
            return
        length = settings.tune if phase == "warmup" else settings.draws
        divergences = len(kernel._divergences)
        progress(
            Progress(
                phase="warmup" if phase == "warmup" else "sample",
                done=number * length + done,
                total=settings.chains * length,
                step_size=float(kernel.step_size),
                divergences=divergences,
            )
        )

    return tell


def _worth_keeping(chains: list[_Chain], settings: Settings) -> list[_Chain]:
    complete = [chain for chain in chains if len(chain.positions) == settings.draws]
    if complete:
        return complete
    if len(chains[0].positions) >= ENOUGH_DRAWS:
        return chains[:1]
    raise KeyboardInterrupt


def _gathered(chains: list[_Chain], interrupted: bool) -> Raw:
    stats = {name: np.array([chain.stats[name] for chain in chains]) for name in chains[0].stats}
    whole = {"diverging": bool, "n_steps": np.int64}
    return Raw(
        positions=torch.stack([torch.stack(chain.positions) for chain in chains]),
        stats={name: value.astype(whole.get(name, float)) for name, value in stats.items()},
        warmup_s=sum(chain.warmup_s for chain in chains),
        sample_s=sum(chain.sample_s for chain in chains),
        gradient_evaluations=sum(chain.evaluations for chain in chains) / len(chains),
        interrupted=interrupted,
    )
