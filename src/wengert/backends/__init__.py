"""The switches of PyTorch's compute libraries: scripts set them, and nothing here depends on them."""

from __future__ import annotations

from . import cuda as cuda
from . import cudnn as cudnn
from . import mkl as mkl
from . import mps as mps

__all__ = ["cuda", "cudnn", "mkl", "mps"]
