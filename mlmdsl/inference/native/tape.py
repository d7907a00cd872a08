"""A long function as a tape: what its statements have in common becomes C once, and where they differ, in places and numbers,
becomes data.

A loop of the model is written out when it is recorded, so T turns give T copies of the same statements, each at other places.
A C compiler would take longer than the sampler. Here each kind of statement is a small C function that takes its places from
the tape, an array of integers, and returns where the next statement's begin; neighbours that come again and again become one
function (`repeats.py`). So the text grows with what is different, and the time to compile it hardly with T.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlmdsl.inference.native.memory import Memory
from mlmdsl.inference.native.repeats import Ints, Kinds, Statements, joined
from mlmdsl.inference.native.statements import MARK, NUMBER, element, is_shared

if TYPE_CHECKING:
    from mlmdsl.inference.native.lower import Writer

_SLOT = re.compile(r"«(\d+)»")
_NUMBER = re.compile(r"(number_\w+)\[«(\d+)»\]")


def tape(writer: Writer, name: str, signature: str) -> tuple[str, tuple[Tensor, ...], int]:
    """The text of a function by that name, its constants, the bytes of its workspace for one lane."""
    from mlmdsl.inference.native.lower import Unsupported

    memory = Memory(writer.rooms, writer.constants, writer.declarations)
    statements = _encoded(writer.statements, memory)
    memory.keep_numbers()
    kinds = joined(statements)
    functions, slots = [], []
    for kind, parts in enumerate(kinds.parts):
        text, own = _function(f"{name}_{kind}", name, parts, _operands(statements, kinds, kind), statements, memory)
        functions.append(text)
        slots.append(own)
    row = _row(kinds, slots)
    if int(statements.operands.max(initial=0)) > np.iinfo(np.int32).max:
        raise Unsupported("more numbers than a tape counts")
    place = memory.add("tape", torch.from_numpy(row))
    table = ", ".join(f"{name}_{kind}" for kind in range(len(functions)))
    text = f"""{memory.declared(name)}
typedef const int32_t *(*{name}_operation)(const struct {name}_memory *m, const int32_t *at);
{"".join(functions)}
void {name}{signature}
{{
static const {name}_operation operations[] = {{{table}}};
const struct {name}_memory m = {memory.given};
const int32_t *at = {place}, *end = at + {len(row)};
while (at < end) at = operations[*at](&m, at + 1);
}}
"""
    return text, tuple(memory.constants), memory.workspace


def _encoded(texts: Sequence[str], memory: Memory) -> Statements:
    """Each statement as its template and the operands for it."""
    known: dict[str, int] = {}
    widths: list[int] = []
    which: list[int] = []
    operands: list[int] = []
    for text in texts:
        own: list[int] = []
        template = MARK.sub(lambda mark, own=own: _slot(mark, memory, own), text)  # type: ignore[misc]
        if template not in known:
            known[template] = len(known)
            widths.append(len(own))
        which.append(known[template])
        operands += own
    return Statements(list(known), widths, np.array(which, dtype=np.int64), np.array(operands, dtype=np.int64))


def _slot(mark: re.Match[str], memory: Memory, operands: list[int]) -> str:
    """How the template has a mark, whose place or number becomes one more operand."""
    pointer, offset, index = mark.groups()
    if pointer == NUMBER and not memory.is_pooled(offset):
        return offset
    array, where = memory.place(pointer, offset)
    slot = f"«{len(operands)}»"
    operands.append(where)
    if pointer == NUMBER:
        return f"{array}[{slot}]"
    return element(array, f"{index} + {slot}" if index else slot, is_shared(array))


def _operands(statements: Statements, kinds: Kinds, kind: int) -> Ints:
    """The operands of all of a kind (occurrence, operand)."""
    width = sum(statements.widths[part] for part in kinds.parts[kind])
    starts = kinds.starts[kinds.which == kind]
    found: Ints = statements.operands[starts[:, None] + np.arange(width)]
    return found


def _function(
    name: str, prefix: str, parts: Sequence[int], operands: Ints, statements: Statements, memory: Memory
) -> tuple[str, Ints]:
    """The function of a kind, and what it finds on the tape (occurrence, slot).

    An operand that never varies stands in the text; one that always keeps its distance from an earlier one is written by that.
    """
    moves = operands - operands[:1]
    slots: dict[bytes, int] = {}
    kept: list[int] = []
    texts = []
    for column in range(operands.shape[1]):
        first, move = int(operands[0, column]), moves[:, column]
        if not move.any():
            texts.append(str(first))
            continue
        slot = slots.setdefault(move.tobytes(), len(slots))
        if slot == len(kept):
            kept.append(column)
        distance = first - int(operands[0, kept[slot]])
        texts.append(f"(s{slot} + {distance})" if distance else f"s{slot}")
    body, start = [], 0
    for part in parts:
        body.append(_filled(statements.templates[part], texts[start : start + statements.widths[part]], memory))
        start += statements.widths[part]
    text = "\n".join(body)
    reached = "".join(f"{kind}{field} = m->{field};\n" for field, kind in memory.reached(text))
    read = "".join(f"const int64_t s{k} = at[{k}];\n" for k in range(len(kept)))
    head = f"static const int32_t *{name}(const struct {prefix}_memory *m, const int32_t *at)"
    return f"{head}\n{{\n{reached}{read}{text}\nreturn at + {len(kept)};\n}}\n", operands[:, kept]


def _filled(template: str, texts: Sequence[str], memory: Memory) -> str:
    """A template with its operands; a number that never varies stands there itself."""

    def number(match: re.Match[str]) -> str:
        text = texts[int(match[2])]
        return memory.number(match[1], int(text)) if text.isdigit() else f"{match[1]}[{text}]"

    return _SLOT.sub(lambda slot: texts[int(slot[1])], _NUMBER.sub(number, template))


def _row(kinds: Kinds, slots: Sequence[Ints]) -> NDArray[np.int32]:
    """The tape: of each statement the number of its function and what that function reads."""
    lengths = np.array([1 + own.shape[1] for own in slots])[kinds.which]
    starts = np.cumsum(lengths) - lengths
    row = np.zeros(int(lengths.sum()), dtype=np.int32)
    row[starts] = kinds.which
    for kind, own in enumerate(slots):
        row[starts[kinds.which == kind][:, None] + 1 + np.arange(own.shape[1])] = own
    return row
