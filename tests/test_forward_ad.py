"""Forward mode: dual levels and dual tensors, contract rows A-040 to A-045."""

from __future__ import annotations

import math

import pytest
from against import REAL, printed, raises, torch

fw = torch.autograd.forward_ad


def pair():
    return torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])


# ------------------------------------------------------------------- levels
@pytest.mark.skipif(REAL, reason="PyTorch has one level of forward mode")
def test_A_040_levels_nest():
    x = torch.tensor(0.7, dtype=torch.float64)
    one = torch.ones_like(x)
    with fw.dual_level() as outer:
        a = fw.make_dual(x, one)
        with fw.dual_level() as inner:
            assert (outer, inner) == (0, 1)
            y = fw.make_dual(a, one).sin()
            assert fw.unpack_dual(y, level=outer).tangent is not None
            slope = fw.unpack_dual(y).tangent
        curve = fw.unpack_dual(slope).tangent
    assert abs(slope.item() - math.cos(0.7)) < 1e-15
    assert abs(curve.item() + math.sin(0.7)) < 1e-15


def test_A_040_as_a_decorator():
    @fw.dual_level()
    def slope(x, t):
        return fw.unpack_dual(fw.make_dual(x, t) ** 2).tangent

    assert slope(*pair()).tolist() == [2.0, 0.0]
    assert slope(*pair()).tolist() == [2.0, 0.0]


def test_A_040_an_error_closes_the_level():
    with raises(ValueError, "boom"), fw.dual_level():
        raise ValueError("boom")
    with fw.dual_level():
        pass


def test_A_041_levels_by_hand():
    with raises(RuntimeError, "Dual level must be a positive number."):
        fw.exit_dual_level()
    level = fw.enter_dual_level()
    try:
        with raises(RuntimeError, "was not the last one that was created"):
            fw.exit_dual_level(level=5)
    finally:
        fw.exit_dual_level(level=level)


# ------------------------------------------------------------------- duals
def test_A_042_what_can_be_made_dual():
    x, t = pair()
    with raises(RuntimeError, "Trying to create a dual Tensor for forward AD but no level exists"):
        fw.make_dual(x, t)
    with fw.dual_level():
        with raises(
            ValueError, "Expected primal to be floating point or complex, but got: torch.int64"
        ):
            fw.make_dual(torch.tensor([1]), t)
        with raises(
            ValueError, "Expected tangent to be floating point or complex, but got: torch.int64"
        ):
            fw.make_dual(x, torch.tensor([1, 2]))
        with raises(
            RuntimeError,
            "Trying to set a forward gradient that has a different size than that of the original "
            "Tensor, this is not supported. Tensor is of size [2] while the given forward gradient "
            "is of size [3].",
        ):
            fw.make_dual(x, torch.ones(3))
        dual = fw.make_dual(x, t)
        with raises(RuntimeError, "that already has a forward gradient at the same level 0"):
            fw.make_dual(dual, t)
        with raises(RuntimeError, "Setting a forward grad that itself has a forward gradient"):
            fw.make_dual(x, dual)
        with raises(RuntimeError, "Invalid level given to _make_dual"):
            fw.make_dual(x, t, level=3)


def test_A_042_the_memory_is_shared():
    x, t = pair()
    with fw.dual_level():
        dual = fw.make_dual(x, t)
        assert dual is not x
        assert dual.data_ptr() == x.data_ptr()
        assert fw.unpack_dual(dual).tangent is t


def test_A_042_a_tangent_of_another_dtype():
    x, t = pair()
    with fw.dual_level():
        assert fw.unpack_dual(fw.make_dual(x, t.double())).tangent.dtype == torch.float64


def test_A_043_plain_tensors_have_no_tangent():
    x, _ = pair()
    assert fw.unpack_dual(x).tangent is None
    with fw.dual_level():
        value, tangent = fw.unpack_dual(x)
        assert value.tolist() == [1.0, 2.0]
        assert tangent is None


def test_A_043_tangents_end_with_their_level():
    x, t = pair()
    with fw.dual_level():
        y = fw.make_dual(x, t) * 3
        assert fw.unpack_dual(y).tangent.tolist() == [3.0, 0.0]
    assert fw.unpack_dual(y).tangent is None
    assert printed(y, y * 2) == "tensor([3., 6.]) tensor([ 6., 12.])\n"
    with fw.dual_level():
        assert fw.unpack_dual(y).tangent is None
        assert fw.unpack_dual(y * fw.make_dual(x, t)).tangent.tolist() == [3.0, 0.0]


