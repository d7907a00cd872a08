"""A model without its data: lowered for arguments whose ranks its text may leave open.

`μ = x * β` fits a vector x with a number β, and a matrix x with a vector β. Where the rank that the use of an argument
suggests leads to errors, the others are tried: a model is wrong only if it is wrong for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlmdsl.compiler.lower import Lowered, lower_model
from mlmdsl.data.bind import Arguments, abstract_arguments
from mlmdsl.language import tree
from mlmdsl.language.errors import MlmError
from mlmdsl.language.source import Source

RANKS = (1, 2, 0)


def lower_unbound(
    source: Source, spec: tree.Spec, model: tree.ModelDef, settings: Mapping[str, Any] | None = None
) -> tuple[Arguments, Lowered]:
    """A model for arguments known by their use alone.

    Raises:
        SpecError: all that is wrong with it, for the ranks that leave the fewest errors.
    """
    ranks: dict[str, int] = {}
    found = _attempt(source, spec, model, settings, ranks)
    for name in _open_arguments(spec, model, settings):
        for rank in RANKS:
            if not isinstance(found, MlmError):
                return found
            other = _attempt(source, spec, model, settings, {**ranks, name: rank})
            if not isinstance(other, MlmError) or len(other.diagnostics) < len(found.diagnostics):
                found, ranks = other, {**ranks, name: rank}
    if isinstance(found, MlmError):
        raise found
    return found


def _attempt(
    source: Source,
    spec: tree.Spec,
    model: tree.ModelDef,
    settings: Mapping[str, Any] | None,
    ranks: Mapping[str, int],
) -> tuple[Arguments, Lowered] | MlmError:
    try:
        arguments = abstract_arguments(source, spec, model, settings, ranks)
        return arguments, lower_model(source, spec, model, arguments.values, arguments.defaults)
    except MlmError as error:
        return error.with_traceback(None)


def _open_arguments(spec: tree.Spec, model: tree.ModelDef, settings: Mapping[str, Any] | None) -> list[str]:
    """Arguments that neither the `@data` block nor a setting defines."""
    defined = spec.data.sources if spec.data else {}
    names = [param.name for param in model.params if param.default is None]
    return [name for name in names if name not in defined and name not in (settings or {})]
