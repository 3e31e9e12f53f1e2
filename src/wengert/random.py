"""Seeds and states of the random numbers, and the switch for deterministic algorithms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from .core import determinism
from .core.tensor import Tensor
from .ops.generator import Generator, current, default_generator

__all__ = [
    "Generator", "are_deterministic_algorithms_enabled", "default_generator", "fork_rng",
    "get_deterministic_debug_mode", "get_rng_state", "initial_seed",
    "is_deterministic_algorithms_warn_only_enabled", "manual_seed", "seed",
    "set_deterministic_debug_mode", "set_rng_state", "use_deterministic_algorithms",
]  # fmt: skip


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator and return it; the numbers that follow are PyTorch's.

    seed is anything that int() takes, from -2**63 to 2**64 - 1 (ValueError outside).

    >>> import wengert as torch
    >>> g = torch.manual_seed(0)
    >>> torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    return current().manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator with a random number and return that number."""
    return current().seed()


def initial_seed() -> int:
    """Return the seed of the default generator.

    >>> import wengert as torch
    >>> g = torch.manual_seed(7)
    >>> torch.initial_seed()
    7
    """
    return current().initial_seed()


def get_rng_state() -> Tensor:
    """Return the state of the default generator: a uint8 tensor of 5056 elements, as PyTorch's."""
    return current().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator into a state that `get_rng_state` (here or in PyTorch) returned.

    TypeError for anything but a uint8 tensor, RuntimeError for the wrong size or contents.

    >>> import wengert as torch
    >>> state = torch.get_rng_state()
    >>> a = torch.rand(3)
    >>> torch.set_rng_state(state)
    >>> torch.equal(a, torch.rand(3))
    True
    """
    current().set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Run a block after which the default generator is where it was before.

    enabled=False makes it do nothing. devices and device_type name GPUs, of which there are none.

    >>> import wengert as torch
    >>> with torch.random.fork_rng():
    ...     noise = torch.rand(100)
    """
    if not enabled:
        yield
        return
    state = current().state_bytes()
    try:
        yield
    finally:
        current().load_state_bytes(state)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Refuse (or, with warn_only, warn about) calls whose result may differ from run to run.

    TypeError unless both are bools.

    >>> import wengert as torch
    >>> torch.use_deterministic_algorithms(True)
    >>> torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.use_deterministic_algorithms(False)
    """
    for name, position, value in (("mode", " (position 1)", mode), ("warn_only", "", warn_only)):
        if not isinstance(value, bool):
            raise TypeError(
                f"use_deterministic_algorithms(): argument '{name}'{position} must be bool, not "
                f"{type(value).__name__}"
            )
    determinism.set_mode((1 if warn_only else 2) if mode else 0)


def are_deterministic_algorithms_enabled() -> bool:
    """Return True if `use_deterministic_algorithms(True)` is in force."""
    return determinism.mode() > 0


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Return True if calls without a deterministic form only warn."""
    return determinism.mode() == 1


_MODES = {"default": 0, "warn": 1, "error": 2}


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Set the mode by name or number: "default" (0) allows, "warn" (1) warns, "error" (2) refuses.

    TypeError for another type, RuntimeError for another value.
    """
    if not isinstance(debug_mode, (str, int)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _MODES:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                f"{debug_mode}"
            )
        debug_mode = _MODES[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}"
        )
    determinism.set_mode(int(debug_mode))


def get_deterministic_debug_mode() -> int:
    """Return the mode as a number: 0 allows, 1 warns, 2 refuses."""
    return determinism.mode()
