"""What it takes to make machine code of models of sequences, by their length:  python -m tests.benchmarks.compiling

    python -m tests.benchmarks.compiling [--models garch,hmm,…] [--lengths 50,200,1000] [--chains 4]

Each step follows from the one before, so the recorded gradient is as long as the sequence. Seconds are of processor time, so that
a busy machine does not change them; the compiler's memory is its largest resident set. `µs` is one gradient of all chains.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import torch

import mlmdsl
from mlmdsl.inference.graph import recorded_values
from mlmdsl.inference.native import build, gradient
from mlmdsl.inference.native.lower import lower
from mlmdsl.inference.potential import record_gradient
from mlmdsl.inference.sites import read_sites
from tests.benchmarks.report import show_table
from tests.benchmarks.sequences import SEQUENCES

MEASURED = """\
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[1:], check=False).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process that runs the compiler: a child of this large one would begin with its size."""


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the seconds of processor time that it took."""
    started = process_time()
    return function(), process_time() - started


def compiler_cost(text: str) -> tuple[float, float]:
    """Seconds and MiB. Raises RuntimeError where the compiler fails."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "text.c"
        source.write_text(build.header("prelude.h") + text, encoding="utf-8")
        command = [*build.find_compiler(), *build.FLAGS, "-o", f"{folder}/made.so", str(source), "-lm"]
        done = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=True)
    status, seconds, memory = json.loads(done.stdout)
    if status:
        raise RuntimeError(done.stderr)
    return seconds, memory


def row(name: str, length: int, chains: int) -> list[str]:
    """The line of a model."""
    text, data = SEQUENCES[name]
    program, bound_s = timed(lambda: mlmdsl.parse(text).bind(**data(length)).compiled())
    (graph, q), record_s = timed(lambda: record_gradient(read_sites(program, 0), 0))
    values = recorded_values(graph, [q])
    lanes = gradient.lanes_for(values, chains)
    function, lower_s = timed(lambda: lower(graph, values, "gradient", lanes))
    compile_s, memory = compiler_cost(gradient.heads(q.dtype, lanes) + function.text + build.header("rows.h"))
    native = gradient.NativeGradient(graph, q, chains)
    native.verify(graph, q)
    points = torch.stack([q * k / chains for k in range(1, chains + 1)])
    times = []
    for _ in range(50):
        started = perf_counter()
        native(points)
        times.append(perf_counter() - started)
    seconds = (bound_s, record_s, lower_s, compile_s, bound_s + record_s + lower_s + compile_s)
    lines = function.text.count("\n")
    return [
        name,
        str(length),
        *(f"{each:.1f}" for each in seconds),
        f"{memory:.0f}",
        str(lines),
        f"{1e6 * median(times):.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SEQUENCES))
    parser.add_argument("--lengths", default="50,200,1000")
    parser.add_argument("--chains", type=int, default=4)
    options = parser.parse_args()
    lengths = [int(each) for each in options.lengths.split(",")]
    rows = [row(name, length, options.chains) for name in options.models.split(",") for length in lengths]
    columns = ("model", "T", "bind s", "record s", "lower s", "cc s", "together", "cc MiB", "lines", "µs")
    show_table(f"machine code of sequences, {options.chains} chains", columns, rows)


if __name__ == "__main__":
    main()
