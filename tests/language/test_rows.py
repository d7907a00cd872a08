"""Long arrays: the same values, in parts and in files, as short ones; text as codes that reads as text."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mlmdsl.language import rows
from mlmdsl.language.rows import Texts

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of more than 64 bytes are long; 7 entries are a part."""
    monkeypatch.setattr(rows, "LONG", 64)
    monkeypatch.setattr(rows, "PART", 7)


def in_file(array: Any) -> bool:
    """Whether an array lies in a mapped file."""
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return isinstance(array, mmap.mmap)


@pytest.mark.parametrize(("shape", "long"), [((8,), False), ((9,), True), ((3, 3), True), ((0, 5), False), ((), False)])
def test_long_arrays_lie_in_files(shape: tuple[int, ...], long: bool) -> None:
    array = rows.empty(shape, np.float64)
    assert (array.shape, in_file(array)) == (shape, long)
    array[...] = 1.0
    assert (array == 1.0).all()


def test_strings_do_not() -> None:
    assert not in_file(rows.empty((100,), object))


ROW, MATRIX, COLUMN = RNG.normal(size=(1, 3)), RNG.normal(size=(20, 3)), RNG.normal(size=(20, 1))


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (np.exp, [MATRIX]),
        (np.add, [MATRIX, COLUMN]),
        (np.add, [COLUMN, ROW]),
        (np.less, [np.asarray(0.5), MATRIX]),
        (np.where, [COLUMN > 0, MATRIX, ROW]),
        (lambda a, b: b > 0, [MATRIX, np.asarray(1.0)]),
    ],
)
def test_a_function_in_parts_is_the_function(function: Callable[..., Any], arrays: list[Any]) -> None:
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    found = rows.mapped(function, arrays, shape)
    np.testing.assert_array_equal(found, np.broadcast_to(function(*arrays), shape))
    assert in_file(found) or found.nbytes <= 64


def test_totals_and_conversions() -> None:
    whole = np.arange(30)
    assert rows.total(lambda part: part.sum(), whole) == whole.sum()
    assert rows.converted(whole, np.int64) is whole
    np.testing.assert_array_equal(rows.converted(whole, np.float64), whole.astype(float))
    assert not np.shares_memory(rows.copied(whole), whole)


ENTRIES = [
    RNG.integers(0, 9, 40),
    RNG.integers(0, 2, 40) > 0,
    RNG.normal(size=40),
    np.repeat(RNG.normal(size=40), 2),
    np.array(list("to be or not to be"), dtype=object),
    Texts(np.array([2, 0, 2, 3, 0, 2, 2, 3, 3], dtype=np.int32), ("b", "unused", "a", "")),
]


@pytest.mark.parametrize("values", ENTRIES)
def test_distinct_entries(values: Any) -> None:
    found, codes = np.unique(np.asarray(values), return_inverse=True)
    assert rows.distinct(values).tolist() == found.tolist()
    ours, numbers = rows.encoded(values)
    assert (ours.tolist(), numbers.tolist()) == (found.tolist(), (codes + 1).tolist())
    first = np.unique(np.asarray(values), return_index=True)[1]
    assert rows.first_places(values).tolist() == first.tolist()


def test_text_reads_as_an_array_of_strings() -> None:
    text = Texts(np.array([1, 0, 1, 2], dtype=np.int32), ("a", "b", ""))
    strings = np.array(["b", "a", "b", ""], dtype=object)
    assert (text.shape, text.size, text.ndim, text.dtype, len(text)) == ((4,), 4, 1, np.dtype(object), 4)
    assert text.tolist() == strings.tolist()
    assert not text.flags.writeable
    assert isinstance(text[1:3], Texts) and text[1:3].tolist() == ["a", "b"]
    assert text[0] == "b" and text[strings == "b"].tolist() == ["b", "b"]
    assert (text == "b").tolist() == np.equal(text, "b").tolist() == [True, False, True, False]
    assert np.concatenate([text, text]).tolist() == [*strings, *strings]


@pytest.mark.parametrize("pieces", [[], [[1.0]], [[1.0, 2.0], [3.0]], [range(9), range(9, 20), [7.0]]])
def test_vectors_that_grow(pieces: list[Any]) -> None:
    growing = rows.Growing(np.float64)
    for piece in pieces:
        growing.add(np.array(piece, dtype=np.float64))
    whole = growing.whole()
    assert whole.tolist() == [number for piece in pieces for number in piece]
    assert in_file(whole) == (whole.nbytes > 64)


def test_bytes_that_are_many_lie_in_a_file() -> None:
    chunks: Iterator[bytes] = iter([b"a" * 50, b"b" * 50])
    assert bytes(rows.on_disk(chunks)) == b"a" * 50 + b"b" * 50
    assert rows.on_disk(iter([b"abc"])) == b"abc"


def test_others_share_a_long_array_and_copy_a_short_one() -> None:
    long, short, owned = rows.empty((20,), np.float64), np.zeros(3), np.zeros(20)
    for array in (long, short, owned):
        array.setflags(write=False)
    assert np.shares_memory(rows.writable(long), long) and rows.writable(long).flags.writeable
    for array in (short, owned, long[::-1]):
        assert not np.shares_memory(rows.writable(array), array)


@pytest.mark.parametrize("values", ENTRIES)
def test_entries_that_a_mask_keeps(values: Any) -> None:
    mask = np.arange(len(values)) % 3 == 0
    assert rows.kept(values, mask).tolist() == np.asarray(values)[mask].tolist()
