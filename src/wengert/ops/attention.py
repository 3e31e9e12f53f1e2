"""Scaled dot-product attention: one fused row, and the same in small ops."""

from __future__ import annotations

import math
from typing import Any

from ..core.define import primitive, utility
from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor, wrap
from ..kernels import attention as k
from .again import in_small_ops, plainly, pulled_again
from .checking import check_tensor
from .dropout import dropout
from .matmul import matmul
from .softmax import softmax_row

T: Any = TENSORS


# ---------------------------------------------------------------- in small ops
def _logits(q: Any, key: Any, mask: Any, scale: float, causal: bool) -> tuple[Any, Any]:
    """scale q k^T + mask, and where whole rows are masked (None: nowhere)."""
    logits: Any = matmul(q * scale, T.transpose(key, -2, -1))
    if causal:
        return T.masked_fill(logits, wrap(k.later(*logits.shape[-2:])), -math.inf), None
    if mask is None:
        return logits, None
    if mask.dtype.category == 0:
        logits = T.masked_fill(logits, T.logical_not(mask), -math.inf)
    else:
        logits = logits + mask
    empty = T.all(T.eq(logits, -math.inf), (-1,), True)
    return T.masked_fill(logits, empty, 0.0), empty


def _small(
    q: Any, key: Any, v: Any, mask: Any, scale: float, causal: bool, p: float = 0.0
) -> Any:
    logits, empty = _logits(q, key, mask, scale, causal)
    weights = softmax_row(logits, logits.ndim - 1)
    if empty is not None:
        weights = T.masked_fill(weights, empty, 0.0)
    if p:
        weights = dropout(weights, p, True)
    return matmul(weights, v)


# ---------------------------------------------------------------- the row
def _rule(
    xp: Any, g: Any, q: Any, k: Any, v: Any, m: Any, out: Any, need: tuple, scale: float,
    causal: bool,
) -> tuple:  # fmt: skip
    return (*xp.attention_pull(g[0], q, k, v, m, out, scale, causal, need), None)


def _pull_tensors(
    g: Any, q: Any, key: Any, v: Any, m: Any, out: Any, scale: float, causal: bool, need: tuple
) -> tuple:
    return pulled_again(
        lambda q, key, v: _small(q, key, v, m, scale, causal), (q, key, v), need[:3], (g,)
    )


utility(
    "attention_pull",
    lambda g, q, key, v, m, out, scale, causal, need: k.attention_backward(
        g, q, key, v, out[0], out[1], scale, need
    ),
    _pull_tensors,
)


_attention = primitive(
    "opaque", "attention(q, k, v, m?, *, scale, causal, name)",
    lambda q, key, v, m, scale, causal, name: k.attention(q, key, v, m, scale, causal),
    outputs=2, rules={"q, k, v, m": _rule}, node=lambda rest: rest[-1],
    batch=in_small_ops(lambda *args: _small(*args[:-1]), 1),
    saved={"q": "query", "k": "key", "v": "value", "m": "attn_mask"},
)  # fmt: skip


# ---------------------------------------------------------------- the function
def _check(q: Any, key: Any, v: Any, mask: Any, causal: bool) -> None:
    if mask is not None and causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    a, b, c = q._spec, key._spec, v._spec
    if not a.dtype is b.dtype is c.dtype:
        names = [s.dtype.scalar_name.lower() for s in (a, b, c)]
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{names[0]} key.dtype: {names[1]} and value.dtype: {names[2]} instead."
        )
    if min(a.ndim, b.ndim, c.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{a.ndim} key.dim: {b.ndim} and value.dim: {c.ndim} instead."
        )
    if a.dtype.category != 2:
        raise RuntimeError(f"expected scalar type Float but found {a.dtype.scalar_name}")
    if mask is not None:
        d = mask._spec.dtype
        if d.category != 0 and d is not a.dtype and d.name != "float32":
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
                f"attn_mask.dtype: {d.scalar_name.lower()} and  query.dtype: "
                f"{a.dtype.scalar_name.lower()} instead."
            )


def _repeated(q: Any, t: Any) -> Any:
    """Repeat the heads of keys or values so that groups of queries share them."""
    heads, have = q.shape[-3], t.shape[-3]
    if heads == have:
        return t
    if heads % have:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in query")
    return t.repeat_interleave(heads // have, -3)


def _fits(q: Any, key: Any, v: Any, mask: Any) -> bool:
    """Say whether the fused row takes these operands."""
    a, b, c = q._spec.shape, key._spec.shape, v._spec.shape
    if not (a[:-2] == b[:-2] == c[:-2] and a[-1] == b[-1] and b[-2] == c[-2]):
        return False
    if not plainly(q, key, v, mask):
        return False
    if mask is None:
        return True
    if mask._edge is not None or mask._spec.ndim > len(a):
        return False
    whole = (*a[:-1], b[-2])
    m = mask._spec.shape
    return all(n in (1, w) for n, w in zip(m[::-1], whole[::-1], strict=False))


@public("F")
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Return softmax(scale Q K^T + mask) V: (..., L, E), (..., S, E), (..., S, Ev) -> (..., L, Ev).

    `scale` is 1 / sqrt(E) by default. A bool mask is True where attention is allowed, a float mask
    is added; `is_causal` lets query i see keys up to i. Dropout applies to the softmax (always: pass
    0 outside of training). With `enable_gqa` several heads of queries share one of keys and values.
    A query that may attend to nothing gives zeros. Vaswani et al., "Attention Is All You Need", 2017.

    >>> import wengert as torch
    >>> q = torch.ones(1, 2, 4)
    >>> torch.nn.functional.scaled_dot_product_attention(q, q, torch.arange(8.).view(1, 2, 4))
    tensor([[[2., 3., 4., 5.],
             [2., 3., 4., 5.]]])
    """
    for name, t, at in (("query", query, 1), ("key", key, 2), ("value", value, 3)):
        check_tensor(t, "scaled_dot_product_attention", name, at)
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        key, value = _repeated(query, key), _repeated(query, value)
    s = query._spec
    number = 1 / math.sqrt(s.shape[-1]) if scale is None and s.shape[-1] else (scale or 0.0)
    if dropout_p == 0.0 and _fits(query, key, value, attn_mask):
        if attn_mask is not None and attn_mask._spec.dtype.category and attn_mask._spec.dtype is not s.dtype:
            attn_mask = T.cast(attn_mask, s.dtype)
        flash = s.ndim == 4 and s.shape[-1] == value._spec.shape[-1]
        name = (
            "ScaledDotProductFlashAttentionForCpuBackward0"
            if flash
            else "UnsafeViewBackward0" if s.ndim > 2 else "MmBackward0"
        )  # fmt: skip
        out: Tensor = _attention(query, key, value, attn_mask, number, is_causal, name)[0]
        return out
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p:g}")
    made: Tensor = _small(query, key, value, attn_mask, number, is_causal, dropout_p)
    return made
