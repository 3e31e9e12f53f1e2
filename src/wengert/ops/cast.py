"""The row of `cast`: the one op that changes dtype."""

from __future__ import annotations


from ..core.define import primitive


def _cast(x, dtype):
    if x.dtype.kind == "c" and dtype.np.kind != "c":
        x = x.real
    return x.astype(dtype.np)


cast = primitive(
    "linear", "cast(x, *, dtype)", _cast, x=lambda xp, g, x_spec: xp.cast(g, x_spec.dtype),
    batch=lambda op, x, ndim, dtype: op(x, dtype), node="ToCopyBackward0",
)  # fmt: skip
cast.__doc__ = "Cast to another dtype (complex to real keeps the real part, as gradients need it)."


