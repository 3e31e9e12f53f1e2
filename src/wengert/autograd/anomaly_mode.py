"""Anomaly detection: where was the call whose backward failed or gave NaN?

While it is on, every recorded call notes where it was made (see `places`), and a watcher of the
backward runs looks for NaN. What it finds is said in a warning, as in PyTorch, and in a note on the
exception itself.
"""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any

from ..core.node import PORT, Node, public_name
from ..core.op import Op
from . import places, watch
from .places import running
from .watch import counts, has_nan

_PACKAGE = __name__.partition(".")[0]
_UNKNOWN = (
    "No forward pass information available. Enable detect anomaly during forward pass for more "
    "information."
)


class _Runs(watch.Watcher):
    """Runs a node; names the call behind an error, and refuses NaN if that is asked for."""

    def run(self, node: Node, g: Any, create: bool) -> Any:
        op = node.op
        try:
            if create or op.__class__ is not Op or self.outer is not None:
                outside = running.node  # calls that this makes will want to know
                running.node = node
                try:
                    contributions = super().run(node, g, create)
                finally:
                    running.node = outside
            else:
                contributions = op.pull(node, g)
        except Exception as error:
            if op is not PORT:
                _attach(error, self.explain(node), _arrived(g))
            raise
        if _check_nan and op is not PORT:
            for k, (c, edge) in enumerate(zip(contributions, node.edges)):
                if edge is not None and c is not None and has_nan(c):
                    found = RuntimeError(
                        f"Function '{public_name(node)}' returned nan values in its {k}th output."
                    )
                    _attach(
                        found, self.explain(node), f"{_arrived(g)}; what it returned: {counts(c)}"
                    )
                    raise found
        return contributions

    def explain(self, node: Any) -> str:
        """Warn where the forward call of a node was made, and return it."""
        name, shown = public_name(node), places.shown(node.seq)
        text = f"Error detected in {name}. "
        text += (
            _UNKNOWN
            if shown is None
            else f"Traceback of forward call that caused the error:\n{shown}"
        )
        _warn(text)
        said, seq = [text], node.seq
        while getattr(seq, "parent", None) is not None:
            name, seq = seq.parent
            shown = places.shown(seq)
            text = f"Previous calculation was induced by {name}. "
            if shown is None:
                text += _UNKNOWN
            else:
                text += f"Traceback of forward call that induced the previous calculation:\n{shown}"
            _warn("\n\n" + text)
            said.append(text)
        return "\n".join(said)


def _attach(error: Exception, said: str, values: str) -> None:
    """Say on the exception what the warnings have said; an outer node's words come later."""
    if said not in getattr(error, "__notes__", ()):
        error.add_note(said.rstrip() + "\n" + values)


def _arrived(g: Any) -> str:
    return f"The gradient that arrived: {counts(g)}"


def _warn(text: str) -> None:
    """Warn at the line of the user's code that led here."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=depth)


def _is_ours(frame: Any) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE


_runs = _Runs()
_enabled = False
_check_nan = True
_lock = threading.Lock()


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off."""
    global _enabled, _check_nan
    with _lock:
        if mode and not _enabled:
            places.note_places(True)
            watch.push(_runs)
        elif _enabled and not mode:
            places.note_places(False)
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

    While it is on, an error in backward shows where the forward call was, in a warning before it and
    in a note on the exception; with `check_nan`, a NaN made by backward is such an error.

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
    ...     try:
    ...         with torch.autograd.detect_anomaly():
    ...             (torch.sqrt(x) * 0).backward()
    ...     except RuntimeError as error:
    ...         print(error)
    Function 'SqrtBackward0' returned nan values in its 0th output.
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
