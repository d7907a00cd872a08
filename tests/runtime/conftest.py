"""Fixtures of the runtime tests."""

from collections.abc import Iterator

import pyro
import pytest


@pytest.fixture
def unvalidated() -> Iterator[None]:
    """No checks of values, as in sampling: they look at numbers, which cannot be mapped over chains."""
    with pyro.validation_enabled(False):
        yield
