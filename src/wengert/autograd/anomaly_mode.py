"""Anomaly detection: where was the call whose backward failed or gave NaN?

While it is on, every recorded call notes where it was made, and backward looks for NaN. Both watch
from outside: a mode for the calls, a watcher for the backward runs.
"""

from __future__ import annotations

import linecache
import sys
import threading
import warnings
from types import CodeType
from typing import Any

import numpy as np

from ..core import state
from ..core.node import LEAF, PORT, Node, hooks_of, public_name
from ..core.tensor import Tensor
from . import watch

_PACKAGE = __name__.partition(".")[0]


class Trace:
    """Where a call was made: the user's frames, outermost first, and what it was made for.

    Source lines are read only when the trace is shown. `parent` is the node during whose backward
    the call was made, as a (name, trace) pair.
    """

    __slots__ = ("frames", "parent")

    def __init__(self, parent: Node | None) -> None:
        frames: list[tuple[CodeType, int]] = []
        frame: Any = sys._getframe(1)
        while frame is not None:
            if not _is_ours(frame):
                frames.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        self.frames = frames[::-1]
        self.parent = None if parent is None else (public_name(parent), trace_of(parent))

    def __str__(self) -> str:
        lines = []
        for code, number in self.frames:
            lines.append(f'  File "{code.co_filename}", line {number}, in {code.co_name}\n')
            source = linecache.getline(code.co_filename, number).strip()
            if source:
                lines.append(f"    {source}\n")
        return "".join(lines)


def trace_of(node: Node) -> Trace | None:
    """Return where the call of a node was made, if that was noted."""
    return None if node.hooks is None else node.hooks.trace


class _Calls(state.Mode):
    """Notes on every recorded call where it was made."""

    def call(self, op: Any, args: tuple, params: tuple) -> Any:
        result = self.forward(op, args, params)
        trace = None
        for t in result if isinstance(result, tuple) else (result,):
            edge = t._edge if isinstance(t, Tensor) else None
            if edge is None or edge.op is LEAF:
                continue
            node = edge.edges[0] if edge.op is PORT else edge
            if trace_of(node) is None:
                if trace is None:
                    trace = Trace(getattr(_running, "node", None))
                hooks_of(node).trace = trace
        return result


class _Running(threading.local):
    node: Node | None = None


_running = _Running()


class _Runs(watch.Watcher):
    """Runs a node; names the call behind an error, and refuses NaN if that is asked for."""

    def run(self, node: Node, g: Any, create: bool) -> Any:
        outside = _running.node
        _running.node = node
        try:
            contributions = super().run(node, g, create)
        except Exception:
            if node.op is not PORT:
                self.explain(node)
            raise
        finally:
            _running.node = outside
        if _check_nan and node.op is not PORT:
            for k, (c, edge) in enumerate(zip(contributions, node.edges, strict=False)):
                if edge is not None and _has_nan(c):
                    self.explain(node)
                    raise RuntimeError(
                        f"Function '{public_name(node)}' returned nan values in its {k}th output."
                    )
        return contributions

    def explain(self, node: Node) -> bool:
        name, trace = public_name(node), trace_of(node)
        if trace is None:
            text = (
                f"Error detected in {name}. No forward pass information available. Enable detect "
                "anomaly during forward pass for more information."
            )
        else:
            text = f"Error detected in {name}. Traceback of forward call that caused the error:\n{trace}"
        _warn(text)
        while trace is not None and trace.parent is not None:
            name, trace = trace.parent
            text = f"\n\nPrevious calculation was induced by {name}. "
            if trace is None:
                text += (
                    "No forward pass information available. Enable detect anomaly during forward "
                    "pass for more information."
                )
            else:
                text += f"Traceback of forward call that induced the previous calculation:\n{trace}"
            _warn(text)
        return True


def _warn(text: str) -> None:
    """Warn at the line of the user's code that led here."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=depth)


def _is_ours(frame: Any) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE


def _has_nan(c: Any) -> bool:
    if c is None:
        return False
    a = c._array if isinstance(c, Tensor) else np.asarray(getattr(c, "items", c))
    return a.dtype.kind in "fc" and bool(np.isnan(a).any())


_calls, _runs = _Calls(), _Runs()
_enabled = False
_check_nan = True
_lock = threading.Lock()


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off."""
    global _enabled, _check_nan
    with _lock:
        if mode and not _enabled:
            state.push_mode(_calls)
            watch.push(_runs)
        elif _enabled and not mode:
            state.pop_mode(_calls)
            watch.pop(_runs)
        _enabled, _check_nan = bool(mode), bool(check_nan)


def is_anomaly_enabled() -> bool:
    """Return True if anomaly detection is on."""
    return _enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Return True if anomaly detection, when on, looks for NaN."""
    return _check_nan


class set_detect_anomaly:
    """Switch anomaly detection on or off: at once as a function, for a block as a context.

    While it is on, an error in backward is preceded by a warning that shows where the forward call
    was; with `check_nan`, a NaN made by backward is such an error.

    >>> import wengert as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    >>> torch.is_anomaly_enabled()
    False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev, self.prev_check_nan = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)


class detect_anomaly:
    """Detect anomalies in a block, with a warning on entry that this costs time.

    >>> import warnings
    >>> import wengert as torch
    >>> x = torch.zeros(1, requires_grad=True)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     with torch.autograd.detect_anomaly():
    ...         (torch.sqrt(x) * 0).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self.prev, self.prev_check_nan = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.prev, self.prev_check_nan = is_anomaly_enabled(), is_anomaly_check_nan_enabled()
        set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)


__all__ = ["detect_anomaly", "set_detect_anomaly"]
