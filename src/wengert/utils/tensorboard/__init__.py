"""Event files for TensorBoard, written without TensorFlow or TensorBoard installed."""

from __future__ import annotations

from ..._missing import getter
from .files import FileWriter
from .writer import SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]

__getattr__ = getter(__name__, __all__)
