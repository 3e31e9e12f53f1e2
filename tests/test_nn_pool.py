"""Pooling, unpooling, windows as columns and resizing: loops as the reference, PyTorch as the oracle."""

from __future__ import annotations

import itertools
import warnings

import nn_layer_cases as cases
import numpy as np
import pytest
from against import raises, torch
from oracle import numbers

nn = torch.nn
F = nn.functional

# what PyTorch 2.13 made of layers and inputs: see nn_layer_cases.run
RECORDED = {
    ("nn.MaxPool1d(2)", "X3"): (6.4080334, 20.186901),
    ("nn.MaxPool1d(3,1,1,1,ceil_mode=True)", "X3"): (6.4867229, 29.602857),
    ("nn.MaxPool2d(2)", "X4"): (0.36363649, 20.186901),
    ("nn.MaxPool2d(3,2,1)", "X4"): (-4.3290434, 20.383432),
    ("nn.MaxPool2d((2,3),1,(1,1),ceil_mode=True)", "X4"): (-11.046283, 76.040895),
    ("nn.MaxPool3d((1,2,2))", "X5"): (0.36363649, 20.186901),
    ("nn.AvgPool1d(2)", "X3"): (1.5840415, 20.186901),
    ("nn.AvgPool1d(3,2,1,True,False)", "X3"): (2.0577106, 20.777589),
    ("nn.AvgPool2d(2)", "X4"): (0.58891195, 20.186901),
    ("nn.AvgPool2d((2,3),1,(1,1),False,False)", "X4"): (-13.862432, 58.133522),
    ("nn.AvgPool2d(2,divisor_override=3)", "X4"): (0.78521591, 26.915867),
    ("nn.AvgPool3d((1,2,2))", "X5"): (0.58891195, 20.186901),
    ("nn.AdaptiveAvgPool1d(2)", "X3"): (-0.18120211, 19.004073),
    ("nn.AdaptiveAvgPool2d(1)", "X4"): (0.28153312, 5.1470519),
    ("nn.AdaptiveAvgPool2d((3,None))", "X4"): (-5.3834653, 53.832869),
    ("nn.AdaptiveAvgPool3d((1,3,2))", "X5"): (-0.34593582, 18.739205),
    ("nn.AdaptiveMaxPool1d(3)", "X3"): (2.320729, 20.633919),
    ("nn.AdaptiveMaxPool2d((3,None))", "X4"): (0.15929955, 59.859217),
    ("nn.AdaptiveMaxPool3d((1,3,2))", "X5"): (-1.480701, 20.533405),
    ("nn.LPPool1d(2,2)", "X3"): (5.0392828, 25.527683),
    ("nn.LPPool2d(4,2,1)", "X4"): (9.4109135, 41.38864),
    ("nn.LPPool3d(2,(1,2,2))", "X5"): (-3.5347238, 34.640019),
    ("nn.FractionalMaxPool2d(2,(2,3))", "X4"): (-0.20568609, 22.866538),
    ("nn.FractionalMaxPool2d(2,output_ratio=.5)", "X4"): (1.8086965, 20.186901),
    ("nn.Unfold(2)", "X4"): (0.18495345, 135.15665),
    ("nn.Unfold((2,3),1,1,2)", "X4"): (-1.3900318, 110.03606),
    ("nn.Upsample(scale_factor=2)", "X4"): (-26.369471, 166.90707),
    ("nn.Upsample(7,mode='linear')", "X3"): (-7.557394, 46.721372),
    ("nn.Upsample((3,7),mode='bilinear',align_corners=True)", "X4"): (3.0085661, 72.812591),
    ("nn.Upsample(scale_factor=1.6,mode='bicubic')", "X4"): (8.7422342, 123.42589),
    ("nn.Upsample(scale_factor=(1.,2.,.5),mode='trilinear')", "X5"): (14.359369, 39.863537),
    ("nn.Upsample(scale_factor=1.6,mode='bilinear',recompute_scale_factor=True)", "X4"): (13.795101, 102.05843),
    ("nn.UpsamplingNearest2d(scale_factor=2)", "X4"): (-26.369471, 166.90707),
    ("nn.UpsamplingBilinear2d((6,6))", "X4"): (6.6661472, 89.237772),
    ("nn.LocalResponseNorm(2,.5)", "X4"): (-4.9305053, 61.364105),
    ("nn.LocalResponseNorm(3,.5,.6,2.)", "X3"): (-0.42213154, 22.964464),
}  # fmt: skip


