"""einops works on tensors, whichever library is imported first, and what it does is recorded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only
einops = pytest.importorskip("einops")


def tensor(*shape, dtype=torch.float64):
    count = int(np.prod(shape))
    return (
        (torch.arange(count, dtype=dtype) / 7)
        .reshape(shape)
        .requires_grad_(dtype.is_floating_point)
    )


CALLS = {
    "rearrange": lambda x: einops.rearrange(x, "b (h k) w -> (b k) w h", k=2),
    "rearrange a list": lambda x: einops.rearrange([x, x + 1], "n b h w -> b n w h"),
    "repeat": lambda x: einops.repeat(x, "b h w -> b (h 2) 3 w"),
    "sum": lambda x: einops.reduce(x, "b (h k) w -> b h w", "sum", k=2),
    "mean": lambda x: einops.reduce(x, "b h w -> 1 w 1", "mean"),
    "max": lambda x: einops.reduce(x, "b h w -> h", "max"),
    "min": lambda x: einops.reduce(x, "b h w -> b", "min"),
    "prod": lambda x: einops.reduce(x, "b h w -> b w", "prod"),
    "everything": lambda x: einops.reduce(x, "b h w -> ", "sum"),
    "pack": lambda x: einops.pack([x, x[:, :2]], "b * w")[0],
    "einsum": lambda x: einops.einsum(x, x, "b h w, c h w -> b c"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_and_gradients(call):
    x = tensor(2, 4, 3)
    out = call(x)
    np.testing.assert_allclose(out.detach().numpy(), call(x.detach().numpy()))
    assert isinstance(out, torch.Tensor)
    assert torch.autograd.gradcheck(call, tensor(2, 4, 3))


def test_transforms():
    x = tensor(5, 2, 3).detach()
    assert torch.vmap(lambda a: einops.rearrange(a, "h w -> (w h)"))(x).shape == (5, 6)
    jac = torch.func.jacfwd(lambda a: einops.reduce(a, "h w -> w", "sum"))(x[0])
    assert jac.sum(0).tolist() == [[1.0] * 3] * 2


def test_the_rest_of_the_face():
    x = tensor(2, 3)
    assert einops.parse_shape(x, "a b") == {"a": 2, "b": 3}
    assert isinstance(einops.asnumpy(x), np.ndarray)
    flat, shapes = einops.pack([x, x], "* b")
    assert [tuple(t.shape) for t in einops.unpack(flat, shapes, "* b")] == [(2, 3)] * 2
    assert einops.reduce(x > 0, "a b -> a", "any").tolist() == [True, True]
    assert einops.reduce(x > 0, "a b -> a", "all").tolist() == [False, True]
    assert einops.rearrange(torch.ones(2, 2, dtype=torch.int64), "a b -> b a").dtype is torch.int64
    with raises(einops.EinopsError, "Error while processing rearrange-reduction pattern"):
        einops.rearrange(x, "a b c -> a")


FRESH = """
import sys
{imports}
t = wengert.ones(2, 3)
from einops import rearrange
assert rearrange(t, "a b -> (b a)").shape == (6,)
assert "torch" not in sys.modules
assert not [f for f in sys.meta_path if type(f).__module__.startswith("wengert")]
import gc; gc.collect()
assert rearrange(t.to(wengert.float64), "a b -> b a").shape == (3, 2)
"""


@pytest.mark.parametrize(
    "imports",
    ["import wengert, einops", "import einops, wengert", "import wengert, wengert.bridges.einops"],
)
def test_in_either_order(imports):
    subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH.format(imports=imports)], check=True, timeout=60
    )


def test_without_einops():
    code = (
        "import sys; sys.modules['einops'] = None\nimport wengert\n"
        "try: wengert.bridges.einops.register()\n"
        "except ImportError as e: assert 'needs einops: pip install einops' in str(e)\n"
        "else: raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_layers_under_the_other_name():
    """einops' layers for PyTorch are modules of this library where that stands in for PyTorch."""
    code = (
        "import wengert; wengert.install_as_torch()\nimport torch\n"
        "from einops.layers.torch import Rearrange, Reduce, EinMix\n"
        "m = torch.nn.Sequential(Rearrange('b (h k) -> b h k', k=2), Reduce('b h k -> b k', 'mean'),\n"
        "                        EinMix('b k -> b c', weight_shape='k c', bias_shape='c', k=2, c=3))\n"
        "out = m(torch.ones(4, 6)); out.sum().backward()\n"
        "assert out.shape == (4, 3) and len(list(m.parameters())) == 2\n"
        "assert all(p.grad is not None for p in m.parameters())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
