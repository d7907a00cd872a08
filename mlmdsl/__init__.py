"""Bayesian multilevel models in Turing's notation, compiled to Pyro and sampled with NUTS."""

from typing import TYPE_CHECKING, Any

from mlmdsl.driver import Bound, Spec, load, parse, shipped
from mlmdsl.language.errors import DataError, Diagnostic, MlmError, SpecError

if TYPE_CHECKING:
    from mlmdsl.results.fit import Fit

__all__ = ["Bound", "DataError", "Diagnostic", "Fit", "MlmError", "Spec", "SpecError", "load", "parse", "shipped"]


def __getattr__(name: str) -> Any:
    """`Fit` is imported when it is asked for: reading a spec does not need it."""
    if name == "Fit":
        from mlmdsl.results.fit import Fit

        return Fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
