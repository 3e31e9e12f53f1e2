"""What `checkpoint(debug=True)` adds to an error: the calls that were made, and where, both times."""

from __future__ import annotations

from typing import Any

from ...autograd.profiler_record import call_name
from ...core import inplace
from ...core.tensor import Tensor
from .region import CheckpointError
from .watching import ThreadMode


class Log(ThreadMode):
    """Within the block, notes the calls of this thread."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []  # what was called, and the user's frame

    def _begin(self) -> None:
        self.lines.clear()

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        """Note a call before it is made, so that one that fails is there as well."""
        if self.mine():
            operands = [_shown(a) for a in args] + [repr(p) for p in params]
            self.lines.append((f"{call_name(op, params)}({', '.join(operands)})", inplace.caller()))
        return self.forward(op, args, params)

    def text(self) -> str:
        """One line per call: its number, what was called on what, and the user's line."""
        return "\n".join(
            f"{k:4}  {line}  at {inplace.place(where) or 'an unknown line'}"
            for k, (line, where) in enumerate(self.lines)
        )


def _shown(a: Any) -> str:
    if isinstance(a, list | tuple):
        return f"[{', '.join(_shown(x) for x in a)}]"
    if not isinstance(a, Tensor):
        return repr(a)
    return f"{str(a.dtype).removeprefix('torch.')}{list(a.shape)}"


class Traces:
    """The logs of one checkpointed call."""

    def __init__(self) -> None:
        self.first, self.second = Log(), Log()

    def contexts(self) -> tuple[Log, Log]:
        """Return the contexts of the call and of its recomputation."""
        return self.first, self.second

    def explain(self, error: CheckpointError) -> CheckpointError:
        """Return an error that shows both logs, and the first place where they differ."""
        pairs = zip(self.first.lines, self.second.lines, strict=False)
        same = 0
        for (one, _), (other, _) in pairs:
            if one != other:
                break
            same += 1
        shorter = min(len(self.first.lines), len(self.second.lines))
        where = (
            f"The two runs differ from call {same} on."
            if same < shorter
            else f"The first {same} calls are alike; one run made more of them."
            if len(self.first.lines) != len(self.second.lines)
            else "The calls are alike: their results differ."
        )
        return CheckpointError(
            f"{error}\n\nOperations executed during the original forward:\n\n{self.first.text()}\n\n"
            f"Operations executed during recomputation:\n\n{self.second.text()}\n\n"
            f"Detected non-determinism while running activation checkpointing. {where} A "
            "recomputation ends early when it has what is needed, unless early_stop=False."
        )
