"""What both directions of the `.pt` format share: names of storages and dtypes, and the errors.

A `.pt` file is an uncompressed zip archive: `data.pkl`, a pickle program that says how the object is
built, and one member `data/<key>` with the raw bytes of each storage.
"""

from __future__ import annotations

from pickle import UnpicklingError

from ..kernels import dtypes

# dtypes that have a storage class of their own; the others are written as untyped bytes
STORAGES = {
    "FloatStorage": dtypes.float32,
    "DoubleStorage": dtypes.float64,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64,
    "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8,
    "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}
STORAGE_NAMES = {dtype: name for name, dtype in STORAGES.items()}

ALIGNMENT = 64  # of the storages within the archive, so that they can be mapped into memory


class LoadError(UnpicklingError, RuntimeError):
    """A file that cannot be loaded: damaged, of another kind, or holding more than data.

    It is a `pickle.UnpicklingError` and a RuntimeError, which are what PyTorch raises.
    """
