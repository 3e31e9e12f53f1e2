"""Programs that once went wrong: each test is named after what it shows, and holds in PyTorch too."""

from __future__ import annotations

import numpy as np
import pytest
from against import NAME, collected_warnings, raises, torch

nn, F = torch.nn, torch.nn.functional
x23 = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


# ---------------------------------------------------------------- names of arguments
@pytest.mark.parametrize(
    "name",
    ["mul", "atan2", "maximum", "minimum", "fmax", "fmod", "remainder", "floor_divide", "eq", "ne",
     "lt", "ge", "logical_and", "logical_or", "hypot", "copysign", "logaddexp", "true_divide"],
)  # fmt: skip
def test_methods_of_two_operands_take_other_by_name(name):
    t = torch.tensor(x23) + 1
    by_place = getattr(t, name)(t)
    assert torch.equal(getattr(t, name)(other=t), by_place)
    assert torch.equal(getattr(torch, name)(input=t, other=t), by_place)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"])
def test_methods_of_two_integers_take_other_by_name(name):
    t = torch.arange(6)
    assert torch.equal(getattr(t, name)(other=t + 1), getattr(t, name)(t + 1))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "neg", "negative", "exp", "isreal"])
def test_functions_of_one_operand_take_input_by_name(name):
    t = torch.tensor(x23)
    assert torch.equal(getattr(torch, name)(input=t), getattr(torch, name)(t))


def test_sizes_and_dims_go_by_name_too():
    t = torch.tensor(x23)
    assert torch.equal(t.repeat(repeats=(1, 2)), t.repeat(1, 2))
    assert torch.equal(t.tile(dims=(2, 1)), torch.tile(t, dims=(2, 1)))
    assert torch.equal(t.flip(dims=(0, 1)), t.flip(0, 1))
    assert [p.shape for p in torch.hsplit(t, sections=3)] == [(2, 1)] * 3
    assert [p.shape for p in t.vsplit(indices=[1])] == [(1, 3)] * 2
    assert torch.equal(torch.zeros(2, 3).copy_(other=t), t)


def test_result_type_takes_every_mix_by_name():
    t = torch.arange(3)
    assert torch.result_type(tensor=t, other=1.5) is torch.float32
    assert torch.result_type(scalar=1.5, tensor=t) is torch.float32
    assert torch.result_type(1, 2.0) is torch.float32


def test_histogram_has_100_bins_unless_told():
    assert torch.histogram(torch.tensor([0.0, 1.0])).hist.shape == (100,)


def test_neg_and_softmax_take_out():
    t, o = torch.tensor(x23), torch.empty(0)
    assert torch.neg(t, out=o) is o
    assert torch.equal(o, -t)
    assert torch.equal(torch.softmax(t, 1, out=torch.empty(0)), t.softmax(1))
    assert torch.equal(torch.log_softmax(t, 1, out=torch.empty(0)), t.log_softmax(1))


# ---------------------------------------------------------------- foreign operands
class Money:
    def __radd__(self, other):
        return "radd"

    def __rmul__(self, other):
        return "rmul"

    def __rsub__(self, other):
        return "rsub"

    def __rtruediv__(self, other):
        return "rtruediv"

    def __rpow__(self, other):
        return "rpow"

    def __rfloordiv__(self, other):
        return "rfloordiv"

    def __rmod__(self, other):
        return "rmod"

    def __rand__(self, other):
        return "rand"

    def __gt__(self, other):
        return "gt"


