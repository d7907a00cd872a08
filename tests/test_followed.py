"""Followed data: after any indexing, reordering or completing, each entry knows its place in the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mlmdsl.followed import Followed, follow
from mlmdsl.runtime import set_index

DATA = torch.tensor([[10.0, 11.0, 12.0], [13.0, 14.0, 15.0]])


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x[1:],
        lambda x: x[:, torch.tensor([2, 0])],
        lambda x: x[x > 11],
        lambda x: x.T,
        lambda x: x.permute(1, 0)[0].to(torch.float32),
        lambda x: x.reshape(-1)[3:].unsqueeze(0).expand(4, 3),
        lambda x: set_index(x, torch.tensor([0.0, 0.0]), slice(None), 1)[:, 2],
    ],
)
def test_entries_keep_their_places(move: Callable[[Tensor], Tensor]) -> None:
    moved = move(follow(DATA))
    assert isinstance(moved, Followed)
    torch.testing.assert_close(DATA.reshape(-1)[moved.places], torch.as_tensor(moved).to(DATA), rtol=0, atol=0)


@pytest.mark.parametrize("compute", [lambda x: x + 1, lambda x: x.sum(0), torch.exp, lambda x: torch.stack([x, x])])
def test_what_is_computed_is_not_followed(compute: Callable[[Tensor], Tensor]) -> None:
    assert not isinstance(compute(follow(DATA)), Followed)
