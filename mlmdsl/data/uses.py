"""What a model's body tells of an argument whose data are not there: its rank, and whether it indexes or counts."""

from __future__ import annotations

from mlmdsl.compiler import ir
from mlmdsl.compiler.values import Tensor, Value
from mlmdsl.language import tree
from mlmdsl.language.distributions import DISTRIBUTIONS
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.types import Axis


def by_use(name: str, model: tree.ModelDef, rank: int | None = None) -> Value:
    """An argument without data: a matrix where it is used as one, an index where it indexes, else a column of numbers.

    `rank` is what it is taken to be where its use does not tell.
    """
    uses = _Uses(name)
    for keyword in model.keywords:
        uses.visit(keyword.default)
    uses.visit(model.body)
    if rank is not None:
        uses.rank = rank
    elif uses.scalar and not uses.whole and uses.rank == 1:
        uses.rank = 0
    row = Axis("row", "nrow()")
    if uses.rank >= 2:
        axes = (row, *(Axis(f"{name}_{k}", f"size({name}, {k})") for k in range(2, uses.rank + 1)))
        return Tensor(ir.Ref(name, ir.Type("real", (), axes), data=True))
    if uses.rank == 0:
        return Tensor(ir.Ref(name, ir.Type("int" if uses.counts else "any"), data=True))
    if uses.indexes:
        return Tensor(ir.Ref(name, ir.Type("int", (), (row,), 1), data=True), levels=Axis(name, f"levels of {name}"))
    return Tensor(ir.Ref(name, ir.Type("any", (), (row,)), data=True))


class _Uses:
    """How a name is used in a model: the rank that its indices and sizes tell, whether it indexes or counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rank = 1
        self.indexes = False
        self.counts = False
        self.scalar = False
        self.whole = False

    def visit(self, node: object) -> None:
        """Look at a node and all below it."""
        if isinstance(node, tuple):
            for item in node:
                self.visit(item)
        if not isinstance(node, tree.Node):
            return
        if isinstance(node, tree.Index):
            if self._is(node.base):
                self.rank = max(self.rank, len(node.indices))
            self.indexes = self.indexes or any(self._mentions(item) for item in node.indices)
            self.whole = self.whole or self._is(node.base)
        if isinstance(node, tree.Call):
            self._call(node)
        if isinstance(node, tree.Tilde) and self._is(node.target) and not node.dotted:
            self.scalar = self.scalar or _draws_number(node.distribution)
        if isinstance(node, tree.Adjoint) and self._is(node.operand):
            self.rank = max(self.rank, 2)
        if isinstance(node, tree.Assign) and isinstance(node.target, tree.Tuple) and self._is_size(node.value):
            self.rank = max(self.rank, len(node.target.items))
        if isinstance(node, tree.Range) and (self._is(node.stop) or self._is(node.start)):
            self.rank, self.counts = 0, True
        if isinstance(node, tree.Operator) and node.op == "*" and not node.dotted and self._is(node.operands[0]):
            right = node.operands[1] if len(node.operands) > 1 else None
            self.rank = 2 if isinstance(right, tree.Name) and self.rank == 1 else self.rank
        for field in node.__dataclass_fields__:
            self.visit(getattr(node, field))

    def _call(self, node: tree.Call) -> None:
        name = node.function.id if isinstance(node.function, tree.Name) else ""
        takes_whole = name in FUNCTIONS and FUNCTIONS[name].kind != "elementwise" and not node.dotted
        self.whole = self.whole or (takes_whole and any(self._is(arg) for arg in node.args))
        if name in ("size", "axes") and len(node.args) == 2 and self._is(node.args[0]):
            second = node.args[1]
            self.rank = max(
                self.rank, second.value if isinstance(second, tree.Number) and isinstance(second.value, int) else 1
            )
        if name in ("filldist", "zeros", "ones", "fill", "LKJCholesky", "LKJ") and any(
            self._is(arg) for arg in node.args
        ):
            self.rank, self.counts = 0, True

        if name in ("eachrow", "eachcol") and any(self._is(arg) for arg in node.args):
            self.rank = max(self.rank, 2)

    def _is_size(self, node: object) -> bool:
        """`size(x)`."""
        return (
            isinstance(node, tree.Call)
            and isinstance(node.function, tree.Name)
            and node.function.id == "size"
            and any(self._is(arg) for arg in node.args)
        )

    def _is(self, node: object) -> bool:
        return isinstance(node, tree.Name) and node.id == self.name

    def _mentions(self, node: object) -> bool:
        return self._is(node) or (isinstance(node, tree.Index) and self._is(node.base))


def _draws_number(node: tree.Expression) -> bool:
    """Whether a distribution is one of numbers by its name alone: `Normal(…)`, `truncated(…)`."""
    if not isinstance(node, tree.Call) or not isinstance(node.function, tree.Name) or node.dotted:
        return False
    name = node.function.id
    return name in ("truncated", "censored") or (name in DISTRIBUTIONS and DISTRIBUTIONS[name].event == 0)
