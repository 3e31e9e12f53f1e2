"""The row of averages and interpolation: sparse matrices along some of the last dims."""

from __future__ import annotations

from ..core.batching import leading
from ..core.define import primitive
from ..kernels.resample import Band, apply_bands

Bands = tuple[tuple[int, Band], ...]


def _adjoint(bands: Bands) -> Bands:
    return tuple([(d, b.T) for d, b in bands])


resample = primitive(
    "linear", "resample(x, *, bands, node)", lambda x, bands, node: apply_bands(x, bands),
    x=lambda xp, g, bands: xp.resample(g, _adjoint(bands), "ResampleBackward0"),
    node=lambda rest: rest[1], batch=leading,
)  # fmt: skip
