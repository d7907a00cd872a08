"""What all threads of a process share, and how a run keeps to itself.

Pyro's handlers, its validation flags and Python's filters of warnings belong to the process: what touches them holds one lock.
So do torch's random generators: inside `IsolatedRandomness` whatever draws at random, models that are handed no generator
included, draws from generators of its own. How many threads share an operation of torch is a thread's own, and decides how
sums round.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_lock = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, no other thread of this project runs a Pyro model, records one, or changes what warnings are shown."""
    with _lock:
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, each operation of torch that this thread runs takes one thread.

    With several, sums and factorisations round otherwise; on small tensors they only wait for each other (on two busy cores
    the collapsed cheese models took 20 times longer to sample, a factorisation of three columns 40 ms).
    """
    with _THREADS:
        yield


class _OneThread:
    """Counts who is inside: torch hands what one thread sets on to threads that begin later."""

    def __init__(self) -> None:
        self.inside, self.usual = 0, 1
        self.own = threading.local()

    def __enter__(self) -> None:
        with _lock:
            before = torch.get_num_threads()
            if self.inside == 0:
                self.usual = before
            self.inside += 1
            self.own.before = [*getattr(self.own, "before", []), before if self._entered() else self.usual]
            torch.set_num_threads(1)

    def _entered(self) -> bool:
        """Whether this thread is inside already."""
        return bool(getattr(self.own, "before", []))

    def __exit__(self, *_: object) -> None:
        with _lock:
            self.inside -= 1
            torch.set_num_threads(self.own.before.pop())


_THREADS = _OneThread()


class IsolatedRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context: inside, what this thread draws depends on the seed alone, and torch's own generators are left as they are.

    Entered again, it goes on from where it was. Operations that draw are given a generator, one for each device.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Skipping it would import it: half a second. Nothing is compiled in here."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        device = _device(args, kwargs)
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return _drawn(func, args, kwargs, self.generators[device])


def _device(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
    """Where an operation draws."""
    tensor = next((value for value in args if isinstance(value, Tensor)), None)
    named = kwargs.get("device")
    device = torch.device(named if named is not None else "cpu" if tensor is None else tensor.device)
    return torch.empty(0, device=device).device  # `cuda` is `cuda:0`


def _drawn(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], generator: torch.Generator) -> Any:
    """What an operation gives with a generator, unless it has been given one."""
    names = _names(func)
    if "generator" in names:
        position = names.index("generator")
        given = args[position] if len(args) > position else kwargs.get("generator")
        args = args[:position]
        return func(*args, **{**kwargs, "generator": given or generator})
    if (generated := _with_generator(func)) is not None:
        return generated(*args, **{**kwargs, "generator": generator})
    return _from_the_global(func, args, kwargs, generator)


def _names(func: Any) -> list[str]:
    return [argument.name for argument in func._schema.arguments]


def _with_generator(func: Any) -> Any:
    """The overload of an operation that takes a generator beside the same arguments: `rand.generator` of `rand.default`."""
    for overload in func.overloadpacket.overloads():
        candidate = getattr(func.overloadpacket, overload)
        names = _names(candidate)
        if "generator" in names and [name for name in names if name != "generator"] == _names(func):
            return candidate
    return None


def _from_the_global(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], generator: torch.Generator) -> Any:
    """What an operation that takes no generator gives where the global one is in the state of ours."""
    shared = torch.default_generator if generator.device.type == "cpu" else _of_device(generator.device)
    with alone():
        before = shared.get_state()
        try:
            shared.set_state(generator.get_state())
            result = func(*args, **kwargs)
            generator.set_state(shared.get_state())
        finally:
            shared.set_state(before)
    return result


def _of_device(device: torch.device) -> torch.Generator:
    found: torch.Generator = torch.cuda.default_generators[device.index]
    return found
