"""Multi-head attention as a function: projections, masks, heads."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from .addmm import linear
from .attention import scaled_dot_product_attention
from .create import full, zeros
from .dropout import dropout
from .join import cat
from .softmax import softmax_row

T: Any = TENSORS


# ---------------------------------------------------------------- checks
def _check_ranks(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Say whether the input is batched; AssertionError where ranks don't fit together."""
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    kind = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D "
            f"and {value.dim()}-D tensors respectively"
        )
    if padding is not None and padding.dim() != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{padding.dim()}-D tensor instead"
        )
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{mask.dim()}-D tensor instead"
        )
    if n == 2 and mask is not None and mask.dim() == 3:
        expected = (heads, query.shape[0], key.shape[0])
        if tuple(mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {mask.shape}")
    return n == 3


def additive(mask: Any, name: str, other: Any, other_name: str, dtype: Any) -> Any:
    """Return a mask as numbers to add: -inf where a bool mask is True."""
    if mask is None:
        return None
    d = mask.dtype
    if d.category not in (0, 2):
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and (d.category == 0) != (other.dtype.category == 0):
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both "
            "instead.",
            UserWarning,
            stacklevel=4,
        )
    if d.category == 2:
        return mask
    return T.masked_fill(zeros(tuple(mask.shape), dtype=dtype), mask, -math.inf)


