"""`Parameter` and `Buffer` under the path where PyTorch keeps them."""

from ..core.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
