"""`if`: the branch that is taken, where data decide it; else both, merged or as a branch of the program.

In a vectorised loop a condition that varies with the iteration chooses between values: branches that give values to the same
targets, in the same order, become one statement each, `x = condition ? a : b`. Any other such `if` makes its loop run in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context, Divided, Wrong
from mlmdsl.compiler.dependence import assigned_names
from mlmdsl.compiler.elementwise import verify_condition
from mlmdsl.compiler.loops import prepare_carried
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.parts import asks_missing, divide_by_truth, settled_condition
from mlmdsl.compiler.references import at_home
from mlmdsl.compiler.statements import lower_block, lower_statement
from mlmdsl.compiler.values import Tensor, describe
from mlmdsl.language import tree


def lower_if(cx: Context, node: tree.If) -> None:
    """`if` on data: the branch that is taken, where that is known; else a branch of the program."""
    branch, *others = node.branches
    condition = tensor(cx, cx.expr(branch.condition), branch.condition)
    verify_condition(cx, condition, "if", branch.condition)
    otherwise: tuple[tree.Statement, ...] = (replace(node, branches=tuple(others)),) if others else node.otherwise
    condition = settled_condition(cx, condition, branch.condition)
    if isinstance(condition.known, bool):
        lower_block(cx, branch.body if condition.known else otherwise, strict=bool(cx.loops or cx.keep_names))
        return
    if condition.type.loops:
        _choose(cx, node, branch, otherwise, condition)
        return
    if not condition.is_data:
        cx.fail(
            branch.condition,
            "`if` depends on data only, this condition is not known before sampling",
            "write `ifelse(condition, a, b)`, or `condition ? a : b`",
        )
    _branch(cx, node, condition, branch.body, otherwise)


def _branch(
    cx: Context,
    node: tree.If,
    condition: Tensor,
    then: tuple[tree.Statement, ...],
    otherwise: tuple[tree.Statement, ...],
) -> None:
    prepare_carried(cx, (*then, *otherwise), {}, node)
    scope = dict(cx.scope)
    new = dict.fromkeys(name for name in assigned_names((*then, *otherwise)) if name not in scope)
    outer_names, cx.branch_names = cx.branch_names, {**cx.branch_names, **{name: cx.fresh(name) for name in new}}
    results = []
    given = set(cx.given)
    outer_nodes = cx.nodes
    cx.keep_names += 1
    for reached, body in ((True, then), (False, otherwise)):
        cx.nodes, cx.scope = [], dict(scope)
        taken, cx.given = cx.given, set(given)
        with cx.branch(condition, reached):
            lower_block(cx, body, strict=True)
        if cx.returned is not None:
            cx.fail(
                node, "`return` inside this `if` is not supported", "let the `if` choose a value, and return it after"
            )
        results.append((cx.nodes, cx.scope))
        cx.given |= taken
    cx.keep_names -= 1
    cx.branch_names = outer_names
    (then_nodes, then_scope), (else_nodes, else_scope) = results
    cx.nodes = outer_nodes
    cx.scope = {**else_scope, **then_scope}
    for name, value in then_scope.items():
        other = else_scope.get(name)
        if isinstance(value, Tensor) and isinstance(other, Tensor) and value is not other:
            cx.scope[name] = _either(cx, value, other, node)
    cx.nodes.append(
        ir.Branch(condition=condition.expr, then=tuple(then_nodes), otherwise=tuple(else_nodes), span=node.span)
    )


def _either(cx: Context, one: Tensor, other: Tensor, node: tree.Node) -> Tensor:
    if not isinstance(one.expr, ir.Ref) or not isinstance(other.expr, ir.Ref):
        return one
    if one.rank != other.rank:
        cx.fail(node, f"the branches of this `if` give different shapes: {describe(one)} and {describe(other)}")
    element: ir.Element = one.type.element if one.type.element == other.type.element else "real"
    low, high = min(one.type.low, other.type.low), max(one.type.high, other.type.high)
    type_ = ir.Type(element, one.type.loops, one.type.axes, low, high)
    home = one.home if one.home is other.home else None
    return at_home(Tensor(ir.Ref(one.expr.name, type_, data=one.is_data and other.is_data), home=home))


# ── conditions that vary with the iteration ──────────────────────────────────────────────────────────────────────────


def _choose(
    cx: Context, node: tree.If, branch: tree.Branch, otherwise: tuple[tree.Statement, ...], condition: Tensor
) -> None:
    """Both branches in one, else the loop in parts by the condition, where data decide it."""
    if asks_missing(condition.expr):
        divide_by_truth(cx, condition, branch.condition)
    try:
        with cx.attempt():
            _merge(cx, node, branch, otherwise)
    except Divided:
        raise
    except (Wrong, Carried):
        divide_by_truth(cx, condition, branch.condition)
        raise


def _merge(cx: Context, node: tree.If, branch: tree.Branch, otherwise: tuple[tree.Statement, ...]) -> None:
    """Both branches as one list of statements."""
    condition = tree.Name(id=f"condition at {branch.span.start}", span=branch.condition.span)
    cx.scope[condition.id] = cx.expr(branch.condition)
    for statement in list(_merged(condition, branch.body, otherwise)):
        lower_statement(cx, replace(statement, span=node.span))
    del cx.scope[condition.id]


def _merged(
    condition: tree.Name, then: tuple[tree.Statement, ...], otherwise: tuple[tree.Statement, ...]
) -> Iterator[tree.Statement]:
    """Statements of two branches by pairs; an assignment without a partner keeps the value where it is not reached."""
    if len(otherwise) == 1 and isinstance(otherwise[0], tree.If) and len(otherwise[0].branches) == 1:
        inner = otherwise[0]
        otherwise = tuple(_merged_inner(inner))
    if otherwise and len(then) != len(otherwise):
        raise Carried
    for position, statement in enumerate(then):
        yield _pair(condition, statement, otherwise[position] if otherwise else None)


def _merged_inner(node: tree.If) -> Iterator[tree.Statement]:
    branch = node.branches[0]
    if not node.otherwise or len(branch.body) != len(node.otherwise):
        raise Carried
    for first, second in zip(branch.body, node.otherwise, strict=True):
        yield _pair(branch.condition, first, second)


def _pair(condition: tree.Expression, first: tree.Statement, second: tree.Statement | None) -> tree.Statement:
    if isinstance(first, tree.Assign) and second is None and first.op is None and not first.dotted:
        return replace(first, value=_choice(condition, first.value, first.target))
    if isinstance(first, tree.Assign) and isinstance(second, tree.Assign) and _same_place(first, second):
        return replace(first, value=_choice(condition, first.value, second.value))
    if isinstance(first, tree.Tilde) and isinstance(second, tree.Tilde) and first.target == second.target:
        return replace(first, distribution=_chosen_distribution(condition, first.distribution, second.distribution))
    raise Carried


def _same_place(first: tree.Assign, second: tree.Assign) -> bool:
    return (first.target, first.op, first.dotted) == (second.target, second.op, second.dotted)


def _choice(condition: tree.Expression, then: tree.Expression, otherwise: tree.Expression) -> tree.Expression:
    return tree.Ternary(condition=condition, then=then, otherwise=otherwise, span=then.span)


def _chosen_distribution(
    condition: tree.Expression, first: tree.Expression, second: tree.Expression
) -> tree.Expression:
    """One distribution of two of a family, its parameters chosen."""
    if not isinstance(first, tree.Call) or not isinstance(second, tree.Call):
        raise Carried
    alike = isinstance(first.function, tree.Name) and first.function == second.function
    if not alike or first.keywords or second.keywords or len(first.args) != len(second.args):
        raise Carried
    pairs = zip(first.args, second.args, strict=True)
    return replace(first, args=tuple(a if a == b else _choice(condition, a, b) for a, b in pairs))
