"""What the choice of centring is worth: models of groups, each written both ways and sampled in three forms. Run with

    python -m tests.benchmarks.centring [MODEL …] [--seeds 1]

Each line gives how centred the effects were on average, the smallest bulk ESS of all parameters in 4 000 draws,
divergences, gradients a chain and seconds. `as written` samples the author's form, with no change of variables. Data are
simulated: 2 072 counts in 235 groups; 8 groups of 5 yes-or-no answers; counts in 10 groups of 200 rows and 30 of 2.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np

import mlmdsl
from mlmdsl.inference import sample
from mlmdsl.inference.draws import Draws
from mlmdsl.results.diagnostics import ess_bulk

FORMS = {
    "centred": "a ~ filldist(Normal(0, τ), J)",
    "noncentred": "z ~ filldist(Normal(0, 1), J)\n    a = τ .* z",
}
TEXT = """@model function groups(y, g; J=maximum(g))
    α ~ Normal(0, 2)
    τ ~ truncated(Cauchy(0, 1); lower=0)
    {effect}
    y ~ arraydist({family}.(α .+ a[g]))
end
"""


def counts() -> tuple[str, dict[str, Any]]:
    random = np.random.default_rng(1)
    sizes = random.multinomial(2072 - 235, random.dirichlet(np.full(235, 1.5))) + 1
    return "LogPoisson", _simulated(random, sizes, 0.7, lambda η: random.poisson(np.exp(1.5 + η)))


def answers() -> tuple[str, dict[str, Any]]:
    random = np.random.default_rng(2)
    sizes = np.full(8, 5)
    return "BernoulliLogit", _simulated(random, sizes, 0.5, lambda η: random.binomial(1, 1 / (1 + np.exp(-0.3 - η))))


def uneven() -> tuple[str, dict[str, Any]]:
    random = np.random.default_rng(3)
    sizes = np.array([200] * 10 + [2] * 30)
    return "LogPoisson", _simulated(random, sizes, 1.0, lambda η: random.poisson(np.exp(1 + η)))


def _simulated(random: np.random.Generator, sizes: Any, spread: float, draw: Any) -> dict[str, Any]:
    group = np.repeat(np.arange(len(sizes)), sizes)
    return {"g": group + 1, "y": draw(random.normal(0, spread, len(sizes))[group])}


MODELS = {"counts": counts, "answers": answers, "uneven": uneven}


def drawn(model: mlmdsl.Bound, form: str, seed: int) -> Draws:
    """Default-length draws in a form; `as written` leaves the program alone."""
    if form == "as written":
        return sample(model.program, seed=seed)
    sites = {effect.site: form for effect in model.recentred()[1]}
    return sample(model.compiled(recentred=True), seed=seed, centring=sites)  # type: ignore[arg-type]


def line(draws: Draws, seconds: float) -> str:
    """The figures of a run."""
    c = [float(c.mean()) for c in draws.centring.values()]
    worst = min(float(np.nanmin(ess_bulk(values))) for values in draws.samples.values())
    diverging = int(draws.stats["diverging"].sum())
    mean = c[0] if c else np.nan
    return f"{mean:>6.2f}{worst:>9.0f}{diverging:>6d}{draws.gradient_evaluations:>11.0f}{seconds:>9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=list(MODELS), help=", ".join(MODELS))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    print(f"{'model':<10}{'written':<12}{'sampled':<12}{'c':>6}{'min ESS':>9}{'div':>6}{'gradients':>11}{'seconds':>9}")
    for name in given.models:
        family, data = MODELS[name]()
        for written, effect in FORMS.items():
            model = mlmdsl.parse(TEXT.format(effect=effect, family=family)).bind(**data)
            for form in ("auto", "centred", "noncentred", "as written"):
                for seed in range(given.seeds):
                    started = perf_counter()
                    draws = drawn(model, form, seed)
                    figures = line(draws, perf_counter() - started)
                    print(f"{name:<10}{written:<12}{form:<12}{figures}", flush=True)


if __name__ == "__main__":
    main()
