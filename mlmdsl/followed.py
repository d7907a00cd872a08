"""Data that remember which entries of an argument they are, while a program indexes, reorders and completes them.

A program observes `y[2:]`, a transpose, or rows that a loop picks. Running it once on such data tells where in `y` each
element of an observed site belongs, whatever the program did to get there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_MOVED = frozenset({
    "__getitem__", "__get__", "reshape", "view", "permute", "expand", "expand_as", "transpose", "movedim", "unsqueeze",
    "squeeze", "flatten", "index_select", "unbind", "select", "narrow",
})  # fmt: skip
"""Operations that pick or reorder entries: the places are picked and reordered likewise."""

_KEPT = frozenset({"to", "type", "double", "float", "long", "clone", "contiguous", "detach", "index_put"})
"""Operations after which each entry is where it was."""


class Followed(Tensor):
    """A tensor with `places`: for each entry its position in the row-major order of the argument it came from.

    What is computed from it is a plain tensor, but for picked, reordered, converted and completed entries.
    """

    places: Tensor

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The operation on plain tensors, its result followed where it still holds entries of the argument."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
            name = getattr(func, "__name__", "")
            if not isinstance(result, Tensor) or not isinstance(args[0], Followed):
                return result
            if name in _KEPT:
                return follow(result, args[0].places)
            return follow(result, func(args[0].places, *args[1:], **kwargs)) if name in _MOVED else result


def follow(values: Tensor, places: Tensor | None = None) -> Followed:
    """A tensor whose entries are followed: from where they stand, or from `places`."""
    followed: Followed = values.as_subclass(Followed)
    followed.places = (
        torch.arange(values.numel(), device=values.device).reshape(values.shape) if places is None else places
    )
    return followed
