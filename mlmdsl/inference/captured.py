"""Steps on a GPU, a block of them launched as one.

A step is some hundred kernels on small tensors, and to launch one takes longer than it computes. A CUDA graph holds the
kernels of a whole block of steps and is launched at once. Its kernels read and write the memory they were captured with:
arguments are copied there before a launch, results are copied away after it.

A graph holds kernels and no decisions, so what asks the host in the middle of a step cannot be captured; that is looked
for before anything is captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mlmdsl.inference.graph import agree
from mlmdsl.inference.process import alone

Run = Callable[..., Sequence[Tensor]]
"""Tensors of fixed shapes → tensors, by operations on one device."""


class NotCapturable(Exception):
    """The steps cannot be launched as one; the message says why."""


def capture(run: Run, arguments: Sequence[Tensor]) -> Run:
    """The same function of tensors of these shapes, launched as one.

    Raises:
        NotCapturable: an operation waits for the host, or the graph computes something else.
    """
    held = [argument.clone() for argument in arguments]
    try:
        with alone():
            replay, results = record_kernels(run, held)
    except RuntimeError as error:  # torch's name for what CUDA reports
        raise NotCapturable(str(error).strip().splitlines()[0]) from error

    def launch(*arguments: Tensor) -> list[Tensor]:
        torch._foreach_copy_(held, list(arguments))
        replay()
        return [result.clone() for result in results]

    if not agree(launch(*arguments), run(*arguments)):
        raise NotCapturable("launched as one, they give other numbers")
    return launch


def record_kernels(run: Run, held: Sequence[Tensor]) -> tuple[Callable[[], None], Sequence[Tensor]]:
    """What launches the kernels of `run(*held)` again, and the tensors into which they write.

    Raises RuntimeError where an operation waits for the host.
    """
    device = held[0].device
    beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(beside):
        run(*held)  # libraries make their handles and workspaces at the first call, and may wait for that
        with _no_waiting():
            run(*held)
    torch.cuda.current_stream(device).wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with _as_before(device), torch.cuda.graph(graph):
        results = run(*held)
    return graph.replay, results


@contextmanager
def _as_before(device: torch.device) -> Iterator[None]:
    """A capture that breaks off leaves its stream the current one, and the device's generator waiting for its end."""
    stream, chance = torch.cuda.current_stream(device), torch.cuda.get_rng_state(device)
    try:
        yield
    except RuntimeError:
        torch.cuda.set_stream(stream)
        fresh = torch.Generator(device)
        fresh.set_state(chance)
        torch.cuda.default_generators[stream.device.index].graphsafe_set_state(fresh.graphsafe_get_state())
        raise


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Inside, an operation for which the host would wait raises RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