def _check_mask(mask: Any, batch: int, heads: int, length: int, keys: int) -> Any:
    """Bring a mask to three dims: (1 or batch * heads, length, keys)."""
    expected = (length, keys) if mask.dim() == 2 else (batch * heads, length, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


# ---------------------------------------------------------------- pieces
def _projected(q: Any, key: Any, value: Any, w: Any, b: Any, n: int) -> tuple:
    """The three projections by one weight (3 n, n); equal operands share a product."""
    if key is value:
        if q is key:
            made = linear(q, w, b)
            return tuple([T.narrow(made, -1, j * n, n) for j in range(3)])
        parts = [T.narrow(w, 0, 0, n), T.narrow(w, 0, n, 2 * n)]
        biases = [None, None] if b is None else [T.narrow(b, 0, 0, n), T.narrow(b, 0, n, 2 * n)]
        made = linear(key, parts[1], biases[1])
        return linear(q, parts[0], biases[0]), T.narrow(made, -1, 0, n), T.narrow(made, -1, n, n)
    weights = [T.narrow(w, 0, j * n, n) for j in range(3)]
    return _separate((q, key, value), weights, b, n)


def _separate(inputs: tuple, weights: Any, b: Any, n: int) -> tuple:
    biases = [None] * 3 if b is None else [T.narrow(b, 0, j * n, n) for j in range(3)]
    return tuple([linear(x, w, c) for x, w, c in zip(inputs, weights, biases, strict=True)])


def _heads(t: Any, rows: int, size: int) -> Any:
    """(length, batch, heads * size) -> (batch * heads, length, size)."""
    return T.transpose(T.reshape(t, (t.shape[0], rows, size)), 0, 1)


def _widened(mask: Any, by: int = 1) -> Any:
    """A mask with more keys at the end, which everything may attend to."""
    if mask is None:
        return None
    more = (*mask.shape[:-1], by)
    filler = full(more, 0, dtype=mask.dtype)
    return cat([mask, filler], -1)


def _given(t: Any, name: str, rows: int, size: int) -> Any:
    if t.shape[0] != rows or t.shape[2] != size:
        axis, want, have = (0, rows, t.shape[0]) if t.shape[0] != rows else (2, size, t.shape[2])
        raise AssertionError(f"expecting {name}.size({axis}) of {want}, but got {have}")
    return t


def _merged(mask: Any, padding: Any, batch: int, heads: int, length: int, keys: int) -> Any:
    """One mask to add to logits (batch, heads, length, keys), of both kinds; None for none."""
    whole = (batch, heads, length, keys)
    if mask is not None and mask.shape[0] != 1:
        mask = T.reshape(mask, whole)
    if padding is None:
        return mask
    if tuple(padding.shape) != (batch, keys):
        at, want = (0, batch) if padding.shape[0] != batch else (1, keys)
        raise AssertionError(
            f"Expected key_padded_mask.shape[{at}] to be {want}, but got {padding.shape[at]}"
        )
    padding = T.reshape(padding, (batch, 1, 1, keys))
    if mask is None:
        return padding
    return (T.unsqueeze(mask, 0) if mask.ndim == 3 else mask) + padding


def _weighted(q: Any, k: Any, v: Any, mask: Any, p: float, together: tuple) -> tuple:
    """Attention of (batch * heads, ...) with its weights."""
    rows, length, keys = q.shape[0], q.shape[1], k.shape[1]
    logits: Any = T.bmm_nt(q * math.sqrt(1.0 / q.shape[2]), k)
    if mask is not None:
        logits = T.reshape(logits, (*together, length, keys)) + mask
        logits = T.reshape(logits, (rows, length, keys))
    weights = softmax_row(logits, 2)
    if p:
        weights = dropout(weights, p, True)
    return T.bmm(weights, v), weights


# ---------------------------------------------------------------- the function
@public("F")
def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Return multi-head attention, and its weights if asked for; nn.MultiheadAttention explains it.

    query (L, N, E), key and value (S, N, ...), or without N. Masks are True where attention is NOT
    allowed, or added. Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2.

    >>> import wengert as torch
    >>> x, w = torch.randn(5, 2, 4), torch.randn(12, 4)
    >>> out, weights = torch.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 4, 2, w, None, None, None, False, 0.0, torch.eye(4), None
    ... )
    >>> out.shape, weights.shape
    (torch.Size([5, 2, 4]), torch.Size([2, 5, 5]))
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if not batched:
        same = key is value, query is key
        query = query.unsqueeze(1)
        key = query if same[1] else key.unsqueeze(1)
        value = key if same[0] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    q: Any
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    size = width // num_heads
    if size * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    padding: Any = additive(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    causal = is_causal and padding is None and not need_weights
    mask: Any = None if causal else additive(attn_mask, "attn_mask", None, "", query.dtype)

    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        q, k, v = _separate(
            (query, key, value), (q_proj_weight, k_proj_weight, v_proj_weight), in_proj_bias, width
        )
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, width)
    if mask is not None:
        mask = _check_mask(mask, batch, num_heads, length, k.shape[0])

    rows = batch * num_heads
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value")
        k = cat([k, T.expand(bias_k, (1, batch, width))], 0)
        v = cat([v, T.expand(bias_v, (1, batch, width))], 0)
        mask, padding = _widened(mask), _widened(padding)
    q = _heads(q, rows, size)
    k = _heads(k, rows, size) if static_k is None else _given(static_k, "static_k", rows, size)
    v = _heads(v, rows, size) if static_v is None else _given(static_v, "static_v", rows, size)
    if add_zero_attn:
        nothing = zeros((rows, 1, size), dtype=k.dtype)
        k, v = cat([k, nothing], 1), cat([v, nothing], 1)
        mask, padding = _widened(mask), _widened(padding)
    keys = k.shape[1]
    mask = _merged(mask, padding, batch, num_heads, length, keys)
    p = dropout_p if training else 0.0
    together = (batch, num_heads)
    weights: Any = None
    out: Any
    if need_weights:
        out, weights = _weighted(q, k, v, mask, p, together)
    else:
        q, k, v = (T.reshape(t, (*together, t.shape[1], size)) for t in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, mask, p, causal)
        out = T.reshape(out, (rows, length, size))
    out = T.reshape(T.transpose(out, 0, 1), (length * batch, width))
    out = T.view(linear(out, out_proj_weight, out_proj_bias), (length, batch, out_proj_weight.shape[0]))
    if weights is not None:
        weights = T.reshape(weights, (*together, length, keys))
        if average_attn_weights:
            weights = T.mean(weights, (1,), False)
        if not batched:
            weights = weights.squeeze(0)
    return (out if batched else out.squeeze(1)), weights


__all__ = ["additive", "multi_head_attention_forward"]