def test_a_class_of_ones_own_may_answer_for_the_operator():
    t, m = torch.ones(2), Money()
    answers = [t + m, t * m, t - m, t / m, t**m, t // m, t % m, t.int() & m, t < m]
    assert answers == [
        "radd", "rmul", "rsub", "rtruediv", "rpow", "rfloordiv", "rmod", "rand", "gt"
    ]  # fmt: skip


@pytest.mark.parametrize("strange", ["a", None, object()])
def test_operands_that_are_no_numbers_are_refused(strange):
    t = torch.ones(2)
    for act in (lambda: t + strange, lambda: strange * t, lambda: t**strange, lambda: t < strange):
        with pytest.raises(TypeError):
            act()


# ---------------------------------------------------------------- dtypes
def test_sums_come_in_the_narrow_dtype_that_was_asked_for():
    t = torch.arange(6).reshape(2, 3)
    assert t.sum(dtype=torch.int32).dtype is torch.int32
    assert t.sum(0, dtype=torch.uint8).tolist() == [3, 5, 7]
    assert t.sum(dtype=torch.bool).item() is True
    assert t.prod(1, dtype=torch.int16).dtype is torch.int16
    assert t.cumsum(1, dtype=torch.int32).dtype is torch.int32
    assert t.cumprod(1, dtype=torch.int8).dtype is torch.int8
    assert t.nansum(dtype=torch.int32).dtype is torch.int32


def test_integers_to_negative_powers_are_rounded_to_zero():
    base, power = torch.tensor([1, -1, -1, 2, 3]), torch.tensor([-1, -1, -2, -3, 2])
    assert (base**power).tolist() == [1, -1, 1, 0, 9]
    assert (2 ** torch.tensor([-1, 0, 3])).tolist() == [0, 1, 8]
    with raises(RuntimeError, "Integers to negative integer powers are not allowed"):
        base**-1


def test_bool_has_no_negative_but_a_sign():
    b = torch.tensor([True, False])
    with raises(RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"):
        -b
    with raises(RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"):
        b.neg_()
    assert b.sign().tolist() == b.sgn().tolist() == [True, False]


def test_the_sign_of_nan_is_zero():
    assert torch.tensor([float("nan"), -3.0, 2.0]).sign().tolist() == [0.0, -1.0, 1.0]


def test_complex_numbers_have_no_order_and_no_sign():
    c = torch.tensor([1 + 2j, 3j])
    for act in (lambda: c < c, lambda: c >= 1, lambda: torch.gt(c, c), lambda: c.sign()):
        with pytest.raises(NotImplementedError):
            act()
    assert (c == c).all()


def test_heaviside_keeps_the_dtype_and_wants_one():
    made = torch.heaviside(torch.tensor([-1, 0, 4]), torch.tensor([5]))
    assert made.dtype is torch.int64
    assert made.tolist() == [0, 5, 1]
    with raises(RuntimeError, "different dtypes"):
        torch.heaviside(torch.tensor([1]), torch.tensor([1.0]))


def test_nextafter_is_for_floats():
    with pytest.raises(NotImplementedError):
        torch.nextafter(torch.tensor([1]), torch.tensor([2]))


def test_dtypes_that_numpy_lacks_raise_pytorchs_error():
    with raises(NotImplementedError, "not implemented for"):
        torch.fmod(torch.tensor([1j]), 1j)


# ---------------------------------------------------------------- second derivatives
PIECES = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "threshold": lambda t: F.threshold(t, 0.0, 0.0),
    "softshrink": F.softshrink,
    "hardshrink": F.hardshrink,
    "prelu": lambda t: F.prelu(t, torch.tensor([0.25])),
}


@pytest.mark.parametrize("piece", list(PIECES))
def test_the_second_derivative_of_a_straight_piece_is_zero_not_none(piece):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    (g,) = torch.autograd.grad(PIECES[piece](x).sum(), x, create_graph=True)
    g.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_a_gradient_penalty_reaches_the_biases_below_a_relu():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
    at = torch.randn(3, 2, requires_grad=True)
    (g,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
    assert critic[0].bias.grad.tolist() == [0.0] * 4
    assert critic[2].bias.grad is None


def test_the_gradient_of_atan2_at_the_origin_is_zero():
    a = torch.tensor([0.0, 1.0], requires_grad=True)
    b = torch.tensor([0.0, 0.0], requires_grad=True)
    torch.atan2(a, b).sum().backward()
    assert a.grad.tolist() == [0.0, 0.0]
    assert b.grad.tolist() == [0.0, -1.0]


# ---------------------------------------------------------------- memory
TURNED = [
    ("sum", lambda t: t.sum(1)),
    ("sum keepdim", lambda t: t.sum(1, keepdim=True)),
    ("mean", lambda t: t.mean(0)),
    ("prod", lambda t: t.prod(1)),
    ("var", lambda t: t.var(1)),
    ("std_mean", lambda t: torch.std_mean(t, 1)[1]),
    ("amax", lambda t: t.amax(1)),
    ("any", lambda t: t.any(1)),
    ("norm", lambda t: t.norm(dim=1)),
    ("norm 1", lambda t: t.norm(p=1, dim=1)),
    ("logsumexp", lambda t: t.logsumexp(1)),
    ("nansum", lambda t: t.nansum(1)),
    ("count_nonzero", lambda t: t.count_nonzero(1)),
    ("cumsum", lambda t: t.cumsum(1)),
    ("cumprod", lambda t: t.cumprod(1)),
    ("logcumsumexp", lambda t: t.logcumsumexp(1)),
    ("softmax", lambda t: t.softmax(-1)),
    ("log_softmax", lambda t: t.log_softmax(1)),
    ("layer_norm", lambda t: F.layer_norm(t, t.shape[-1:])),
    ("batch_norm", lambda t: F.batch_norm(t, None, None, training=True)),
    ("gather", lambda t: t.gather(0, torch.zeros(t.shape, dtype=torch.int64))),
    ("repeat", lambda t: t.repeat(1, 1, 1)),
    ("tril", lambda t: t.tril()),
    ("matmul", lambda t: t @ t.transpose(-1, -2)),
    ("one_hot", lambda t: F.one_hot((t > 0).long())),
]


@pytest.mark.parametrize(("name", "make"), TURNED, ids=[name for name, _ in TURNED])
def test_results_of_turned_tensors_can_be_viewed(name, make):
    base = torch.arange(24.0).reshape(2, 3, 4)
    turned = base.permute(2, 0, 1)
    made = make(turned)
    assert made.is_contiguous()
    assert torch.allclose(made.view(-1), make(turned.contiguous()).view(-1))


def test_a_plus_sign_gives_the_tensor_itself():
    t = torch.tensor([1.0], requires_grad=True)
    assert +t is t
    assert t.positive() is t
    with raises(RuntimeError, "on a bool tensor is not supported"):
        +torch.tensor([True])


def test_fill_diagonal_writes_and_is_recorded():
    w = torch.ones(2, 2, requires_grad=True)
    z = w * 2
    assert z.fill_diagonal_(0) is z
    z.sum().backward()
    assert w.grad.tolist() == [[0.0, 2.0], [2.0, 0.0]]
    assert torch.zeros(5, 2).fill_diagonal_(1, wrap=True).sum() == 4
    assert torch.zeros(3, 3, 3).fill_diagonal_(1).nonzero().tolist() == [[k] * 3 for k in range(3)]
    with raises(RuntimeError, "dimensions must larger than 1"):
        torch.zeros(2).fill_diagonal_(1)


# ---------------------------------------------------------------- names that programs use
def test_classes_show_the_module_where_users_find_them():
    t = torch.ones(1, requires_grad=True)
    assert str(type(t * 2)) == f"<class '{NAME}.Tensor'>"
    assert str(nn.Parameter) == f"<class '{NAME}.nn.parameter.Parameter'>"
    assert str(type(t.register_hook(print))) == f"<class '{NAME}.utils.hooks.RemovableHandle'>"


def test_old_variables_are_tensors():
    from_module = torch.autograd.Variable
    base = torch.ones(2)
    v = from_module(base, requires_grad=True)
    assert isinstance(v, from_module)
    assert type(v) is torch.Tensor
    assert v.requires_grad
    assert v.is_leaf
    assert v.data_ptr() == base.data_ptr()
    assert not from_module(torch.ones(1, requires_grad=True) * 2).requires_grad
    with raises(TypeError, "Variable data has to be a tensor, but got list"):
        from_module([1.0])
    with collected_warnings() as found:
        from_module(base, volatile=True)
    assert "volatile was removed" in str(found[0].message)


def test_the_switches_that_scripts_set_are_there(monkeypatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "deterministic", True)
    monkeypatch.setattr(cudnn, "benchmark", False)
    assert cudnn.deterministic is True
    assert torch.backends.mps.is_available() in (True, False)
    use = torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator().type if use else "cpu"
    assert torch.ones(1).to(device).sum() == 1
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)
    with raises(RuntimeError, "positive integer"):
        torch.set_num_threads(0)


def test_outputs_of_a_module_with_a_backward_hook_show_its_node():
    m = nn.Linear(1, 1)
    m.register_full_backward_hook(lambda *_: None)
    assert m(torch.ones(1, 1)).grad_fn.name() == "BackwardHookFunctionBackward"


def test_numpy_numbers_mix_in():
    assert (torch.arange(2) * np.float64(1.5)).dtype is torch.float32
    assert (np.float64(2) * torch.ones(2)).dtype is torch.float32


def test_a_parameter_of_no_dims_is_shown_whole_in_an_f_string():
    p = nn.Parameter(torch.tensor(2.0))
    assert f"{p}" == "Parameter containing:\ntensor(2., requires_grad=True)"
    assert f"{p.detach()} {p * 2:.1f}" == "2.0 4.0"


def test_a_tensor_without_dims_has_dims_to_move():
    t = torch.tensor(3.0)
    assert torch.equal(t.movedim(0, 0), t)
    assert torch.equal(t.moveaxis(-1, 0), t)
