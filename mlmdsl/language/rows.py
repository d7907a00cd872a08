"""Arrays as long as a table, which may be larger than memory.

One idea: an array of more than `LONG` bytes lies in a temporary file that is mapped into memory (and has no name, so that
it is gone with the process), and what is computed from it is computed in parts of `PART` entries. The operating system
keeps of the file what fits; what is in no file stays small. Below `LONG` bytes an array is an ordinary one. The parts are
the same above and below, and so are the results, to the last bit.

The files lie where `TMPDIR` says: a disk, not memory, where tables are larger than that.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[Any]

LONG = 2**24
"""The most bytes that an array has in memory of its own: 16 MiB."""

PART = 2**20
"""The most entries that are computed at once."""


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> Values:
    """An array to be filled, in a file where it is long."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size <= LONG or kind.hasobject:
        return np.empty(shape, kind)
    with temporary_file() as file:
        _reserve(file.fileno(), size)
        return _mapped_file(file, size, kind).reshape(shape)


def temporary_file() -> IO[bytes]:
    """A file without a name, for what is too large for memory."""
    return tempfile.TemporaryFile(prefix="mlmdsl-")


def _reserve(file: int, size: int) -> None:
    """Make a file that large; OSError where the disk has no room (later there would be a signal)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def _mapped_file(file: IO[bytes], size: int, kind: np.dtype[Any]) -> Values:
    return np.frombuffer(mmap.mmap(file.fileno(), size), kind)


def parts(shape: Sequence[int]) -> Iterator[slice]:
    """The rows of an array, so many at a time that they have at most `PART` entries."""
    step = max(1, PART // max(1, math.prod(shape[1:])))
    yield from (slice(start, start + step) for start in range(0, shape[0], step))


def mapped(function: Callable[..., Values], arrays: Sequence[Values], shape: Sequence[int] | None = None) -> Values:
    """A function that goes entry by entry (or row by row), part by part.

    Arrays of fewer axes than the result, or of size 1 along its first, stretch and are given whole. `shape` is what the
    arrays stretch to; without it the largest array's rows are those of the result.
    """
    whole = tuple(shape) if shape is not None else max((array.shape for array in arrays), key=len, default=())
    if math.prod(whole) <= PART:
        return np.asarray(function(*arrays))
    result: Values | None = None
    for part in parts(whole):
        found = np.asarray(function(*(array[part] if _is_cut(array, whole) else array for array in arrays)))
        if result is None:
            result = empty((whole[0], *(whole[1:] if shape is not None else found.shape[1:])), found.dtype)
        result[part] = found
    assert result is not None
    return result


def _is_cut(array: Values, whole: tuple[int, ...]) -> bool:
    return array.ndim == len(whole) and array.shape[0] == whole[0]


def converted(values: Values, dtype: npt.DTypeLike) -> Values:
    """The values in another type; themselves where they have it."""
    kind = np.dtype(dtype)
    return values if values.dtype == kind else mapped(lambda part: part.astype(kind), [values])


def copied(values: Values) -> Values:
    """A copy."""
    return mapped(np.array, [values])


def writable(values: Values) -> Values:
    """An array that others may take for one of their own: a long one shares its file, any other is a copy."""
    if values.nbytes <= LONG or min(values.strides) < 0:
        return copied(values)
    shared = values.view()
    try:
        shared.setflags(write=True)
    except ValueError:  # it owns its memory, which is not to be written
        return copied(values)
    return shared


def kept(values: Values, mask: Values) -> Values:
    """The entries of a vector that a mask marks."""
    if isinstance(values, Texts):
        codes: Values = kept(values.codes, mask)
        texts: Any = Texts(codes, values.texts)
        return texts
    growing = Growing(values.dtype)
    for part in parts(values.shape):
        growing.add(values[part][mask[part]])
    return growing.whole()


def total(function: Callable[..., Any], *arrays: Values) -> Any:
    """Σ over parts of what a function gives for each."""
    return sum((function(*(array[part] for array in arrays)) for part in parts(arrays[0].shape)), start=0)


# ── distinct values ──────────────────────────────────────────────────────────────────────────────────────────────────


def distinct(values: Values) -> Values:
    """The distinct entries of a vector, sorted."""
    if isinstance(values, Texts):
        return values.distinct()[0]
    if values.size <= PART:
        return np.unique(values)
    found = values[:0]
    for part in parts(values.shape):
        found = np.unique(np.concatenate([found, np.unique(values[part])]))
        if found.size > 2 * PART:
            return _distinct_of_many(values)
    return found


def _distinct_of_many(values: Values) -> Values:
    """The distinct entries of a vector that has very many, sorted."""
    ordered = copied(values)
    ordered.sort()
    differs = empty(ordered.shape, np.bool_)
    differs[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=differs[1:])
    return kept(ordered, differs)


def encoded(values: Values, first: int = 1) -> tuple[Values, Values]:
    """The distinct entries of a vector, sorted, and for each entry the number of its own, from `first` on."""
    if isinstance(values, Texts):
        found, numbers = values.distinct()
        return found, mapped(lambda part: np.asarray(numbers[part] + first), [values.codes])
    found = distinct(values)
    return found, mapped(lambda part: np.asarray(np.searchsorted(found, part) + first, dtype=np.int64), [values])


def first_places(values: Values) -> Values:
    """Where each distinct entry of a vector stands first, in the order of the sorted entries."""
    found, places = values[:0], np.zeros(0, dtype=np.int64)
    for part in parts(values.shape):
        new, at = np.unique(values[part], return_index=True)
        found, first = np.unique(np.concatenate([found, new]), return_index=True)
        places = np.concatenate([places, at + part.start])[first]
    return places


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Texts(np.lib.mixins.NDArrayOperatorsMixin):
    """A vector of text as numbers of its distinct texts, which NumPy takes for the array of Python strings that it is.

    codes: the place of each entry in `texts`. The strings come into being where they are asked for; `shape`, `dtype`,
    slices and `encoded` need none.
    """

    dtype = np.dtype(object)
    ndim = 1

    def __init__(self, codes: Values, texts: Sequence[str]) -> None:
        self.codes = codes
        self.texts = tuple(texts)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of entries."""
        return self.codes.shape

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.codes.size

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Values:
        strings = np.array([*self.texts, None], dtype=object)[self.codes]
        strings.setflags(write=False)
        return strings if dtype is None else strings.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = (np.asarray(item) if isinstance(item, Texts) else item for item in inputs)
        return getattr(ufunc, method)(*plain, **options)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Texts(self.codes[index], self.texts)
        return np.asarray(self)[index]

    def __len__(self) -> int:
        return len(self.codes)

    def __getattr__(self, name: str) -> Any:
        """What an array of strings has."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def distinct(self) -> tuple[Values, Values]:
        """The texts that occur, sorted, and for each of `texts` its place among them (those that do not occur: 0)."""
        counts = total(lambda part: np.bincount(part, minlength=len(self.texts)), self.codes)
        occurring = np.flatnonzero(counts) if len(self.codes) else np.zeros(0, dtype=np.int64)
        order = np.array(sorted(occurring.tolist(), key=self.texts.__getitem__), dtype=np.int64)
        numbers = np.zeros(len(self.texts), dtype=np.int64)
        numbers[order] = np.arange(order.size)
        return np.array([*(self.texts[k] for k in order), None], dtype=object)[:-1], numbers


# ── growing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Growing:
    """A vector that comes in pieces: in memory until it is long, then in a file."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.kind = np.dtype(dtype)
        self.pieces: list[Values] = []
        self.size = 0
        self.file: IO[bytes] | None = None

    def __del__(self) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, piece: Values) -> None:
        """Put a piece at the end."""
        self.pieces.append(piece)
        self.size += piece.nbytes
        if self.size > LONG:
            self._spill()

    def _spill(self) -> None:
        if self.file is None:
            self.file = temporary_file()
        _write(self.file, self.pieces)
        self.pieces.clear()

    def whole(self) -> Values:
        """The vector."""
        if self.file is None:
            return np.concatenate([np.zeros(0, self.kind), *self.pieces]) if self.pieces else np.zeros(0, self.kind)
        with self.file as file:
            file.flush()
            return _mapped_file(file, self.size, self.kind)


def _write(file: IO[bytes], pieces: Iterable[Values]) -> None:
    for piece in pieces:
        file.write(np.ascontiguousarray(piece).data)


def on_disk(chunks: Iterable[bytes]) -> memoryview | bytes:
    """Bytes that come in chunks: in memory where they are few, else mapped from a file."""
    growing = Growing(np.uint8)
    for chunk in chunks:
        growing.add(np.frombuffer(chunk, np.uint8))
    return growing.whole().tobytes() if growing.file is None else growing.whole().data
