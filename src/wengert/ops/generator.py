"""The public `Generator`: the kernels' stream of random numbers, its state in tensors."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from ..core import state
from ..core.device import CPU, as_device, device
from ..core.tensor import Tensor, wrap
from ..kernels import random as kernels

_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1


class Generator(kernels.Generator):
    """A source of random numbers with a state of its own; pass it as `generator=`.

    One seed gives the numbers of PyTorch's CPU generator, bit for bit. RuntimeError for the name
    of no device, AssertionError for a GPU.

    >>> import wengert as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    __slots__ = ()
    __module__ = "wengert"

    def __init__(self, device: Any = "cpu") -> None:
        as_device(device, "Generator")
        super().__init__()

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    @property
    def device(self) -> device:
        """Where the numbers are made: always the CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed and return self.

        The seed lies between -2**63 and 2**64 - 1 (ValueError); a negative one has 2**64 added,
        and the low 32 bits choose the stream. RuntimeError for what is no integer.
        """
        self.reseed(_checked_seed(seed))
        return self

    def seed(self) -> int:
        """Start from a random seed and return that seed."""
        seed = kernels.random_seed()
        self.reseed(seed)
        return seed

    def get_state(self) -> Tensor:
        """Return the state: a uint8 tensor of 5056 elements, laid out as PyTorch's."""
        return wrap(self.state_bytes())

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that `get_state` (here or in PyTorch) returned; return self.

        TypeError for anything but a uint8 tensor, RuntimeError for a size or for contents that are
        no state; the generator is then unchanged.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state._array.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, not {new_state.dtype}")
        try:
            self.load_state_bytes(new_state._array)
        except ValueError as error:
            raise RuntimeError(str(error)) from None
        return self

    def clone_state(self) -> Generator:
        """Return a new generator in the same state."""
        other = Generator()
        other.load_state_bytes(self.state_bytes())
        return other

    def __copy__(self) -> Generator:
        return self.clone_state()

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        memo[id(self)] = other = self.clone_state()
        return other

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return _from_state, (self.state_bytes().tobytes(),)


def _from_state(state: bytes) -> Generator:
    """Return a generator in this state (how a pickled one comes back)."""
    g = Generator()
    g.load_state_bytes(np.frombuffer(state, np.uint8))
    return g


def _checked_seed(seed: Any) -> int:
    try:
        value = index(seed)
    except TypeError:
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}") from None
    if not _LOWEST <= value <= _HIGHEST:
        raise ValueError(
            "Overflow when unpacking long long: a seed lies between -2**63 and 2**64 - 1, not "
            f"{value}"
        )
    return value


def current() -> Generator:
    """Return the default generator, which in a DataLoader's worker is the worker's own."""
    g = kernels.default_generator()
    assert isinstance(g, Generator)
    return g


def source(generator: Any, caller: str) -> kernels.Generator:
    """Return the generator to draw from: the one given, or the default one for None."""
    if state.current_batch() is not None:
        from .draws import check_randomness

        check_randomness()
    if generator is None:
        return kernels.default_generator()
    if not isinstance(generator, kernels.Generator):
        raise TypeError(
            f"{caller}(): argument 'generator' must be torch.Generator, not "
            f"{type(generator).__name__}"
        )
    return generator


default_generator = Generator()
default_generator.reseed(kernels.random_seed())
kernels.set_default_generator(default_generator)
