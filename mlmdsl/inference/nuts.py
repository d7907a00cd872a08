"""The vectorised NUTS in the shape of Pyro's own kernels.

    fit = NUTS(model).run(*args, chains=16, draws=250)     all chains in one state machine: the way it is meant
    fit.get_samples(group_by_chain=True)                   tensors by site, as `pyro.infer.MCMC` gives them
    arviz.from_pyro(fit)                                   ArviZ 0.23; 1.x, which has no `from_pyro`, takes arrays:
    arviz.from_dict({"posterior": fit.draws.samples, "sample_stats": fit.draws.stats})

`pyro.infer.MCMC(NUTS(model), num_samples=…)` works too, as with any kernel: it drives one chain at a time and so
forgoes what makes this kernel fast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pyro.infer.mcmc.mcmc_kernel import MCMCKernel
from pyro.infer.mcmc.util import diagnostics, print_summary, select_samples
from torch import Tensor

from mlmdsl.inference.draws import Draws, ProgressCallback
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.run import sample
from mlmdsl.inference.sampler import Sampler
from mlmdsl.inference.session import Session
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import Sites, read_sites
from mlmdsl.inference.tree import COLUMNS

_select: Any = select_samples
_diagnostics: Any = diagnostics
_print_summary: Any = print_summary


class Posterior:
    """Draws with the reading half of `pyro.infer.MCMC`'s interface. `draws` holds the same as arrays, with all
    statistics."""

    def __init__(self, kernel: NUTS, draws: Draws, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.kernel, self.draws = kernel, draws
        self.num_chains, self.num_samples = draws.chains, draws.draws
        self._args, self._kwargs = args, kwargs

    def get_samples(self, num_samples: int | None = None, group_by_chain: bool = False) -> dict[str, Tensor]:
        """Tensors by site: (chain, draw, …) if grouped by chain, else (chain · draw, …)."""
        samples = {name: torch.from_numpy(value) for name, value in self.draws.samples.items()}
        selected: dict[str, Tensor] = _select(samples, num_samples, group_by_chain)
        return selected

    def diagnostics(self) -> dict[str, Any]:
        """n_eff and r_hat by site, and under `divergences` the draws of each chain that diverged."""
        found: dict[str, Any] = _diagnostics(self.get_samples(group_by_chain=True))
        width = len(str(self.num_chains - 1))  # arviz sorts these names
        diverging = self.draws.stats["diverging"]
        found["divergences"] = {f"chain {c:0{width}}": row.nonzero()[0].tolist() for c, row in enumerate(diverging)}
        return found

    def summary(self, prob: float = 0.9) -> None:
        """Print a table of the sites, as `pyro.infer.MCMC.summary` does."""
        _print_summary(self.get_samples(group_by_chain=True), prob=prob)


class NUTS(MCMCKernel):
    """No-U-Turn sampler for any Pyro model with continuous latent sites; many chains at the price of a few.

    `target_accept_prob` and `max_tree_depth` mean what they mean in `pyro.infer.NUTS`. A model whose supports depend
    on other sites is sampled rightly by `run`; `pyro.infer.MCMC` itself knows only fixed supports.
    """

    def __init__(self, model: Callable[..., Any], target_accept_prob: float = 0.8, max_tree_depth: int = 10) -> None:
        self.model = model
        self.target_accept_prob = target_accept_prob
        self.max_tree_depth = max_tree_depth
        self.transforms: dict[str, Any] | None = None
        self._chain: _Chain | None = None

    def run(
        self,
        *args: Any,
        chains: int | None = None,
        draws: int | None = None,
        tune: int | None = None,
        seed: int = 0,
        progress: ProgressCallback | None = None,
        checkpoint: Path | None = None,
        resume: Path | None = None,
        **kwargs: Any,
    ) -> Posterior:
        """Sample the model called with `args` and `kwargs`; the other arguments are those of
        `mlmdsl.inference.sample`."""
        drawn = sample(
            partial(self.model, *args, **kwargs),
            chains=chains,
            draws=draws,
            tune=tune,
            seed=seed,
            target_accept=self.target_accept_prob,
            max_depth=self.max_tree_depth,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
        return Posterior(self, drawn, args, kwargs)

    # what pyro.infer.MCMC calls

    def setup(self, warmup_steps: int, *args: Any, **kwargs: Any) -> None:
        """Prepare one chain. Its seed is drawn from torch's global generator, so `pyro.set_rng_seed` decides it."""
        seed = int(torch.randint(2**31, ()))
        sites = read_sites(partial(self.model, *args, **kwargs), seed)
        settings = Settings(1, 0, warmup_steps, seed, self.target_accept_prob, self.max_tree_depth)
        like = torch.empty(0, dtype=sites.dtype, device=sites.device)
        sampler = Sampler(sites.dim, like, settings, build_engine(sites, settings))
        self._chain = _Chain(sites, sampler, sampler.begin(), warmup_steps)
        self.transforms = {site.name: site.transform.inv for site in sites.latent}

    @property
    def initial_params(self) -> dict[str, Tensor]:
        """Where the chain starts: the unconstrained value of each site."""
        return self._driven.initial()

    @initial_params.setter
    def initial_params(self, params: dict[str, Tensor]) -> None:
        raise NotImplementedError("this kernel finds its own starting points")

    def sample(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """The next state of the chain, unconstrained; `params` is what the last call returned and is not needed."""
        return self._driven.next()

    def logging(self) -> dict[str, str]:
        """What MCMC's progress bar shows."""
        acceptance, step = (self._driven.last[COLUMNS.index(name)] for name in ("acceptance_rate", "step_size"))
        return {"step size": f"{float(step):.2e}", "acc. prob": f"{float(acceptance):.3f}"}

    def diagnostics(self) -> dict[str, Any]:
        """The draws that diverged."""
        return {"divergences": list(self._driven.divergences)}

    def cleanup(self) -> None:
        """Forget the chain."""
        self._chain = None

    @property
    def _driven(self) -> _Chain:
        if self._chain is None:
            raise RuntimeError("setup has not been called")
        return self._chain


@dataclass
class _Chain:
    """One chain that is driven from outside, a transition a call."""

    sites: Sites
    sampler: Sampler
    session: Session
    warmup_steps: int
    calls: int = 0
    last: Tensor = field(default_factory=lambda: torch.zeros(len(COLUMNS)))
    rows: deque[Tensor] = field(default_factory=deque)
    divergences: list[int] = field(default_factory=list)

    def initial(self) -> dict[str, Tensor]:
        x = self.session.state.tree_proposal[:, 2 : 2 + self.sites.dim]
        return self.sites.split(self.session.metric.position(x)[0])

    def next(self) -> dict[str, Tensor]:
        if self.calls == self.warmup_steps:
            self.sampler.finish_warm_up(self.session)
            self.rows.clear()
        while not self.rows:
            self.rows.extend(self.sampler.next_rows(self.session))
        self.last = self.rows.popleft()
        if self.calls >= self.warmup_steps and self.last[COLUMNS.index("diverging")]:
            self.divergences.append(self.calls - self.warmup_steps)
        self.calls += 1
        return self.sites.split(self.last[len(COLUMNS) :])
