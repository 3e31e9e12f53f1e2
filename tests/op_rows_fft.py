"""Rows of the Fourier transforms."""

from wengert.testing.grid import Input, Row

A = (3, 4, 5)


def row(name, f, *shapes, **kw):
    """One row; a shape alone means real numbers of that shape."""
    inputs = [s if isinstance(s, Input) else Input(s) for s in shapes]
    return Row(name, f, inputs, **kw)


def parts(T, y):
    """A complex result as real numbers, which the properties weigh one by one."""
    return T.view_as_real(y.resolve_conj())


def turned(x):
    """Complex numbers made of real ones."""
    return x * (1 + 0.5j)


ROWS = [
    *[row(f"fft_{name}",
          lambda T, x, f=name, k=kwargs: parts(T, getattr(T.fft, f)(x, **k)), A)
      for name, kwargs in (
          ("fft", {}), ("ifft", {"norm": "ortho"}), ("rfft", {}), ("ihfft", {"dim": 1}),
          ("fft2", {}), ("ifft2", {"norm": "forward"}), ("rfft2", {}), ("ihfft2", {}),
          ("fftn", {"dim": (0, 2)}), ("ifftn", {}), ("rfftn", {"norm": "ortho"}), ("ihfftn", {}))],
    *[row(f"fft_{name}_real", lambda T, x, f=name, k=kwargs: getattr(T.fft, f)(turned(x), **k), A)
      for name, kwargs in (
          ("irfft", {}), ("hfft", {"norm": "ortho"}), ("irfft2", {}), ("hfft2", {}), ("irfftn", {}),
          ("hfftn", {}))],
    row("fft_complex", lambda T, x: parts(T, T.fft.fft(turned(x), dim=1)), A),
    row("fft_pad", lambda T, x: parts(T, T.fft.fft(x, 7)), A),
    row("fft_cut", lambda T, x: parts(T, T.fft.fft(x, 2, 1)), A),
    row("rfft_even", lambda T, x: parts(T, T.fft.rfft(x, 6)), A),
    row("rfft_one", lambda T, x: parts(T, T.fft.rfft(x, 1)), A),
    row("irfft_odd", lambda T, x: T.fft.irfft(turned(x), 7), A),
    row("irfft_cut", lambda T, x: T.fft.irfft(turned(x), 3), A),
    row("irfft_one", lambda T, x: T.fft.irfft(turned(x), 1), A),
    row("irfftn_sizes", lambda T, x: T.fft.irfftn(turned(x), (5, 6), (2, 0)), A),
    *[row(f"{name}_of_complex", lambda T, x, f=name: (lambda y: T.real(y) + T.imag(y) if y.is_complex() else y)(getattr(T.fft, f)(x)),
          (2, 5), complex=True) for name in ("fft", "ifftn", "irfft", "hfft")],
    row("fftshift", lambda T, x: T.fft.fftshift(x, (0, 1)) * 2, A, complex=True),
    row("ifftshift", lambda T, x: T.fft.ifftshift(x) * 2, A),
    row("convolution_by_fft",
        lambda T, x, y: T.fft.irfft(T.fft.rfft(x, 8) * T.fft.rfft(y, 8), 8), (2, 5), (4,)),
    row("stft", lambda T, x, w: parts(T, T.stft(x, 6, 2, window=w, return_complex=True)), (2, 12),
        Input((6,), "positive")),
    row("stft_plain", lambda T, x: parts(T, T.stft(x, 5, center=False, onesided=False, return_complex=True)), (11,)),
    row("istft", lambda T, x, w: T.istft(turned(x), 6, 2, window=w), (2, 4, 5), Input((6,), "positive")),
]  # fmt: skip
