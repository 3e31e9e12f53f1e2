"""Whether calls whose result may differ from run to run are refused, and how they say so."""

from __future__ import annotations

import warnings

_mode = 0  # 0 allows them, 1 warns, 2 refuses


def mode() -> int:
    """Return 0 (allowed), 1 (a warning) or 2 (an error)."""
    return _mode


def set_mode(value: int) -> None:
    """Set what `check` does."""
    global _mode
    _mode = value


def check(name: str) -> None:
    """Raise RuntimeError or warn, if asked for, because `name` has no deterministic form."""
    if _mode == 0:
        return
    said = (
        f"{name} does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True"
    )
    if _mode == 2:
        raise RuntimeError(
            f"{said})'. You can turn off determinism just for this operation, or you can use the "
            "'warn_only=True' option, if that's acceptable for your application."
        )
    warnings.warn(
        f"{said}, warn_only=True)': what it computes may differ from run to run.",
        UserWarning,
        stacklevel=3,
    )
