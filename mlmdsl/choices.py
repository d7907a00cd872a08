"""What a caller chooses for a run, looked at before anything is computed: a value that means nothing is refused by its name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlmdsl.files import is_same_file

MOST_SEED = 2**63 - 1


def check_whole(name: str, value: Any) -> int | None:
    """A whole number of any library as Python's own; None stays. ValueError for what is none."""
    if value is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def check_seed(value: Any) -> int | None:
    """A seed. ValueError where no generator takes it."""
    seed = check_whole("seed", value)
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise ValueError(f"seed must be between 0 and 2^63 - 1, not {seed}")
    return seed


def verify_one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise ValueError unless a value is one of those known."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def verify_centring(centring: Any, known: Sequence[str]) -> None:
    """Raise ValueError unless it is a form, or a form by the name of each effect."""
    for name, form in centring.items() if isinstance(centring, Mapping) else (("", centring),):
        verify_one_of(f"the centring of `{name}`" if name else "centring", form, known)


def verify_device(device: str) -> None:
    """Raise ValueError where there is no such device."""
    if str(device) != "cpu":
        import torch

        try:
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError, TypeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"device {device}: PyTorch {torch.__version__} cannot use it here: {reason}") from None


def verify_checkpoint(path: Path, inputs: Iterable[Path]) -> None:
    """Raise ValueError where a checkpoint cannot be written, or would overwrite what the run reads."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ValueError(f"checkpoint {path}: {'this is a folder' if path.is_dir() else 'there is no such folder'}")
    for read in inputs:
        if is_same_file(path, read):
            raise ValueError(f"checkpoint {path}: this would overwrite {read}, which is read")
