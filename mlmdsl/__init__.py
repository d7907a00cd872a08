"""Bayesian multilevel models in Turing's notation, compiled to Pyro and sampled with NUTS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlmdsl.driver import Bound, Spec, load, parse
    from mlmdsl.language.errors import DataError, Diagnostic, MlmError, SpecError
    from mlmdsl.library import shipped
    from mlmdsl.results.findings import DiagnosticWarning, Finding
    from mlmdsl.results.fit import Fit

__all__ = [
    "Bound",
    "DataError",
    "Diagnostic",
    "DiagnosticWarning",
    "Finding",
    "Fit",
    "MlmError",
    "Spec",
    "SpecError",
    "load",
    "parse",
    "shipped",
]

_HOMES = {
    **dict.fromkeys(("Bound", "Spec", "load", "parse"), "mlmdsl.driver"),
    **dict.fromkeys(("DataError", "Diagnostic", "MlmError", "SpecError"), "mlmdsl.language.errors"),
    **dict.fromkeys(("DiagnosticWarning", "Finding"), "mlmdsl.results.findings"),
    "Fit": "mlmdsl.results.fit",
    "shipped": "mlmdsl.library",
}


def __getattr__(name: str) -> Any:
    """A public name is imported when it is asked for: help needs no compiler, and reading a spec no results."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = found = getattr(import_module(_HOMES[name]), name)
    return found
