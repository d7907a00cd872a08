"""A spec is data: whatever an author writes, the emitted program names only what the compiler's tables name.

Each hostile text would create a file, or read one, if any of it were run or pasted into the program.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from mlmdsl.data.tables import Table
from tests.compiler.density import log_density
from tests.conftest import GOLDEN

LIBRARIES = {"torch", "pyro", "dist", "runtime", "math", "partial", "functools", "mlmdsl"}
PROGRAM = {"real", "REAL", "model", "constants"}
BUILTINS = {"len", "int", "float", "range", "slice", "dict", "max", "min", "abs", "sum", "round"}

HOSTILE = [
    "__import__('os').system('touch HACKED')",
    "'); open('HACKED', 'w'); ('",
    '"); open("HACKED", "w"); ("',
    '""" \nopen("HACKED", "w")\n"""',
    "a\nopen('HACKED', 'w')",
    "a\r\nopen('HACKED', 'w')",
    "a\u2028open('HACKED', 'w')",
    "a\x0copen('HACKED', 'w')",
    "{open('HACKED', 'w')}",
    "{0}",
    "{real}",
    "%s %(x)s",
    "\\",
    "\\x27",
    "# a comment",
    "_arg_0",
    "__class__",
    "lambda",
    "None",
    "torch",
    "constants",
    "../../etc/passwd",
    "$(touch HACKED)",
    "`touch HACKED`",
    "ﬁ",
    "𝐲",
]


def names_of(program: str) -> tuple[set[str], set[str]]:
    """The names that a program reads, and those that it binds itself."""
    nodes = list(ast.walk(ast.parse(program)))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return read, bound


def verify_program(program: str) -> None:
    """Nothing is named, imported, or reached that the compiler does not itself name."""
    read, bound = names_of(program)
    assert read - bound <= LIBRARIES | PROGRAM | BUILTINS
    assert not bound & (LIBRARIES | BUILTINS)
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert str(module).split(".")[0] in LIBRARIES
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            assert node.attr not in {"load", "save", "system", "hub", "jit", "ops"}


def quoted(name: str) -> str:
    """A name in Julia's `var"…"`."""
    return 'var"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n") + '"'


def attempted(text: str, folder: Path, **arguments: Any) -> str | None:
    """The program of a spec after running it once, or None where the spec is refused."""
    try:
        bound = mlmdsl.parse(text, str(folder / "spec.mlm")).bind(**arguments)
        program = bound.pyro_source()
        bound.program()
    except mlmdsl.MlmError:
        return None
    return program


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", HOSTILE)
def test_names(name: str, tmp_path: Path) -> None:
    var = quoted(name)
    text = f"@model function m(y)\n    {var} ~ Normal(0, 1)\n    b := 2 * {var}\n    y ~ Normal({var} + b, 1)\nend\n"
    program = attempted(text, tmp_path, y=1.0)
    if program is not None:
        verify_program(program)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", HOSTILE)
def test_names_in_loops(name: str, tmp_path: Path) -> None:
    """Names of sites made at run time: `f'name[{t}]'`."""
    var = quoted(name)
    text = (
        f"@model function m(y)\n    {var} = zeros(3)\n    {var}[1] ~ Normal(0, 1)\n"
        f"    for t in 2:3\n        {var}[t] ~ Normal({var}[t - 1], 1)\n    end\n    y ~ Normal({var}[3], 1)\nend\n"
    )
    program = attempted(text, tmp_path, y=1.0)
    if program is not None:
        verify_program(program)
        assert mlmdsl.parse(text).bind(y=1.0).program() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", HOSTILE)
def test_strings_and_symbols(text: str, tmp_path: Path) -> None:
    escaped = quoted(text).removeprefix("var")
    spec = f"@model function m(y; family={escaped})\n    σ = family == {escaped} ? 1 : 2\n    y ~ Normal(0, σ)\nend\n"
    program = attempted(spec, tmp_path, y=1.0)
    if program is not None:
        verify_program(program)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", HOSTILE)
def test_columns_and_labels(label: str, tmp_path: Path) -> None:
    """Names of columns and of levels are the table's, and reach the program as text, if at all."""
    table = Table.from_mapping({label: [label, "b", label], "y": [1.0, 2.0, 3.0]})
    text = (
        f"@data begin\n    g = levels({quoted(label)})\n    X = dummies({quoted(label)})\n    y = y\nend\n\n"
        "@model function m(g, X, y; J=length(unique(g)))\n    α ~ filldist(Normal(0, 1), J)\n"
        "    β ~ filldist(Normal(0, 1), size(X, 2))\n    y ~ MvNormal(α[g] + X * β, I)\nend\n"
    )
    try:
        bound = mlmdsl.parse(text).bind(table)
    except mlmdsl.MlmError:
        assert not list(tmp_path.iterdir())
        return
    verify_program(bound.pyro_source())
    first, second = (0, 1) if label < "b" else (1, 0)
    means = np.array([0.1, 0.2]) + [0.3, 0.4]
    observed = stats.norm(means[[first, second, first]], 1).logpdf([1.0, 2.0, 3.0]).sum()
    expected = stats.norm(0, 1).logpdf([0.1, 0.2, 0.3, 0.4]).sum() + observed
    assert log_density(bound, {"α": [0.1, 0.2], "β": [0.3, 0.4]}) == pytest.approx(expected, rel=1e-12)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_the_file(name: str, tmp_path: Path) -> None:
    text = "# a comment\n@model function m(y)\n    y ~ Normal(0, 1) # '''\nend\n"
    program = mlmdsl.parse(text, name).bind(y=1.0).pyro_source()
    verify_program(program)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["open", "eval", "exec", "__import__", "include", "read", "run", "ccall", "println"])
def test_no_function_reaches_out(call: str, tmp_path: Path) -> None:
    spec = f'@model function m(y)\n    x = {call}("HACKED")\n    y ~ Normal(x, 1)\nend\n'
    with pytest.raises(mlmdsl.SpecError, match="unknown function"):
        mlmdsl.parse(spec).bind(y=1.0)
    assert not list(tmp_path.iterdir())


SECRETS = [
    "/etc/passwd",
    "../secret.csv/../../etc/passwd",
    "file:///etc/passwd",
    "~/.netrc",
    "\\0",
    "|ls",
    "https://[::1",
]


@pytest.mark.parametrize("path", SECRETS)
def test_only_tables_are_read(path: str, tmp_path: Path) -> None:
    """A path that is no table is refused; what it holds is not shown."""
    text = f'@data "{path}" begin\n    y = y\nend\n@model function m(y)\n    y ~ Normal(0, 1)\nend\n'
    (tmp_path / "spec.mlm").write_text(text, encoding="utf-8")
    with pytest.raises(mlmdsl.MlmError) as caught:
        mlmdsl.load(tmp_path / "spec.mlm").bind()
    assert "root:" not in str(caught.value)


def test_checking_opens_the_spec_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is not read: it need not be there."""
    path = tmp_path / "spec.mlm"
    text = '@data "nowhere.csv" begin\n    y = y\nend\n@model function m(y)\n    y ~ MvNormal(y, I)\nend\n'
    path.write_text(text, encoding="utf-8")
    opened: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self.name) or read(self))
    mlmdsl.load(path).check()
    assert opened == ["spec.mlm"]


@pytest.mark.parametrize("path", sorted((GOLDEN / "stages").rglob("*.pyro.txt")), ids=lambda path: path.stem)
def test_programs_of_the_golden_specs(path: Path) -> None:
    verify_program(path.read_text(encoding="utf-8"))
