"""The stages of the pipeline as text, for `mlmdsl compile --stage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlmdsl.compiler import ir
from mlmdsl.compiler.values import Absent, Tensor, Value, describe
from mlmdsl.language import tree


def show_tree(node: tree.Spec) -> str:
    """The syntax tree, a node a line."""
    return "\n".join(_tree_lines(node, 0))


def _tree_lines(node: object, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(node, tuple):
        return [line for item in node for line in _tree_lines(item, depth)]
    if not isinstance(node, tree.Node):
        return [f"{pad}{node!r}"]
    plain, nested = [], []
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if name == "span" or value in ((), None, False):
            continue
        if isinstance(value, tree.Node) or (
            isinstance(value, tuple) and any(isinstance(item, tree.Node) for item in value)
        ):
            nested.append((name, value))
        else:
            plain.append(f"{name}={value!r}")
    lines = [f"{pad}{type(node).__name__} {' '.join(plain)}".rstrip()]
    for name, value in nested:
        lines += [f"{pad}  .{name}", *_tree_lines(value, depth + 2)]
    return lines


def show_checked(arguments: Mapping[str, Value], model: ir.Model) -> str:
    """The names of a model with what each is: arguments, then parameters and values in order."""
    lines = [f"model {model.name}", "", "arguments"]
    for name, value in arguments.items():
        what = (
            "latent" if isinstance(value, Absent) else str(value.type) if isinstance(value, Tensor) else describe(value)
        )
        lines.append(f"  {name} :: {what}")
    lines += ["", "statements"]
    for statement in ir.statements(model.body):
        if isinstance(statement, ir.Sample):
            kind = "observed" if statement.observed is not None else "parameter"
            lines.append(f"  {statement.target} :: {statement.type}  {kind}, {statement.dist.family}")
        elif isinstance(statement, ir.Let):
            lines.append(f"  {statement.name} :: {statement.value.type}  {'tracked' if statement.tracked else 'value'}")
    return "\n".join(lines)


def show_ir(model: ir.Model) -> str:
    """The intermediate representation, a statement a line."""
    lines = [f"model {model.name}({', '.join(f'{a.name} :: {a.type}' for a in model.arguments)})"]
    lines += _statement_lines(model.body, 1)
    if model.returned is not None:
        lines.append(f"  return {show_expr(model.returned)}")
    return "\n".join(lines)


def _statement_lines(body: Sequence[ir.Statement], depth: int) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    for node in body:
        if isinstance(node, ir.Let):
            lines.append(
                f"{pad}{'track' if node.tracked else 'let'} {node.name} = {show_expr(node.value)} :: {node.value.type}"
            )
        elif isinstance(node, ir.Sample):
            lines.append(f"{pad}{_show_sample(node)}")
        elif isinstance(node, ir.Factor):
            lines.append(f"{pad}factor {show_expr(node.value)}")
        elif isinstance(node, ir.SetIndex):
            lines.append(f"{pad}set {node.name}[{_show_items(node.index)}] = {show_expr(node.value)}")
        elif isinstance(node, ir.Loop):
            lines.append(f"{pad}for {node.variable} in {show_expr(node.start)}:{show_expr(node.stop)} in order")
            lines += _statement_lines(node.body, depth + 1)
        elif isinstance(node, ir.Collapsed):
            names = ", ".join(effect.name for effect in node.effects)
            lines.append(f"{pad}observe {show_expr(node.observed)} with {names} integrated out")
        else:
            lines.append(f"{pad}if {show_expr(node.condition)}")
            lines += _statement_lines(node.then, depth + 1)
            lines += [f"{pad}else", *_statement_lines(node.otherwise, depth + 1)] if node.otherwise else []
    return lines


def _show_sample(node: ir.Sample) -> str:
    over = f" over ({', '.join(axis.name for axis in node.loops)})" if node.loops else ""
    at = f"[{_show_items(node.index)}]" if node.index else ""
    if node.observed is not None:
        return f"observe {show_expr(node.observed)} ~ {show_dist(node.dist)}{over}"
    return f"sample {node.target}{at} ~ {show_dist(node.dist)}{over} :: {node.type}"


def show_dist(dist: ir.Dist) -> str:
    """A distribution of the IR as text."""
    args = ", ".join(_show_arg(arg) for arg in dist.args)
    axes = [f"plates {', '.join(axis.name for axis in dist.plates)}"] if dist.plates else []
    axes += [f"event {', '.join(axis.name for axis in dist.event)}"] if dist.event else []
    return f"{dist.family}({args})" + (f" {{{'; '.join(axes)}}}" if axes else "")


def _show_arg(arg: object) -> str:
    if isinstance(arg, ir.Dist):
        return show_dist(arg)
    if isinstance(arg, tuple):
        return f"[{', '.join(show_dist(part) for part in arg)}]"
    return show_expr(arg)  # type: ignore[arg-type]


def show_expr(expr: ir.Expr) -> str:
    """An expression of the IR as text."""
    if isinstance(expr, ir.Const):
        return repr(expr.value)
    if isinstance(expr, ir.Ref):
        return expr.name
    if isinstance(expr, ir.Numbers):
        return f"numbers({expr.runs})"
    if isinstance(expr, ir.Counter):
        return f"counter({expr.axis.name})"
    if isinstance(expr, ir.Map):
        return f"({expr.op} {' '.join(show_expr(arg) for arg in expr.args)})"
    if isinstance(expr, ir.Contract):
        return f"contract({show_expr(expr.a)}, {show_expr(expr.b)})"
    if isinstance(expr, ir.Gather):
        return f"{show_expr(expr.x)}[{_show_items(expr.index)}]"
    if isinstance(expr, ir.Permute):
        return f"permute({show_expr(expr.x)}, {expr.order})"
    if isinstance(expr, ir.Lift):
        return f"lift({show_expr(expr.x)}, {', '.join(axis.name for axis in expr.axes)})"
    if isinstance(expr, ir.Stack):
        return f"[{', '.join(show_expr(item) for item in expr.items)}]"
    if isinstance(expr, ir.Sequence):
        return f"[{show_expr(expr.body)} for {expr.variable} in {show_expr(expr.start)}:{show_expr(expr.stop)}]"
    return f"{expr.function}({', '.join(_show_arg(arg) for arg in expr.args)})"


def _show_items(items: Sequence[ir.IndexItem]) -> str:
    shown = []
    for item in items:
        if isinstance(item, ir.Keep):
            shown.append(":")
        elif isinstance(item, ir.Slice):
            shown.append(
                f"{show_expr(item.start)}.. along {item.loop.name}"
                if item.loop
                else f"{show_expr(item.start)}:{show_expr(item.stop)}"
            )
        else:
            shown.append(show_expr(item.index))
    return ", ".join(shown)
