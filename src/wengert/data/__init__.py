"""Data sets that travel with the package; see README.md here for their sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["digits"]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return (images, labels): float32 images of shape (1797, 64) in [0, 1], int64 labels 0 to 9.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0.

    >>> images, labels = digits()
    >>> images.shape, int(labels[0])
    ((1797, 64), 0)
    """
    import gzip

    with gzip.open(Path(__file__).parent / "digits.csv.gz", "rt") as f:
        table = np.loadtxt(f, delimiter=",", dtype=np.int64)
    return (table[:, :64] / 16).astype(np.float32), table[:, 64]
