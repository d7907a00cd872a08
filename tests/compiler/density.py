"""The log density of a compiled spec at given values: what the tests hold against densities written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyro
import torch

import mlmdsl


def bound(text: str, **data: Any) -> mlmdsl.Bound:
    """A spec's text with arguments by name (None is `missing`)."""
    return mlmdsl.parse(text).bind(**data)


def log_density(model: mlmdsl.Bound, values: Mapping[str, Any]) -> float:
    """The joint log density of parameters at `values` (site name → array) and of the data.

    Every site that is drawn must be given: a density at a random point would be no test.
    """
    given = {name: torch.as_tensor(np.asarray(value, dtype=np.float64)) for name, value in values.items()}
    with pyro.poutine.block(), pyro.validation_enabled(False):
        trace = pyro.poutine.trace(pyro.poutine.condition(model.program, data=given)).get_trace()
        trace.compute_log_prob()
    sites = {name: node for name, node in trace.nodes.items() if node["type"] == "sample"}
    drawn = {
        name
        for name, node in sites.items()
        if not node["is_observed"] and "_Subsample" not in type(node["fn"]).__name__
    }
    assert drawn <= set(given), f"no value given for {sorted(drawn - set(given))}"
    assert set(given) <= set(sites), f"no such site: {sorted(set(given) - set(sites))}"
    return float(trace.log_prob_sum())