def test_A_044_unpacked():
    x, _ = pair()
    found = fw.unpack_dual(x)
    assert isinstance(found, fw.UnpackedDualTensor)
    assert found._fields == ("primal", "tangent")
    assert printed(found) == "UnpackedDualTensor(primal=tensor([1., 2.]), tangent=None)\n"


def test_A_045_printing():
    with fw.dual_level():
        dual = fw.make_dual(*pair())
        assert printed(dual) == "tensor([1., 2.], tangent=tensor([1., 0.]))\n"
        assert printed((dual * dual).sum()) == "tensor(5., tangent=2.0)\n"


# ------------------------------------------------------------------- calls
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(lambda x: x + 1, [1.0, 0.0], id="add a number"),
        pytest.param(lambda x: 2 * x, [2.0, 0.0], id="scale"),
        pytest.param(lambda x: 1 / x, [-1.0, 0.0], id="reciprocal"),
        pytest.param(lambda x: x * x, [2.0, 0.0], id="mul"),
        pytest.param(lambda x: x.exp().log(), [1.0, 0.0], id="unary"),
        pytest.param(lambda x: x.clone(), [1.0, 0.0], id="clone"),
        pytest.param(lambda x: x[:1], [1.0], id="slice"),
        pytest.param(lambda x: x[[1, 0]], [0.0, 1.0], id="index"),
        pytest.param(lambda x: x.flip(0), [0.0, 1.0], id="flip"),
        pytest.param(lambda x: x.view(2, 1), [[1.0], [0.0]], id="view"),
        pytest.param(lambda x: x.unsqueeze(0).T, [[1.0], [0.0]], id="transpose"),
        pytest.param(lambda x: x.sum(), 1.0, id="sum"),
        pytest.param(lambda x: x.mean(), 0.5, id="mean"),
        pytest.param(lambda x: x @ x, 2.0, id="dot"),
        pytest.param(lambda x: torch.ones(3, 2) @ x, [1.0, 1.0, 1.0], id="mv"),
        pytest.param(lambda x: torch.outer(x, x), [[2.0, 2.0], [2.0, 0.0]], id="outer"),
        pytest.param(lambda x: torch.cat([torch.ones(1), x]), [0.0, 1.0, 0.0], id="cat"),
        pytest.param(
            lambda x: torch.stack([x, torch.ones(2)]), [[1.0, 0.0], [0.0, 0.0]], id="stack"
        ),
        pytest.param(lambda x: torch.where(x > 1, x, 3 * x), [3.0, 0.0], id="where"),
        pytest.param(lambda x: x.max(), 0.0, id="max"),
        pytest.param(lambda x: x.min(0).values, 1.0, id="min with dim"),
        pytest.param(lambda x: x.prod(), 2.0, id="prod"),
        pytest.param(lambda x: x.cumsum(0), [1.0, 1.0], id="cumsum"),
        pytest.param(lambda x: x.double(), [1.0, 0.0], id="cast"),
        pytest.param(lambda x: x * torch.ones(2, 2), [[1.0, 0.0], [1.0, 0.0]], id="broadcast"),
        pytest.param(lambda x: torch.nn.functional.relu(x), [1.0, 0.0], id="relu"),
    ],
)
def test_tangents_follow_calls(call, expected):
    with fw.dual_level():
        value, tangent = fw.unpack_dual(call(fw.make_dual(*pair())))
        assert tangent.tolist() == expected
        assert tangent.dtype == value.dtype
    assert value.tolist() == call(pair()[0]).tolist()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda x: torch.softmax(x, 0), id="softmax"),
        pytest.param(lambda x: torch.log_softmax(x, 0), id="log_softmax"),
        pytest.param(lambda x: torch.logsumexp(x, 0), id="logsumexp"),
        pytest.param(lambda x: x.norm(), id="norm"),
        pytest.param(lambda x: x.var(), id="var"),
        pytest.param(lambda x: x.std(), id="std"),
        pytest.param(lambda x: torch.sigmoid(x) * torch.tanh(x), id="activations"),
        pytest.param(lambda x: torch.nn.functional.mse_loss(x, torch.ones(3).double()), id="mse"),
        pytest.param(
            lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(1)), id="cross_entropy"
        ),
        pytest.param(lambda x: torch.nn.functional.layer_norm(x, (3,)), id="layer_norm"),
        pytest.param(lambda x: torch.einsum("i,j->ij", x, x), id="einsum"),
        pytest.param(lambda x: x.sort().values.cumprod(0), id="sort and cumprod"),
    ],
)
def test_tangents_agree_with_differences(call):
    x = torch.tensor([0.3, 1.2, -0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x,), check_forward_ad=True)