# ---------------------------------------------------------------- the reference
def windows(n, k, s, p, d, ceil):
    """For every window the indices inside, and how many of its places are not past the padding."""
    room = n + 2 * p - d * (k - 1) - 1
    count = (-(-room // s) if ceil else room // s) + 1
    if ceil and (count - 1) * s >= n + p:
        count -= 1
    starts = [i * s - p for i in range(count)]
    inside = [[j for j in range(a, a + d * (k - 1) + 1, d) if 0 <= j < n] for a in starts]
    return inside, [min(a + k, n + p) - a for a in starts]


def pooled(x, k, s, p, d, ceil, choose):
    """choose(values, flat places, size) for every window of the last two dims."""
    h, w = x.shape[-2:]
    rows, cols = windows(h, k[0], s[0], p[0], d, ceil), windows(w, k[1], s[1], p[1], d, ceil)
    out = np.empty((*x.shape[:-2], len(rows[0]), len(cols[0])))
    for lead in np.ndindex(x.shape[:-2]):
        for i, j in itertools.product(range(len(rows[0])), range(len(cols[0]))):
            at = [(a, b) for a in rows[0][i] for b in cols[0][j]]
            values = [x[(*lead, a, b)] for a, b in at]
            out[(*lead, i, j)] = choose(values, [a * w + b for a, b in at], rows[1][i] * cols[1][j])
    return out


SWEEP = list(itertools.product(((2, 2), (3, 2), (1, 3)), ((1, 1), (2, 2), (3, 1)), (0, 1), (False, True)))
X = numbers(0, 2, 3, 7, 6)


def fits(k, p):
    return p <= min(k) // 2


@pytest.mark.parametrize(("k", "s", "p", "ceil"), [c for c in SWEEP if fits(c[0], c[2])])
@pytest.mark.parametrize("d", [1, 2])
def test_max_pool_against_a_loop(k, s, p, ceil, d):
    y, at = F.max_pool2d(torch.tensor(X), k, s, p, d, ceil, return_indices=True)
    how = (k, s, (p, p), d, ceil)
    np.testing.assert_array_equal(y.numpy(), pooled(X, *how, lambda v, i, n: max(v)))
    np.testing.assert_array_equal(at.numpy(), pooled(X, *how, lambda v, i, n: i[int(np.argmax(v))]))
    assert at.dtype is torch.int64


@pytest.mark.parametrize(("k", "s", "p", "ceil"), [c for c in SWEEP if fits(c[0], c[2])])
def test_avg_pool_against_a_loop(k, s, p, ceil):
    x = torch.tensor(X)
    how = (k, s, (p, p), 1, ceil)
    for y, choose in (
        (F.avg_pool2d(x, k, s, p, ceil), lambda v, i, n: sum(v) / n),
        (F.avg_pool2d(x, k, s, p, ceil, False), lambda v, i, n: np.mean(v)),
        (F.avg_pool2d(x, k, s, p, ceil, divisor_override=7), lambda v, i, n: sum(v) / 7),
    ):
        np.testing.assert_allclose(y.numpy(), pooled(X, *how, choose), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 4), (7, 2), (9, 11), (2, 6)])
