"""Where a call was made: while anybody wants to know, the clock that dates calls notes its callers.

Calls are dated by `core.state.tick`. `note_places` winds another clock in its place, whose readings
are the same numbers but know the frames below which they were drawn. It costs a walk up the stack
for each recorded call; source lines are read only when a place is shown. A reading goes with its
node, so nothing has to be cleared away.
"""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType
from typing import Any

from ..core import state
from ..core.node import Node, public_name

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PACKAGE = __name__.partition(".")[0] + "."
_tick = state.tick
_lock = threading.Lock()
_wanted = 0


class Reading(int):
    """A sequence number that knows its callers: code and instruction of each frame, innermost first.

    `parent` is the node during whose backward the call was made, as its name and its own number.
    """

    frames: list
    parent: tuple[str, int] | None


class _Running(threading.local):
    node: Node | None = None


running = _Running()  # the node that runs on this thread, as far as watchers have said so


def _noting_tick() -> Reading:
    frame: Any = sys._getframe(1)
    frames: list = []
    add = frames.append
    while frame is not None:
        add(frame.f_code)
        add(frame.f_lasti)
        frame = frame.f_back
    reading = Reading(_tick())
    reading.frames = frames
    parent = running.node
    reading.parent = None if parent is None else (public_name(parent), parent.seq)
    return reading


def note_places(flag: bool) -> None:
    """Begin or end noting; calls of it nest."""
    global _wanted
    with _lock:
        _wanted += 1 if flag else -1
        now = _noting_tick if _wanted else _tick
        for name, module in list(sys.modules.items()):  # whoever dates calls has it by this name
            if name.startswith(_PACKAGE) and vars(module).get("tick") in (_tick, _noting_tick):
                module.tick = now  # type: ignore[attr-defined]


def calls(seq: int) -> list[tuple[CodeType, int]]:
    """Return the user's frames behind a sequence number, outermost first; none if it knows none."""
    flat = getattr(seq, "frames", ())
    pairs = zip(flat[-2::-2], flat[-1::-2], strict=True)
    return [(code, at) for code, at in pairs if not code.co_filename.startswith(_FOLDER)]


def shown(seq: int) -> str | None:
    """Return the user's frames behind a sequence number as a traceback; None if it knows none."""
    if not isinstance(seq, Reading):
        return None
    import traceback

    summaries = []
    for code, instruction in calls(seq):
        line, end_line, column, end_column = _position(code, instruction)
        summaries.append(
            traceback.FrameSummary(
                code.co_filename, line, code.co_name,
                end_lineno=end_line, colno=column, end_colno=end_column,
            )
        )  # fmt: skip
    return "".join(traceback.StackSummary.from_list(summaries).format())


def line(seq: int) -> str | None:
    """Return `file:line, in name: source` of the user's innermost frame behind a sequence number."""
    found = calls(seq)
    return described(*found[-1]) if found else None


def described(code: CodeType, instruction: int) -> str:
    """Return `file:line, in name: source` of an instruction."""
    import linecache

    number = _position(code, instruction)[0]
    source = linecache.getline(code.co_filename, number).strip()
    return f"{code.co_filename}:{number}, in {code.co_name}" + (f": {source}" if source else "")


def _position(code: CodeType, instruction: int) -> tuple[int, Any, Any, Any]:
    for k, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if 2 * k == instruction and line is not None:
            return line, end_line, column, end_column
    return code.co_firstlineno, None, None, None
