"""Random keys in every form, mixed, read and written in wengert, PyTorch and NumPy."""

import numpy as np
import pytest
from expressions import REFUSALS, array

import wengert
import wengert as torch


class Keys:
    """Makes random shapes and random keys for them, in every form at once."""

    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)

    def shape(self):
        low = 0 if self.rng.rand() < 0.1 else 1
        return tuple(int(n) for n in self.rng.randint(low, 5, self.rng.randint(0, 5)))

    def key(self, shape):
        """Pieces as (form, data), to be built for one library or the other."""
        rng, pieces, d, ellipsis = self.rng, [], 0, False
        common = tuple(int(n) for n in rng.randint(0, 3, rng.randint(0, 3)))
        while d < len(shape) or rng.rand() < 0.15:
            r = rng.rand()
            n = shape[d] if d < len(shape) else 1
            if r < 0.12:
                pieces.append(("none", None))
            elif r < 0.2 and not ellipsis:
                ellipsis = True
                pieces.append(("ellipsis", None))
                d += int(rng.randint(0, len(shape) - d + 1)) if d < len(shape) else 0
            elif r < 0.23:
                pieces.append(("true", None))
            elif d >= len(shape):
                break
            elif r < 0.42:
                beyond = int(rng.rand() < 0.05)
                pieces.append(("int", int(rng.randint(-n - beyond, n + beyond)) if n else 0))
                d += 1
            elif r < 0.68:
                ends = [None if rng.rand() < 0.4 else int(rng.randint(-n - 1, n + 2)) for _ in "ab"]
                pieces.append(("slice", (*ends, None if rng.rand() < 0.6 else int(rng.randint(1, 4)))))
                d += 1
            elif r < 0.85:
                sizes = common if rng.rand() < 0.8 else (1,) * len(common)
                sizes = sizes if n else (0,)
                low = -n if rng.rand() < 0.5 else 0
                form = ("tensor", "array", "list", "int32")[rng.randint(4)]
                pieces.append((form, rng.randint(low, max(n, 1), sizes)))
                d += 1
            else:
                width = int(rng.randint(1, min(2, len(shape) - d) + 1))
                form = ("tensor", "array", "list")[rng.randint(3) if width == 1 else 0]
                pieces.append((form, rng.rand(*shape[d : d + width]) < 0.5))
                d += width
            if rng.rand() < 0.15:
                break
        return pieces


def build(pieces, lib):
    """The key of pieces for one library."""
    make = {
        "none": lambda _: None, "ellipsis": lambda _: Ellipsis, "true": lambda _: True,
        "int": int, "slice": lambda ends: slice(*ends), "tensor": lib.tensor, "array": np.array,
        "list": lambda a: a.tolist(), "int32": lambda a: lib.tensor(a.astype(np.int32)),
    }  # fmt: skip
    return tuple(make[form](data) for form, data in pieces)


def read_and_write(lib, data, order, pieces, seed):
    """What x[key] gives, its gradient, what x[key] = value does, and the gradients of that."""
    rng = np.random.RandomState(seed)
    leaf = lib.tensor(data, requires_grad=True)
    x = leaf.permute(order)
    out = []
    try:
        y = x[build(pieces, lib)]
        (y * y * lib.tensor(rng.random_sample(tuple(y.shape)))).sum().backward()
        out += [array(y), array(leaf.grad), y._is_view()]
        sizes = [1 if rng.rand() < 0.25 else n for n in y.shape][rng.randint(0, y.dim() + 1) * (rng.rand() < 0.3):]
        value = lib.tensor(rng.random_sample(sizes), requires_grad=True)
        number = rng.rand() < 0.3
        z = x.detach().clone()
        z[build(pieces, lib)] = 0.5 if number else value.detach()
        out += [array(z), z._version]
        leaf.grad = None
        z = x * 1
        z[build(pieces, lib)] = 0.5 if number else value
        (z * z * lib.tensor(rng.random_sample(tuple(z.shape)))).sum().backward()
        out += [array(z), array(leaf.grad)]
        if not number:
            out.append(np.zeros(value.shape) if value.grad is None else array(value.grad))
    except REFUSALS as error:
        out.append((type(error).__name__, str(error)[:18]))
    return out


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(8))
def test_random_keys_read_and_write_as_in_pytorch(seed):
    oracle = pytest.importorskip("torch")
    keys = Keys(seed)
    for n in range(80):
        shape = keys.shape()
        order = tuple(int(d) for d in keys.rng.permutation(len(shape)))
        pieces = keys.key(tuple(shape[d] for d in order))
        data = keys.rng.random_sample(shape)
        ours, theirs = (
            read_and_write(lib, data, order, pieces, seed=n) for lib in (wengert, oracle)
        )
        assert len(ours) == len(theirs), (shape, order, pieces, ours, theirs)
        for a, b in zip(ours, theirs, strict=True):
            if isinstance(b, np.ndarray):
                assert a.shape == b.shape, (shape, order, pieces)
                np.testing.assert_allclose(a, b, atol=1e-12, err_msg=str((shape, order, pieces)))
            else:
                assert a == b, (shape, order, pieces)


@pytest.mark.parametrize("seed", range(4))
def test_random_basic_keys_read_and_write_as_in_numpy(seed):
    keys = Keys(100 + seed)
    for _ in range(100):
        shape = keys.shape()
        basic = [p for p in keys.key(shape) if p[0] in ("none", "ellipsis", "int", "slice")]
        key, a = build(basic, torch), keys.rng.random_sample(shape)
        x = torch.tensor(a)
        try:
            expected = a[key]
        except IndexError:
            with pytest.raises(IndexError):
                x[key]
            continue
        np.testing.assert_array_equal(x[key].numpy(), expected)
        assert np.shares_memory(x[key].numpy(), x.numpy()) or not expected.size
        a[key] = x[key] = 2.0
        np.testing.assert_array_equal(x.numpy(), a)