def test_adaptive_pools_share_out_the_input(sizes):
    x = torch.tensor(X)
    mean, (largest, at) = F.adaptive_avg_pool2d(x, sizes), F.adaptive_max_pool2d(x, sizes, True)
    assert mean.shape == largest.shape == (2, 3, *sizes)
    for i, j in itertools.product(*map(range, sizes)):
        rows = slice(i * 7 // sizes[0], -(-(i + 1) * 7 // sizes[0]))
        cols = slice(j * 6 // sizes[1], -(-(j + 1) * 6 // sizes[1]))
        part = X[..., rows, cols].reshape(2, 3, -1)
        np.testing.assert_allclose(mean[..., i, j].numpy(), part.mean(-1), rtol=1e-12)
        np.testing.assert_array_equal(largest[..., i, j].numpy(), part.max(-1))
    np.testing.assert_array_equal(x.flatten(2).gather(2, at.flatten(2)).reshape(mean.shape).numpy(), largest.numpy())


def test_global_average_is_a_mean():
    x = torch.ones(1, 2, 3, 3, requires_grad=True)
    assert F.adaptive_avg_pool2d(x, 1).grad_fn.name() == "MeanBackward1"
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (1, 2, 3, 2)


# ---------------------------------------------------------------- ties, nan, infinities, empties
def test_the_first_of_equal_elements_wins():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    y, at = F.max_pool2d(x, 2, return_indices=True)
    assert at.flatten().tolist() == [0, 2, 8, 10]
    y.sum().backward()
    assert x.grad[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_nan_comes_before_all_and_padding_after():
    nan, inf = float("nan"), float("inf")
    x = torch.tensor([[[1.0, nan, 5.0], [2.0, 3.0, nan], [-inf, -inf, -inf]]])
    y, at = F.max_pool2d(x, 2, 1, return_indices=True)
    assert y.isnan().tolist() == [[[True, True], [False, True]]]
    assert at.tolist() == [[[1, 5], [4, 5]]]
    low = torch.full((1, 3, 3), -inf)
    y, at = F.max_pool2d(low, 2, 2, 1, return_indices=True)
    assert at.tolist() == [[[0, 1], [3, 4]]]
    assert (y == -inf).all()


def test_infinities_stay_in_their_windows():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = float("inf")
    for y in (F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 2), F.interpolate(x, 2, mode="nearest")):
        assert y.isinf().sum() == 1
        assert not y.isnan().any()
    up = F.interpolate(x, scale_factor=2, mode="nearest")
    assert up.isinf().sum() == 4
    assert not up.isnan().any()


def test_whole_numbers():
    x = torch.arange(-8, 8).reshape(1, 4, 4)
    assert F.max_pool2d(x, 2).tolist() == [[[-3, -1], [5, 7]]]
    assert F.avg_pool2d(x, 2).tolist() == [[[-5, -3], [2, 4]]]
    assert F.max_pool2d(x, 2).dtype is F.avg_pool2d(x, 2).dtype is torch.int64
    pixels = torch.tensor([[[[0, 255], [7, 8]]]], dtype=torch.uint8)
    assert F.interpolate(pixels, size=(1, 4)).tolist() == [[[[0, 0, 255, 255]]]]


def test_half_precision():
    x = torch.tensor(X).half()
    wide = x.float()
    for f in (
        lambda t: F.max_pool2d(t, 2), lambda t: F.avg_pool2d(t, 3), lambda t: F.adaptive_avg_pool2d(t, 3),
        lambda t: F.interpolate(t, size=9, mode="bilinear"),
    ):  # fmt: skip
        y = f(x)
        assert y.dtype is torch.float16
        np.testing.assert_allclose(y.float().numpy(), f(wide).numpy(), rtol=2e-3, atol=2e-3)


def test_no_samples():
    x = torch.zeros(0, 3, 4, 4, requires_grad=True)
    for y in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_max_pool2d(x, 2), F.interpolate(x, size=2)):
        assert y.shape == (0, 3, 2, 2)
        y.sum().backward()
    assert x.grad.shape == x.shape
    assert F.adaptive_avg_pool2d(torch.zeros(1, 2, 3, 3), 0).shape == (1, 2, 0, 0)


@pytest.mark.wengert_only
@pytest.mark.parametrize(("k", "s", "p", "ceil"), [c for c in SWEEP if fits(c[0], c[2])])
def test_ways_of_the_kernel_agree(monkeypatch, k, s, p, ceil):
    from wengert.kernels import pool

    x = X.copy()
    x[0, 0, 2:4, 1] = np.nan
    x[1, 2, :4] = -np.inf
    found = []
    for few in (0, 1 << 20):
        monkeypatch.setattr(pool, "_FEW", few)
        found.append(F.max_pool2d(torch.tensor(x), k, s, p, 1, ceil, return_indices=True))
    (a, i), (b, j) = found
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    np.testing.assert_array_equal(i.numpy(), j.numpy())


@pytest.mark.wengert_only
@pytest.mark.parametrize("sizes", [(1, 1), (3, 4), (7, 2), (2, 6)])
def test_ways_of_unequal_windows_agree(sizes):
    from wengert.kernels import pool

    spans = [pool.adaptive_windows(n, m) for n, m in zip((7, 6), sizes)]
    starts, ends = zip(*spans)
    by_window = pool._by_window(X, starts, ends)
    wide = [s[None, None] + np.zeros((2, 3, 1), int) for s in starts]
    by_tap = pool.largest_at(X, tuple(wide), tuple(e[None, None] for e in ends))
    np.testing.assert_array_equal(by_window, by_tap)
    np.testing.assert_array_equal(by_window, pool.largest_at(X, starts, ends))


@pytest.mark.wengert_only
def test_blocks_change_nothing(monkeypatch):
    from wengert.kernels import pool

    how = ((3, 2), (2, 1), (1, 1), (1, 1), (4, 7))
    monkeypatch.setattr(pool, "_FEW", 0)
    y, taps = pool.max_pool(X, *how)
    back = pool.put(y, taps, (7, 6), *how)
    monkeypatch.setattr(pool, "_BLOCK", 40)
    again = pool.max_pool(X, *how)
    np.testing.assert_array_equal(y, again[0])
    np.testing.assert_array_equal(taps, again[1])
    np.testing.assert_array_equal(back, pool.put(y, taps, (7, 6), *how))


# ---------------------------------------------------------------- back to the places
@pytest.mark.parametrize("d", [1, 2, 3])
def test_unpooling_puts_back(d):
    x = torch.tensor(numbers(1, 2, 3, *(6, 5, 4)[:d]))
    pool, unpool = getattr(F, f"max_pool{d}d"), getattr(F, f"max_unpool{d}d")
    y, at = pool(x, 2, return_indices=True)
    back = unpool(y, at, 2, output_size=x.shape)
    assert back.shape == x.shape
    kept = back != 0
    assert kept.sum() == y.numel()
    assert torch.equal(back[kept], x[kept])
    assert unpool(y, at * 0, 2).shape[2:] == tuple(2 * n for n in y.shape[2:])
    with raises(ValueError, "invalid output_size", "(dim 0 must be between"):
        unpool(y, at, 2, output_size=(20,) * d)


@pytest.mark.parametrize(("k", "d", "p", "s"), [(2, 1, 0, 1), (3, 1, 1, 2), (2, 2, 1, 1)])
def test_unfold_and_fold(k, d, p, s):
    x = torch.tensor(X)
    columns = F.unfold(x, k, d, p, s)
    kernel = torch.tensor(numbers(1, 4, 3, k, k))
    conv = F.conv2d(x, kernel, None, s, p, d)
    assert torch.allclose((kernel.flatten(1) @ columns).reshape(conv.shape), conv)
    counts = F.fold(F.unfold(torch.ones_like(x), k, d, p, s), (7, 6), k, d, p, s)
    assert torch.allclose(F.fold(columns, (7, 6), k, d, p, s), x * counts)
    assert torch.equal(F.unfold(x[0], k, d, p, s), columns[0])


def test_fractional_windows():
    u = torch.tensor([[[0.1, 0.7]]], dtype=torch.float64)
    x = torch.tensor(numbers(1, 1, 1, 9, 8))
    y, at = F.fractional_max_pool2d(x, (3, 2), (4, 3), return_indices=True, _random_samples=u)
    starts = []
    for sample, n, m, k in ((0.7, 9, 4, 3), (0.1, 8, 3, 2)):
        a = (n - k) / (m - 1)
        starts.append([int((i + sample) * a) - int(sample * a) for i in range(m - 1)] + [n - k])
    for i, j in itertools.product(range(4), range(3)):
        r, c = starts[0][i], starts[1][j]
        assert y[0, 0, i, j] == x[0, 0, r : r + 3, c : c + 2].max()
    assert torch.equal(x.flatten()[at.flatten()], y.flatten())


# ---------------------------------------------------------------- resizing
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 10, 13])
def test_linear_interpolation_against_numpy(size):
    x = numbers(1, 1, 1, 6)
    t = torch.tensor(x)
    where = np.clip((np.arange(size) + 0.5) * 6 / size - 0.5, 0, 5)
    y = F.interpolate(t, size=size, mode="linear")
    np.testing.assert_allclose(y.numpy()[0, 0], np.interp(where, np.arange(6), x[0, 0]), rtol=1e-12)
    where = np.arange(size) * (5 / max(size - 1, 1))
    y = F.interpolate(t, size=size, mode="linear", align_corners=True)
    np.testing.assert_allclose(y.numpy()[0, 0], np.interp(where, np.arange(6), x[0, 0]), rtol=1e-12)
    y = F.interpolate(t, size=size, mode="nearest")
    np.testing.assert_array_equal(y.numpy()[0, 0], x[0, 0, np.arange(size) * 6 // size])
    y = F.interpolate(t, size=size, mode="nearest-exact")
    np.testing.assert_array_equal(y.numpy()[0, 0], x[0, 0, (2 * np.arange(size) + 1) * 6 // (2 * size)])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_resizing_keeps_constants_and_ramps(mode, antialias):
    ramp = torch.arange(12.0, dtype=torch.float64).reshape(1, 1, 1, 12).expand(1, 1, 9, 12)
    y = F.interpolate(ramp, size=(5, 24), mode=mode, antialias=antialias)
    if mode == "bilinear" or antialias:  # the other cubic (a = -3/4) bends ramps
        expected = (torch.arange(24, dtype=torch.float64) + 0.5) / 2 - 0.5
        assert torch.allclose(y[0, 0, :, 6:-6], expected[6:-6].expand(5, 12), atol=1e-10)
    ones = torch.ones(1, 2, 9, 7, dtype=torch.float64)
    assert torch.allclose(F.interpolate(ones, size=(4, 15), mode=mode, antialias=antialias), torch.ones(1, 2, 4, 15).double())


def test_scale_factors_are_used_as_given():
    x = torch.arange(5.0).reshape(1, 1, 5)
    given = F.interpolate(x, scale_factor=1.5, mode="linear")
    again = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    assert given.shape == again.shape == (1, 1, 7)
    assert given[0, 0, 3].item() == pytest.approx(3.5 / 1.5 - 0.5)
    assert again[0, 0, 3].item() == pytest.approx(3.5 * 5 / 7 - 0.5)


def test_sampling_at_the_pixels_gives_the_image():
    x = torch.tensor(X)
    theta = torch.eye(2, 3, dtype=torch.float64).expand(2, 2, 3)
    for align in (False, True):
        grid = F.affine_grid(theta, x.shape, align_corners=align)
        for mode in ("bilinear", "nearest", "bicubic"):
            y = F.grid_sample(x, grid, mode, align_corners=align)
            assert torch.allclose(y, x, atol=1e-12), (mode, align)
    shifted = grid + torch.tensor([2 / 5, 0.0], dtype=torch.float64)  # one pixel to the left
    for padding, last in (("zeros", torch.zeros_like(x[..., 0])), ("border", x[..., 5]), ("reflection", x[..., 4])):
        y = F.grid_sample(x, shifted, "bilinear", padding, align_corners=True)
        assert torch.allclose(y[..., :-1], x[..., 1:], atol=1e-12)
        assert torch.allclose(y[..., -1], last, atol=1e-12), padding


def test_sampling_at_nan():
    nan, inf = float("nan"), float("inf")
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    grid = torch.tensor([[[[nan, 0.0], [0.0, 0.0], [inf, 0.0]]]])
    y = F.grid_sample(x, grid, align_corners=False).flatten()
    assert y.isnan().tolist() == [True, False, True]
    y = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    assert y.flatten().tolist() == [6.0, 7.5, 9.0]


def test_defaults_of_sampling_warn():
    x, grid = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 2)
    with pytest.warns(UserWarning, match="align_corners=False since 1.3.0"):
        F.grid_sample(x, grid)


# ---------------------------------------------------------------- layers
def run(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cases.run(*args)


@pytest.mark.parametrize(("case", "expected"), RECORDED.items(), ids=[" ".join(c) for c in RECORDED])
def test_recorded_numbers(case, expected):
    _, _, total, grads = run(torch, *case)
    assert total == pytest.approx(expected[0], rel=2e-5, abs=2e-5)
    assert grads == pytest.approx(expected[1], rel=1e-4, abs=2e-4)


@pytest.mark.torch
@pytest.mark.parametrize("case", RECORDED, ids=[" ".join(c) for c in RECORDED])
def test_layers_against_pytorch(case):
    oracle = pytest.importorskip("torch")
    module, output, _, grads = run(torch, *case)
    theirs, their_output, _, their_grads = run(oracle, *case)
    assert repr(module) == repr(theirs)
    assert list(module.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(
        output.detach().numpy(), their_output.detach().numpy(), rtol=2e-5, atol=2e-6
    )
    assert grads == pytest.approx(their_grads, rel=1e-4, abs=2e-4)


@pytest.mark.torch
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_cross_map_response_norm(size):
    oracle = pytest.importorskip("torch")
    x = numbers(1, 2, 6, 3, 3, dtype="f")
    ours = nn.CrossMapLRN2d(size, 0.5, 0.7, 1.2)(torch.tensor(x))
    theirs = oracle.nn.CrossMapLRN2d(size, 0.5, 0.7, 1.2)(oracle.tensor(x))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_layers_that_return_places():
    x = torch.tensor(X)
    y, at = nn.MaxPool2d(2, return_indices=True)(x)
    assert torch.equal(nn.MaxUnpool2d(2)(y, at, output_size=x.shape), F.max_unpool2d(y, at, 2, output_size=(7, 6)))
    assert repr(nn.MaxUnpool2d(2)) == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    assert repr(nn.FractionalMaxPool2d(2, 3)) == "FractionalMaxPool2d()"
    assert len(nn.AdaptiveMaxPool2d(2, return_indices=True)(x)) == 2
    assert repr(nn.Fold((4, 5), 2)) == "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)"


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("max_pool1d(x[0], 2)", "SqueezeBackward1(MaxPool2DWithIndicesBackward0(UnsqueezeBackward0(SelectBackward0)))"),
        ("max_pool2d(x, 2)", "MaxPool2DWithIndicesBackward0"),
        ("avg_pool2d(x, 2)", "AvgPool2DBackward0"),
        ("adaptive_avg_pool2d(x, 2)", "AdaptiveAvgPool2DBackward0"),
        ("adaptive_max_pool2d(x, 2)", "AdaptiveMaxPool2DBackward0"),
        ("interpolate(x, 2, mode='bilinear')", "UpsampleBilinear2DBackward0"),
        ("interpolate(x, 2)", "UpsampleNearest2DBackward0"),
        ("unfold(x, 2)", "Im2ColBackward0"),
        ("fold(F.unfold(x, 2), 4, 2)", "Col2ImBackward0(Im2ColBackward0)"),
    ],
)
def test_names_of_nodes(name, nodes):
    from against import chain

    x = torch.ones(1, 2, 4, 4, requires_grad=True)
    assert chain(eval(f"F.{name}", {"F": F, "x": x}).grad_fn) == nodes


# ---------------------------------------------------------------- errors
I2, I1 = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8)


@pytest.mark.parametrize(
    ("call", "error", "phrases"),
    [
        (lambda: F.max_pool2d(I2[0, 0], 2), RuntimeError, ["3D or 4D (batch mode) tensor expected for input"]),
        (lambda: F.max_pool2d(I2, 2, padding=2), RuntimeError, ["pad should be at most half of effective kernel size", "pad=2"]),
        (lambda: F.max_pool2d(I2, 2, padding=-1), RuntimeError, ["pad must be non-negative"]),
        (lambda: F.max_pool2d(I2, 9), RuntimeError, ["Given input size: (3x8x8). Calculated output size: (3x0x0)"]),
        (lambda: F.max_pool2d(I2, 2, 0), RuntimeError, ["stride should not be zero"]),
        (lambda: F.max_pool2d(I2, 2, dilation=0), RuntimeError, ["dilation should be greater than zero"]),
        (lambda: F.max_pool2d(I2, (2, 3, 4)), RuntimeError, ["max_pool2d: kernel_size must either be a single int, or a tuple of two ints"]),
        (lambda: F.max_pool2d(torch.zeros(2, 0, 8, 8), 2), RuntimeError, ["optional 0 dim batch size"]),
        (lambda: F.max_pool2d(I2.bool(), 2), NotImplementedError, ["not implemented for 'Bool'"]),
        (lambda: F.max_pool1d(I2, 2), RuntimeError, ["max_pool1d: Expected 2D or 3D"]),
        (lambda: F.max_pool1d(I1, 9), RuntimeError, ["max_pool1d() Invalid computed output size: 0"]),
        (lambda: F.avg_pool2d(I2, 2, divisor_override=0), RuntimeError, ["divisor must be not zero"]),
        (lambda: F.avg_pool2d(I2.int(), 2), NotImplementedError, ["not implemented for 'Int'"]),
        (lambda: F.avg_pool1d(I2, 2), RuntimeError, ["Expected 2 to 3 dimensions, but got 4-dimensional tensor"]),
        (lambda: F.adaptive_avg_pool2d(I2, (3,)), RuntimeError, ["output_size must be 2"]),
        (lambda: F.adaptive_avg_pool2d(I2, -1), RuntimeError, ["greater than or equal to 0"]),
        (lambda: F.adaptive_max_pool2d(I2[0, 0], 2), RuntimeError, ["Expected 3D or 4D tensor, but got: [8, 8]"]),
        (lambda: F.max_unpool2d(I2, I2, 2), RuntimeError, ["type int64 but got: Float"]),
        (lambda: F.max_unpool2d(I2, I2.long() + 1000, 2), RuntimeError, ["Found an invalid max index: 1000"]),
        (lambda: F.fractional_max_pool2d(I2, 2), ValueError, ["output_size or an output_ratio"]),
        (lambda: nn.FractionalMaxPool2d(2, 3, 0.5), ValueError, ["only one of output_size and output_ratio"]),
        (lambda: nn.FractionalMaxPool2d(2, output_ratio=1.5), ValueError, ["must be between 0 and 1"]),
        (lambda: F.unfold(I2, 9), RuntimeError, ["must be at least one"]),
        (lambda: F.fold(torch.zeros(1, 7, 9), 4, 2), RuntimeError, ["divisible by the product of kernel_size"]),
        (lambda: F.fold(torch.zeros(1, 8, 5), 4, 2), RuntimeError, ["sliding blocks 3 * 3 = 9", "input.size(2)=5"]),
        (lambda: F.interpolate(I2), ValueError, ["either size or scale_factor should be defined"]),
        (lambda: F.interpolate(I2, 3, 2.0), ValueError, ["only one of size or scale_factor"]),
        (lambda: F.interpolate(I2, 3, align_corners=True), ValueError, ["align_corners option can only be set"]),
        (lambda: F.interpolate(I2, 3, mode="linear"), NotImplementedError, ["Got 4D input, but linear mode needs 3D input"]),
        (lambda: F.interpolate(I2, (3,)), ValueError, ["must have the same number of spatial dimensions"]),
        (lambda: F.interpolate(I1, 3, mode="linear", antialias=True), ValueError, ["Anti-alias option is restricted"]),
        (lambda: F.grid_sample(I2, torch.zeros(2, 1, 1, 3), align_corners=True), RuntimeError, ["expected grid to have size 2 in last dimension"]),
        (lambda: F.grid_sample(I2, torch.zeros(1, 1, 1, 2), align_corners=True), RuntimeError, ["same batch size"]),
        (lambda: F.grid_sample(I2, torch.zeros(2, 1, 1, 2), "cubic"), ValueError, ["expected mode to be"]),
        (lambda: F.affine_grid(torch.zeros(1, 2, 4), (1, 1, 2, 2), False), ValueError, ["shape Nx2x3"]),
        (lambda: F.local_response_norm(I1[0], 2), ValueError, ["Expected 3D or higher dimensionality"]),
    ],
)  # fmt: skip
def test_errors(call, error, phrases):
    with raises(error, *phrases):
        call()
