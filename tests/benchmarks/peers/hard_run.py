"""The hard models in the peers: each is held against the density written by hand, then compiled and sampled.

A peer may leave out constants, such as that of an ordered vector, so differences of log densities between points are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.benchmarks.hard.model import HardModel
from tests.benchmarks.report import Runner

POINTS = 4
TOLERANCE = 1e-7
"""Relative to the largest log density: that of double precision, with room for another order of the sums."""

Density = Callable[[Mapping[str, Any]], float]


def numpyro_density(model: HardModel) -> Density:
    """The joint log density of NumPyro's form."""
    from numpyro.infer.util import log_density

    program = numpyro_program(model)
    return lambda point: float(log_density(program, (), {}, dict(point))[0])


def numpyro_program(model: HardModel) -> Callable[[], None]:
    """NumPyro's form with its data."""
    from tests.benchmarks.peers import numpyro_run  # noqa: F401 - sets double precision
    from tests.benchmarks.peers.hard_numpyro import MODELS

    data = {name: np.asarray(value) for name, value in model.data().items()}
    return lambda: MODELS[model.name](**data)


def pymc_built(model: HardModel) -> Any:
    """PyMC's form with its data."""
    import pymc as pm

    from tests.benchmarks.peers.hard_pymc import MODELS

    with pm.Model() as built:
        MODELS[model.name](**model.data())
    return built


def pymc_density(model: HardModel) -> Density:
    """The joint log density of PyMC's form, without its changes of variables."""
    from pymc.model.transform.conditioning import remove_value_transforms

    built = pymc_built(model)
    # starting values belong to sampling: they are in the way of the density without transforms
    built.rvs_to_initial_values.update(dict.fromkeys(built.rvs_to_initial_values))
    compiled = remove_value_transforms(built).compile_logp(mode="FAST_COMPILE")
    return lambda point: float(compiled(dict(point)))


def verify_same_posterior(model: HardModel, density: Density) -> None:
    """Raises ValueError if the peer's form is of another posterior."""
    points = model.points(POINTS)
    ours = np.array([model.log_density(model.data(), point) for point in points])
    theirs = np.array([density(point) for point in points])
    apart = np.abs((theirs - theirs[0]) - (ours - ours[0])).max()
    if not apart <= TOLERANCE * max(1.0, np.abs(ours).max()):
        raise ValueError(f"{model.name}: the peer's log density differs by {apart:.3g} from the one by hand")


def prepare_numpyro(model: HardModel) -> Runner:
    """NumPyro's NUTS."""
    from tests.benchmarks.peers import numpyro_run

    verify_same_posterior(model, numpyro_density(model))
    return numpyro_run.prepare(numpyro_program(model))


def prepare_pymc(model: HardModel) -> Runner:
    """PyMC, by nutpie."""
    from tests.benchmarks.peers import pymc_run

    verify_same_posterior(model, pymc_density(model))
    return pymc_run.prepare_model(lambda: pymc_built(model), tuple(model.sites))


DENSITIES = {"numpyro": numpyro_density, "pymc": pymc_density}
PREPARE = {"numpyro": prepare_numpyro, "pymc": prepare_pymc}