def test_A_045_comparisons_and_integers_have_no_tangent():
    with fw.dual_level():
        x = fw.make_dual(*pair())
        assert fw.unpack_dual(x > 1).tangent is None
        assert fw.unpack_dual(x.argmax()).tangent is None
        assert fw.unpack_dual(x.detach()).tangent is None


def test_A_045_modes():
    with fw.dual_level():
        x = fw.make_dual(*pair())
        with torch.no_grad():
            assert fw.unpack_dual(x * 2).tangent.tolist() == [2.0, 0.0]
        with torch.inference_mode():
            assert fw.unpack_dual(x * 2).tangent is None


def test_A_045_in_place_on_a_dual():
    with fw.dual_level():
        x = fw.make_dual(*pair())
        y = x * 1
        assert y.mul_(3) is y
        assert y.tolist() == [3.0, 6.0]
        assert fw.unpack_dual(y).tangent.tolist() == [3.0, 0.0]
        y[0] = 7
        assert fw.unpack_dual(y).tangent.tolist() == [0.0, 0.0]
        z = x * 1
        z += x
        assert fw.unpack_dual(z).tangent.tolist() == [2.0, 0.0]


def test_A_045_a_plain_tensor_that_a_dual_is_written_into_becomes_dual():
    with fw.dual_level():
        x = fw.make_dual(*pair())
        a, b, c = torch.zeros(2), torch.zeros(3), torch.ones(2, 2)
        assert a.copy_(x) is a
        b[1:] = x * 2
        c[0] *= x
        assert fw.unpack_dual(a).tangent.tolist() == [1.0, 0.0]
        assert b.tolist() == [0.0, 2.0, 4.0]
        assert fw.unpack_dual(b).tangent.tolist() == [0.0, 2.0, 0.0]
        assert c.tolist() == [[1.0, 2.0], [1.0, 1.0]]
        assert fw.unpack_dual(c).tangent.tolist() == [[1.0, 0.0], [0.0, 0.0]]
        b[1] = 5
        assert fw.unpack_dual(b.sum()).tangent.tolist() == 0.0
    assert a.tolist() == [1.0, 2.0]


def test_reverse_over_forward_through_a_write():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        out = torch.zeros(3)
        out[1:] = fw.make_dual(x, torch.tensor([1.0, 1.0])) ** 3
        slope = fw.unpack_dual(out.sum()).tangent
        assert slope.tolist() == 15.0
        assert torch.autograd.grad(slope, x, retain_graph=True)[0].tolist() == [6.0, 12.0]
        assert torch.autograd.grad(out.sum(), x)[0].tolist() == [3.0, 12.0]


def test_reverse_over_forward():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        y = (fw.make_dual(x, torch.tensor([1.0, 1.0])) ** 3).sum()
        value, slope = fw.unpack_dual(y)
        assert slope.tolist() == 15.0
        assert torch.autograd.grad(slope, x, retain_graph=True)[0].tolist() == [6.0, 12.0]
        assert torch.autograd.grad(value, x)[0].tolist() == [3.0, 12.0]


def test_forward_over_reverse():
    with fw.dual_level():
        x = fw.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0])).requires_grad_()
        (g,) = torch.autograd.grad((x**3).sum(), x)
        value, slope = fw.unpack_dual(g)
    assert value.tolist() == [3.0, 12.0]
    assert slope.tolist() == [6.0, 12.0]


def test_a_whole_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    x, t = torch.randn(5, 3), torch.randn(5, 3)
    with fw.dual_level():
        slope = fw.unpack_dual(model(fw.make_dual(x, t)).sum()).tangent
    point = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(model(point).sum(), point)
    assert torch.allclose(slope, (g * t).sum(), atol=1e-6)


def test_a_cast_to_whole_numbers_has_no_tangent():
    with fw.dual_level():
        x = fw.make_dual(torch.tensor([1.5, 2.5]), torch.tensor([1.0, 1.0]))
        y = x.long()
        assert y.dtype is torch.int64
        assert fw.unpack_dual(y).tangent is None
        assert fw.unpack_dual(y * x).tangent.tolist() == [1.0, 2.0]


@pytest.mark.wengert_only
def test_nor_has_the_cast_that_other_ops_use():
    from wengert.core.op import TENSORS

    with fw.dual_level():
        x = fw.make_dual(torch.tensor([1.5, 2.5]), torch.tensor([1.0, 1.0]))
        assert fw.unpack_dual(TENSORS.cast(x, torch.int64)).tangent is None
