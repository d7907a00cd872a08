"""What is written down computes the function and its gradient; what cannot be written down is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.nn.functional import log_softmax, logsigmoid

from mlmdsl.inference.record import NotRecordable, by_autograd, record, trace

DATA = torch.linspace(-1, 2, 4, dtype=torch.float64)
MATRIX = torch.arange(16, dtype=torch.float64).reshape(4, 4) / 10


def written_into(q: Tensor) -> Tensor:
    total = torch.zeros(4, dtype=torch.float64)
    total += q * DATA
    total[1:3] = q[:2] ** 2
    return total.exp().sum()


def branch_on_data(q: Tensor) -> Tensor:
    return (q * q).sum() if DATA[0] < 0 else q.sum()


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "arithmetic": lambda q: (q * DATA).exp().sum() + q[1] * q[2],
    "vector times matrix": lambda q: ((q @ MATRIX) ** 2).sum(),
    "in place": written_into,
    "branch on data": branch_on_data,
    "composed": lambda q: logsigmoid(q).sum() + log_softmax(q, 0)[1],
    "outputs saved for the gradient": lambda q: torch.tanh(q).sum() * torch.sqrt(1 + q[0] ** 2),
    "factor": lambda q: torch.linalg.cholesky_ex(torch.eye(4).double() * (1 + q[0] ** 2) + MATRIX @ MATRIX.mT)[0].sum(),
    "linear": lambda q: (q * DATA).sum(),
    "multivariate gamma function": lambda q: (torch.mvlgamma(q.exp() + 1, 3) * DATA).sum(),
    "cumulative product": lambda q: (q.cumprod(0) * DATA).sum(),
    "cumulative product through zeros": lambda q: ((q * torch.tensor([1, 0, 1, 0])).cumprod(-1) * DATA).sum(),
    "cumulative product of columns": lambda q: (torch.cumprod(q[:, None] + MATRIX, dim=0) ** 2).sum(),
    "cumulative product of one": lambda q: q[:1].cumprod(0).sum() + q[1].cumprod(0),
}


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in FUNCTIONS for way in (record, trace) if (name, way) != ("in place", record)],
)
def test_the_record_is_the_function(name: str, way: Callable[..., GraphModule]) -> None:
    function = FUNCTIONS[name]
    q = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
    if way is trace and name == "branch on data":
        pytest.skip("a tracer of all tensors refuses to look at data")
    graph = way(function, q)
    for point in (q, -q, 2 * q):
        with torch.no_grad():
            found = graph(point)
        for got, wanted in zip(found, by_autograd(function, point.clone()), strict=True):
            assert torch.allclose(got, wanted, rtol=1e-13, atol=1e-13)


def test_what_depends_on_data_alone_is_not_written_down() -> None:
    graph = record(lambda q: (q * torch.exp(DATA).cumsum(0)).sum(), DATA)
    # a product and a sum, noted once more where autograd keeps them: nothing of exp and cumsum
    names = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert not [name for name in names if "exp." in name or "cumsum" in name]


@pytest.mark.parametrize(
    "function",
    [
        lambda q: q.sum() if q[0] > 0 else -q.sum(),
        lambda q: q.sum() * q[0].item(),
        lambda q: (q * torch.rand_like(q)).sum(),
    ],
    ids=["branch", "item", "chance"],
)
def test_values_and_chance_are_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotRecordable):
        record(function, DATA)


@pytest.mark.parametrize("spec", ["varying_slope", "correlated_varying_intercept_slope"])
def test_a_run_imports_what_it_needs(spec: str) -> None:
    """What torch compiles with takes a second and a half to import, of a run that takes two; pandas a fifth of one."""
    script = (
        f"import sys, mlmdsl; mlmdsl.load('cheese/{spec}').bind().sample(seed=1, chains=2, draws=20, tune=20);"
        "print([m for m in ('torch._dynamo', 'torch._inductor', 'sympy', 'arviz', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
