"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.op import TENSORS
from ..core.registry import public
from ..core.tensor import Tensor
from .checking import check_tensor
from .fft import c2c, c2r, r2c
from .pad import pad

T: Any = TENSORS


def _window_shown(window: Tensor | None) -> str:
    if window is None:
        return "None"
    return f"torch.{window._spec.dtype.scalar_name}Tensor{{{list(window.shape)}}}"


@public("torch", "Tensor")
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect",
    normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the Fourier transforms of overlapping windows of a signal (length,) or (batch, length).

    hop_length  how far apart the windows begin (n_fft // 4)
    win_length  the size of `window` (n_fft), which is padded with zeros to n_fft
    center      True: the signal is padded (`pad_mode`), so that window t is centered at t hop_length
    normalized  True: times 1 / sqrt(n_fft)
    onesided    True (real signals): only the non-negative frequencies

    The result is complex, of shape (..., frequencies, windows); with return_complex=False (old) it
    is real and ends in a dim for the two parts.

    >>> import wengert as torch
    >>> torch.stft(torch.ones(16), 8, window=torch.ones(8), return_complex=True).shape
    torch.Size([5, 9])
    """
    check_tensor(input, "stft")
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if center and input.ndim in (1, 2):
        lead = (1,) * (3 - input.ndim)
        wide = pad(input.reshape(lead + tuple(input.shape)), (n_fft // 2, n_fft // 2), pad_mode)
        input = wide.reshape(tuple(wide.shape)[3 - input.ndim :])

    def refuse(why: str) -> RuntimeError:
        return RuntimeError(
            f"stft(torch.{input._spec.dtype.scalar_name}Tensor{list(input.shape)}, n_fft={n_fft}, "
            f"hop_length={hop}, win_length={size}, window={_window_shown(window)}, "
            f"normalized={int(normalized)}, onesided={_flag(onesided)}, "
            f"return_complex={_flag(return_complex)}, align_to_window={_flag(align_to_window)}) : {why}"
        )

    turned = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not turned:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will "
            "further require that return_complex=True in a future PyTorch release."
        )
    if input._spec.dtype.category < 2:
        raise refuse("expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise refuse("expected a 1D or 2D tensor")
    batched = input.ndim == 2
    x = input if batched else T.unsqueeze(input, 0)
    if align_to_window:
        x = T.constant_pad_nd(x, ((n_fft - size) // 2,) * 2, 0)
    length = x.shape[1]
    if not 0 < n_fft <= length:
        raise refuse(f"expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise refuse(f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < size <= n_fft:
        raise refuse(f"expected 0 < win_length <= n_fft, but got win_length={size}")
    if window is not None and tuple(window.shape) != (size,):
        raise refuse(
            f"expected a 1D window tensor of size equal to win_length={size}, but got window with "
            f"size {list(window.shape)}"
        )
    if onesided is None:
        onesided = not turned
    if turned and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if return_complex is False:
        warnings.warn(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will "
            "return complex tensors for all inputs, and return_complex=False will raise an error.",
            UserWarning,
            stacklevel=2,
        )
    frames = T.unfold(x, 1, n_fft, hop)
    if window is not None or size < n_fft:
        frames = frames * _padded(window, size, n_fft, x)
    scale = 1 if normalized else 0
    if turned:
        out = c2c(frames, (2,), scale, True)
    else:
        out = r2c(frames, (2,), scale, bool(onesided))
    out = T.transpose(out, 1, 2)
    if not batched:
        out = T.squeeze(out, 0)
    return out if return_complex is not False else T.view_as_real(out)


def _flag(x: bool | None) -> Any:
    return None if x is None else int(x)


def _padded(window: Tensor | None, size: int, n_fft: int, like: Tensor) -> Tensor:
    """The window, centered in n_fft points."""
    if window is None:
        window = T.new_ones(like, (size,)) if like.dtype.is_floating_point else like.real.new_ones(size)
    if size == n_fft:
        return window
    left = (n_fft - size) // 2
    return T.constant_pad_nd(window, (left, n_fft - size - left), 0)


@public("torch", "Tensor")
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """Return the signal whose `stft` comes closest to the input (least squares).

    The windows, squared and added up, must not vanish anywhere; RuntimeError if they do. `length`
    cuts or pads the result.

    >>> import wengert as torch
    >>> w = torch.hann_window(8)
    >>> s = torch.stft(torch.ones(16), 8, window=w, return_complex=True)
    >>> torch.istft(s, 8, window=w).allclose(torch.ones(16))
    True
    """
    check_tensor(input, "istft")
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length

    def refuse(why: str) -> RuntimeError:
        return RuntimeError(
            f"istft(CPU{input._spec.dtype.scalar_name}Type{list(input.shape)}, n_fft={n_fft}, "
            f"hop_length={hop}, win_length={size}, window={_window_shown(window)}, "
            f"center={int(center)}, normalized={int(normalized)}, onesided={_flag(onesided)}, "
            f"length={length}, return_complex={int(return_complex)}) {why}"
        )

    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if input._spec.numel == 0:
        raise refuse(": input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise refuse(f": expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}")
    found = input.shape[-2]
    if onesided is None:
        onesided = n_fft != found
    if onesided:
        if n_fft // 2 + 1 != found:
            raise refuse(
                ": expected the frequency dimension (3rd to the last) of the input tensor to match "
                f"n_fft / 2 + 1 when onesided=True, but got {found}"
            )
    elif n_fft != found:
        raise refuse(
            ": expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft when onesided=False, but got {found}"
        )
    if not 0 < hop <= size:
        raise refuse(": expected 0 < hop_length <= win_length")
    if not 0 < size <= n_fft:
        raise refuse(": expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (size,):
        raise refuse(": Invalid window shape. window has to be 1D and length of `win_length`")
    if return_complex:
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
    elif window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    spectra = T.transpose(input if input.ndim == 3 else T.unsqueeze(input, 0), 1, 2)
    scale = 1 if normalized else 2
    if return_complex:
        frames = c2c(spectra, (2,), scale, False)
    else:
        half = spectra if onesided else T.narrow(spectra, 2, 0, n_fft // 2 + 1)
        frames = c2r(half, (2,), scale, n_fft)
    weights = _padded(window, size, n_fft, input)
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    y = T.unfold_backward(frames * weights, (frames.shape[0], total), 1, n_fft, hop)
    squares = T.expand(weights * weights, (1, count, n_fft))
    envelope = T.unfold_backward(squares, (1, total), 1, n_fft, hop)
    start = n_fft // 2 if center else 0
    if length is not None:
        end = start + length
    else:
        end = total - n_fft // 2 if center else total
    y, envelope = (T.narrow(t, 1, start, min(end, total) - start) for t in (y, envelope))
    if envelope._spec.plain and not bool((envelope.detach().abs() > 1e-11).all()):
        raise refuse("window overlap add min: the windows, squared and added up, vanish somewhere")
    out = y / envelope
    if input.ndim == 2:
        out = T.squeeze(out, 0)
    if end > total:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded with "
            "zeros in the tail. Please check your center and hop_length settings.",
            UserWarning,
            stacklevel=2,
        )
        out = T.constant_pad_nd(out, (0, end - total), 0)
    return out
