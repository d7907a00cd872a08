"""Trees as S-expressions, short enough to stand beside the text they come from: `(+ a (* b c))`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from mlmdsl.language import tree


def sexp(node: tree.Node | None) -> str:
    """An expression or statement as an S-expression; a dot behind the head means broadcasting."""
    match node:
        case None:
            return "()"
        case tree.Number():
            return repr(node.value)
        case tree.Boolean():
            return str(node.value).lower()
        case tree.String():
            return f'"{node.value}"'
        case tree.Symbol():
            return f":{node.value}"
        case tree.Name():
            return node.id
        case tree.Colon():
            return ":"
        case tree.End():
            return "end"
        case tree.Operator():
            return _form("." * node.dotted + node.op, node.operands)
        case tree.Comparison():
            return _comparison(node)
        case tree.Logical():
            return _form("." * node.dotted + node.op, (node.left, node.right))
        case tree.Not():
            return _form("." * node.dotted + "!", (node.operand,))
        case tree.Ternary():
            return _form("?", (node.condition, node.then, node.otherwise))
        case tree.Range():
            return _form(":", [part for part in (node.start, node.step, node.stop) if part is not None])
        case tree.Keyword():
            return f"{node.name}={sexp(node.value)}"
        case tree.Call():
            return _form("call" + "." * node.dotted, (node.function, *node.args, *node.keywords))
        case tree.Index():
            return _form("ref", (node.base, *node.indices))
        case tree.Field():
            return f"{sexp(node.base)}.{node.name}"
        case tree.Adjoint():
            return _form("'", (node.operand,))
        case tree.Splat():
            return _form("...", (node.operand,))
        case tree.TypeApply():
            return _form("curly", (node.base, *node.params))
        case tree.Tuple():
            names = node.names or ("",) * len(node.items)
            prefixes = (f"{name}=" if name else "" for name in names)
            items = [prefix + sexp(item) for prefix, item in zip(prefixes, node.items, strict=True)]
            return " ".join(["(tuple", *items]) + ")"
        case tree.VectorLiteral():
            return _form("vcat" if node.concatenate else "vect", node.items)
        case tree.MatrixLiteral():
            return f"(matrix {' '.join(_form('row', row) for row in node.rows)})"
        case tree.Iterator():
            names = " ".join(name.id for name in node.targets)
            return f"({f'({names})' if node.destructured else names} in {sexp(node.iterable)})"
        case tree.Comprehension() | tree.Generator():
            head = "comprehension" if isinstance(node, tree.Comprehension) else "generator"
            condition = () if node.condition is None else (node.condition,)
            return _form(head, (node.body, *node.iterators, *condition))
        case tree.Lambda():
            return f"(-> ({' '.join(name.id for name in node.params)}) {sexp(node.body)})"
    return _statement(node)


def _statement(node: tree.Node) -> str:
    match node:
        case tree.Tilde():
            return _form("." * node.dotted + "~", (node.target, node.distribution))
        case tree.Assign():
            return _form("." * node.dotted + (node.op or "") + "=", (node.target, node.value))
        case tree.Track():
            return _form(":=", (node.target, node.value))
        case tree.For():
            return _form("for", (*node.iterators, *node.body))
        case tree.If():
            branches = [_form("branch", (branch.condition, *branch.body)) for branch in node.branches]
            otherwise = [_form("else", node.otherwise)] if node.otherwise else []
            return f"(if {' '.join([*branches, *otherwise])})"
        case tree.Return():
            return _form("return", [] if node.value is None else [node.value])
        case tree.AddLogProb():
            return _form("addlogprob", (node.value,))
        case tree.ExpressionStatement():
            return sexp(node.value)
    raise TypeError(type(node).__name__)


def _form(head: str, parts: Iterable[tree.Node]) -> str:
    return f"({' '.join([head, *map(sexp, parts)])})"


def _comparison(node: tree.Comparison) -> str:
    ops = ["." * dotted + op for op, dotted in zip(node.ops, node.dotted, strict=True)]
    first, *rest = map(sexp, node.operands)
    if len(ops) == 1:
        return f"({ops[0]} {first} {rest[0]})"
    return f"(compare {' '.join([first, *chain.from_iterable(zip(ops, rest, strict=True))])})"
