"""Fourier transforms: values, sizes, dtypes, norms, adjoints, windows, stft, refusals."""

import numpy as np
import pytest
from against import raises, torch
from oracle import against_torch, numbers

F = torch.fft
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
HERMITIAN = ["hfft2", "hfftn", "ihfft2", "ihfftn"]
REAL_INPUT = ("rfft", "ihfft", "rfft2", "rfftn", "ihfft2", "ihfftn")


def array(t):
    return t.detach().resolve_conj().numpy()


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_values_are_those_of_numpy(name, norm):
    x = numbers(0, 3, 4, 6, dtype="d" if name in REAL_INPUT else "D")
    want = getattr(np.fft, name)(x, norm=norm)
    got = getattr(F, name)(torch.tensor(x), norm=norm)
    np.testing.assert_allclose(array(got), want, rtol=1e-12, atol=1e-12)
    axes = {"dim": 1} if name in ONE else {"dim": (0, 2)}
    numpys = {"axis": 1} if name in ONE else {"axes": (0, 2)}
    want = getattr(np.fft, name)(x, norm=norm, **numpys)
    np.testing.assert_allclose(
        array(getattr(F, name)(torch.tensor(x), norm=norm, **axes)), want, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", ONE)
def test_sizes_are_cut_and_padded(name):
    x = numbers(0, 2, 6, dtype="d" if name in REAL_INPUT else "D")
    for n in (1, 2, 5, 6, 9, 14):
        got = array(getattr(F, name)(torch.tensor(x), n))
        np.testing.assert_allclose(got, getattr(np.fft, name)(x, n), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [*ONE, *SEVERAL, *HERMITIAN])
def test_inverses(name):
    inverse = "i" + name if not name.startswith("i") else name[1:]
    x = torch.tensor(numbers(1, 4, 6, dtype="d" if name in REAL_INPUT else "D"))
    if name in ("irfft", "hfft"):  # of a Hermitian spectrum: its ends are real
        x = F.rfft(torch.tensor(numbers(1, 4, 10)))
    elif ("rfft" in name and name.startswith("i")) or name.startswith("hfft"):
        x = getattr(F, "rfft" + name[-1])(torch.tensor(numbers(1, 4, 10)))
        x = x if name.startswith("i") else x.conj()
    size = {}
    if inverse in ("irfft", "hfft"):
        size = {"n": x.shape[-1]}
    elif inverse in ("irfft2", "irfftn", "hfft2", "hfftn"):
        size = {"s": tuple(x.shape)}
    back = getattr(F, inverse)(getattr(F, name)(x), **size)
    np.testing.assert_allclose(array(back), array(x), rtol=1e-12, atol=1e-12)


def test_dtypes():
    f = torch.float32
    assert F.fft(torch.ones(4)).dtype is torch.complex64
    assert F.rfft(torch.ones(4, dtype=torch.float64)).dtype is torch.complex128
    assert F.irfft(torch.ones(3, dtype=torch.complex64)).dtype is f
    assert F.irfft(torch.ones(3)).dtype is f
    assert F.hfft(torch.ones(3, dtype=torch.float64)).dtype is torch.float64
    assert F.fft(torch.arange(4)).dtype is torch.complex64
    assert F.fftn(torch.tensor([True, False])).dtype is torch.complex64
    with raises(RuntimeError, "Unsupported dtype Half"):
        F.fft(torch.ones(4, dtype=torch.float16))


def test_real_transforms_have_the_gradients_of_complex_ones():
    x = torch.tensor(numbers(0, 7), requires_grad=True)
    w = torch.tensor(numbers(1, 4, dtype="D"))
    (half,) = torch.autograd.grad((F.rfft(x) * w).real.sum(), x)
    (full,) = torch.autograd.grad((F.fft(x)[:4] * w).real.sum(), x)
    np.testing.assert_allclose(half.numpy(), full.numpy(), rtol=1e-12)


def test_gradient_of_irfft_ignores_what_its_value_ignores():
    z = torch.tensor(numbers(0, 4, dtype="D"), requires_grad=True)
    F.irfft(z, 6)[0].backward()
    assert array(z.grad).imag[[0, 3]].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(array(z.grad).real, [1 / 6, 1 / 3, 1 / 3, 1 / 6], rtol=1e-15)


def test_parseval():
    x = torch.tensor(numbers(0, 5, 8))
    y = F.fftn(x, norm="ortho")
    assert (y.abs() ** 2).sum().item() == pytest.approx((x**2).sum().item(), rel=1e-13)


def test_node_names():
    x = torch.ones(4, 4, requires_grad=True)
    names = {
        "fft": "FftR2CBackward0",
        "rfftn": "FftR2CBackward0",
        "fft2": "FftC2CBackward0",
        "irfft": "FftC2RBackward0",
    }
    for name, node in names.items():
        assert getattr(F, name)(x).grad_fn.name() == node


def test_out():
    x, out = torch.ones(4), torch.empty(3, dtype=torch.complex64)
    assert F.rfft(x, out=out) is out
    assert out.real.tolist() == [4.0, 0.0, 0.0]


REFUSED = [
    (lambda x: F.fft(x, 0), "Invalid number of data points (0) specified"),
    (lambda x: F.irfft(x[:, :1]), "Invalid number of data points (0) specified"),
    (lambda x: F.fft(x, norm="loud"), 'Invalid normalization mode: "loud"'),
    (lambda x: F.fftn(x, dim=(0, 0)), "FFT dims must be unique"),
    (
        lambda x: F.fftn(x, s=(2,), dim=(0, 1)),
        "When given, dim and shape arguments must have the same length",
    ),
    (
        lambda x: F.fftn(x, s=(2, 2, 2)),
        "Got shape with 3 values but input tensor only has 2 dimensions.",
    ),
    (lambda x: F.rfft(x + 0j), "rfft expects a real input tensor, but got ComplexFloat"),
    (lambda x: F.rfftn(x + 0j), "rfftn expects a real-valued input tensor, but got ComplexFloat"),
    (lambda x: F.ihfftn(x + 0j), "Only supports floating-point dtypes, but found: ComplexFloat"),
    (lambda x: F.irfftn(x, dim=()), "irfftn must transform at least one axis"),
    (
        lambda x: F.fftfreq(4, dtype=torch.int64),
        "fftfreq requires a floating point or complex dtype",
    ),
]


@pytest.mark.parametrize("k", range(len(REFUSED)))
def test_refusals(k):
    call, said = REFUSED[k]
    with raises(RuntimeError, said):
        call(torch.ones(2, 4))


def test_wrong_arguments():
    with raises(TypeError, "fft_fft(): argument 'input' (position 1) must be Tensor, not list"):
        F.fft([1.0])
    with raises(IndexError, "Dimension out of range"):
        F.fft(torch.ones(2), dim=1)
    with raises(IndexError, "Dimension specified as -1 but tensor has no dimensions"):
        F.fft(torch.tensor(1.0))


def test_frequencies():
    for n in (1, 4, 5):
        np.testing.assert_array_equal(
            F.fftfreq(n, 0.5, dtype=torch.float64).numpy(), np.fft.fftfreq(n, 0.5)
        )
        np.testing.assert_array_equal(
            F.rfftfreq(n, 0.5, dtype=torch.float64).numpy(), np.fft.rfftfreq(n, 0.5)
        )
    assert F.fftfreq(0).shape == (0,)
    assert F.fftfreq(3, requires_grad=True).requires_grad


def test_shifts():
    x = torch.arange(15).reshape(3, 5)
    np.testing.assert_array_equal(F.fftshift(x).numpy(), np.fft.fftshift(x.numpy()))
    assert torch.equal(F.ifftshift(F.fftshift(x, 1), 1), x)


@pytest.mark.wengert_only  # PyTorch with MKL fails here
def test_empty_batches():
    assert F.rfft(torch.ones(0, 4)).shape == (0, 3)


WINDOWS = {
    "hann_window": np.hanning, "hamming_window": np.hamming, "blackman_window": np.blackman,
    "bartlett_window": np.bartlett, "kaiser_window": lambda n: np.kaiser(n, 12),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name):
    f = getattr(torch, name)
    for n in (2, 5, 8):
        got = f(n, periodic=False, dtype=torch.float64).numpy()
        np.testing.assert_allclose(got, WINDOWS[name](n), rtol=1e-12, atol=1e-15)
        longer = f(n + 1, False, dtype=torch.float64)[:n]
        np.testing.assert_allclose(
            f(n, dtype=torch.float64).numpy(), longer.numpy(), rtol=1e-12, atol=1e-15
        )
    assert f(0).shape == (0,)
    assert f(1).tolist() == [1.0]
    assert f(4).dtype is torch.float32
    with raises(RuntimeError, f"{name} requires non-negative window_length, got window_length=-1"):
        f(-1)
    with raises(RuntimeError, f"{name} expects floating point dtypes"):
        f(3, dtype=torch.int64)


def test_stft_by_hand():
    x, w = numbers(0, 20), np.hanning(8) + 0.1
    got = array(
        torch.stft(torch.tensor(x), 8, 3, window=torch.tensor(w), center=False, return_complex=True)
    )
    frames = np.stack([x[k : k + 8] * w for k in range(0, 13, 3)])
    np.testing.assert_allclose(got, np.fft.rfft(frames).T, rtol=1e-12, atol=1e-12)


def test_istft_undoes_stft():
    x, w = torch.tensor(numbers(0, 2, 50)), torch.hann_window(12, dtype=torch.float64)
    for kwargs in ({}, {"normalized": True}, {"onesided": False}):
        s = torch.stft(x, 12, 4, window=w, return_complex=True, **kwargs)
        back = torch.istft(s, 12, 4, window=w, length=50, **kwargs)
        # past the last whole window the edge is known from fewer of them
        np.testing.assert_allclose(back.numpy()[:, :48], x.numpy()[:, :48], rtol=1e-10, atol=1e-12)


def test_stft_refusals():
    x, w = torch.ones(20), torch.hann_window(8)
    with raises(
        RuntimeError, "stft requires the return_complex parameter be given for real inputs"
    ):
        torch.stft(x, 8, window=w)
    with raises(RuntimeError, "expected 0 < n_fft < 20, but got n_fft=30"):
        torch.stft(x, 30, window=torch.ones(30), center=False, return_complex=True)
    with raises(RuntimeError, "expected hop_length > 0, but got hop_length=0"):
        torch.stft(x, 8, 0, window=w, return_complex=True)
    with raises(
        RuntimeError,
        "expected a 1D window tensor of size equal to win_length=8, but got window with size [3]",
    ):
        torch.stft(x, 8, window=w[:3], return_complex=True)
    with raises(RuntimeError, "Cannot have onesided output if window or input is complex"):
        torch.stft(x + 0j, 8, window=w, onesided=True)
    s = torch.stft(x, 8, window=w, return_complex=True)
    with raises(RuntimeError, "istft requires a complex-valued input tensor"):
        torch.istft(torch.view_as_real(s), 8, window=w)
    with raises(RuntimeError, "window overlap add min"):
        torch.istft(s, 8, window=w, center=False)


@pytest.mark.torch
@pytest.mark.parametrize("name", [*ONE, *SEVERAL, *HERMITIAN])
@pytest.mark.parametrize("dtype", ["f", "d", "F", "D"])
def test_against_torch(name, dtype):
    if dtype in "FD" and name in REAL_INPUT:
        return
    x = numbers(0, 3, 4, 5, dtype=dtype)
    for kwargs in ({}, {"norm": "ortho"}):
        against_torch(
            lambda T, x, k=kwargs: getattr(T.fft, name)(x, **k),
            x,
            tolerance=1e-3 if dtype in "fF" else None,
        )
    cut = {"n": 7} if name in ONE else {"s": (3, 6)}
    against_torch(
        lambda T, x: getattr(T.fft, name)(x, **cut),
        x,
        names=False,
        tolerance=1e-3 if dtype in "fF" else None,
    )


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [{}, {"hop_length": 3}, {"center": False}, {"normalized": True}, {"pad_mode": "constant"}],
)
def test_stft_against_torch(options):
    w = np.hanning(8) + 0.1
    for x in (numbers(0, 40), numbers(1, 3, 40), numbers(2, 40, dtype="D")):
        against_torch(
            lambda T, x, w: T.stft(x, 8, window=w, return_complex=True, **options),
            x,
            w,
            names=False,
        )
    options = {k: v for k, v in options.items() if k != "pad_mode"}
    s = numbers(4, 2, 5, 9, dtype="D")
    against_torch(lambda T, s, w: T.istft(s, 8, window=w, length=20, **options), s, w, names=False)


NUMPYS = [
    lambda x: np.fft.fft(x, 5, axis=0), lambda x: np.fft.fftn(x, axes=(1,)), lambda x: np.fft.ifft2(x),
    lambda x: np.fft.irfft2(x, norm="ortho"), lambda x: np.fft.fftshift(x, 1), lambda x: np.fft.hfft(x),
    lambda x: np.gradient(x, 0.5, axis=1), lambda x: np.gradient(x, np.array([0.0, 1, 3]), axis=0),
    lambda x: np.gradient(x)[1], lambda x: np.vander(x[0], 3), lambda x: np.i0(x),
]  # fmt: skip


@pytest.mark.wengert_only
@pytest.mark.parametrize("k", range(len(NUMPYS)))
def test_numpy_functions_record(k):
    a = numbers(0, 3, 4)
    x = torch.tensor(a, requires_grad=True)
    y = NUMPYS[k](x)
    np.testing.assert_allclose(array(y), NUMPYS[k](a), rtol=1e-12, atol=1e-13)
    y.abs().sum().backward()
    assert x.grad.shape == (3, 4)
    assert isinstance(NUMPYS[k](x.detach()), np.ndarray)
