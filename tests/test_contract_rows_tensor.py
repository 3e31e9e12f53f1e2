"""Rows of contract section 2.12: the members of Tensor that have to do with gradients."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
from against import REAL, collected_warnings, leaf, raises, torch


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# ------------------------------------------------------------------- what decides about recording
def test_A_170_requires_grad():
    x = torch.ones(2)
    assert x.requires_grad is False
    x.requires_grad = True
    assert (x * 2).requires_grad
    with raises(RuntimeError, "you can only change requires_grad flags of leaf variables."):
        (x * 2).requires_grad = False
    with raises(RuntimeError, "only Tensors of floating point and complex dtype can require grad"):
        torch.ones(2, dtype=torch.int64).requires_grad = True
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_A_171_requires_grad_():
    x = torch.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with torch.no_grad():
        assert x.requires_grad_().requires_grad
    with raises(RuntimeError, "only Tensors of floating point dtype can require gradients"):
        torch.ones(2, dtype=torch.int64).requires_grad_()


def test_A_172_grad():
    x = leaf(2)
    assert x.grad is None
    x.grad = torch.ones(2)
    del x.grad
    assert x.grad is None
    with raises(
        RuntimeError, "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'"
    ):
        x.grad = torch.ones(3)
    with raises(
        RuntimeError, "attempting to assign a gradient with dtype 'double' to a tensor with"
    ):
        x.grad = torch.ones(2, dtype=torch.float64)
    with raises(RuntimeError, "can't assign Variable as its own grad"):
        x.grad = x
    with raises(
        TypeError, "assigned grad expected to be a Tensor or None but got grad of type int"
    ):
        x.grad = 1
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
        assert (x * 2).grad is None


def test_A_173_grad_dtype():
    x = leaf(2)
    assert x.grad_dtype is torch.float32
    x.grad_dtype = torch.float64
    x.grad = torch.ones(2, dtype=torch.float64)
    x.grad = None
    x.grad_dtype = None
    x.grad = torch.ones(2, dtype=torch.float16)
    with raises(RuntimeError, "grad_dtype can only be set on leaf tensors."):
        (x * 2).grad_dtype = torch.float64


def test_A_174_grad_fn():
    x = leaf(2)
    y = x * 2
    assert x.grad_fn is None
    assert y.grad_fn is y.grad_fn
    assert type(y.grad_fn).__name__ == "MulBackward0"
    with raises(AttributeError, "grad_fn"):
        y.grad_fn = None


def test_A_175_is_leaf():
    x = leaf(2)
    with torch.no_grad():
        unrecorded = x * 2
    flags = [t.is_leaf for t in (x, torch.ones(2), unrecorded, x.detach(), x * 2, x.double())]
    assert flags == [True, True, True, True, False, False]
    with raises(AttributeError, "is_leaf"):
        x.is_leaf = False


def test_A_176_backward():
    x = doubles(1.0, 2.0)
    y = x * x
    y.backward(torch.ones(2, dtype=torch.float64), retain_graph=True)
    y.backward(gradient=torch.ones(2, dtype=torch.float64), inputs=[x])
    assert x.grad.tolist() == [4.0, 8.0]
    with raises(RuntimeError, "grad can be implicitly created only for scalar outputs"):
        (x * 2).backward()
    with raises(RuntimeError, "`inputs` argument to `backward()` cannot be empty."):
        (x * 2).sum().backward(inputs=[])


def test_A_177_detach():
    x = doubles(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert (d.requires_grad, d._is_view(), d._base) == (False, False, None)
    d.mul_(2)
    assert y.tolist() == [4.0, 8.0]
    assert (y._version, d._version) == (1, 1)
    assert y.detach_() is y
    assert y.is_leaf
    with raises(RuntimeError, "Can't detach views in-place. Use detach() instead."):
        (x * 2)[:1].detach_()


def test_A_178_data():
    x = doubles(1.0, 2.0)
    y = x * x
    x.data.sub_(0.5)
    assert x._version == 0
    y.sum().backward()  # silently with the new values
    assert x.grad.tolist() == [1.0, 3.0]
    x.data = torch.ones(3, dtype=torch.float32)
    assert (x.shape, x.dtype, x.requires_grad) == ((3,), torch.float32, True)


def test_A_179_retain_grad():
    x = doubles(1.0, 2.0)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0]
    x.retain_grad()
    assert not x.retains_grad
    z = x * 2
    z.retain_grad()
    z.mul_(10)
    z.sum().backward()
    assert z.grad.tolist() == [1.0, 1.0]  # of the value that is there now
    with raises(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(1).retain_grad()


# ------------------------------------------------------------------- hooks
def test_A_180_register_hook():
    x = doubles(1.0)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    y.backward(retain_graph=True)
    assert x.grad.item() == 22.0
    handle.remove()
    x.grad = None
    y.backward()
    assert x.grad.item() == 4.0
    with raises(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_A_181_register_post_accumulate_grad_hook():
    x, seen = doubles(1.0), []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    (x * 2).backward()
    (x * 2).backward()
    assert seen == [2.0, 4.0]
    torch.autograd.grad(x * 2, x)
    assert len(seen) == 2
    handle.remove()
    (x * 2).backward()
    assert len(seen) == 2
    with raises(
        RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors"
    ):
        (x * 2).register_post_accumulate_grad_hook(print)
    x.register_post_accumulate_grad_hook(lambda p: 1)
    with raises(TypeError, "expected Variable, but hook returned 'int'"):
        (x * 2).backward()


def test_A_182_tables_of_hooks():
    x = doubles(1.0)
    assert not x._backward_hooks
    assert not x._post_accumulate_grad_hooks
    x.register_hook(print)
    x.register_post_accumulate_grad_hook(print)
    assert list(x._backward_hooks.values()) == [print]
    assert list(x._post_accumulate_grad_hooks.values()) == [print]


# ------------------------------------------------------------------- facts
def test_A_183_facts():
    x = doubles(1.0, 2.0)
    _, b = (x * 1).unbind()
    assert (b.output_nr, x.output_nr) == (1, 0)
    y = torch.ones(3)
    v = y[:2]
    assert (v._is_view(), y._is_view()) == (True, False)
    assert v._base is y
    y.add_(1)
    assert (y._version, v._version) == (1, 1)
    assert x.is_inference() is False
    assert x.name is None
    assert x._grad is None
    assert x._grad_fn is None


def test_A_184_copies_and_conversions():
    x = doubles(1.0, 2.0)
    assert x.double() is x
    assert x.to(torch.float64) is x
    assert x.contiguous() is x
    assert x.cpu() is x
    assert type(x.clone().grad_fn).__name__ == "CloneBackward0"
    assert type(x.float().grad_fn).__name__ == "ToCopyBackward0"
    t = torch.ones(2, 3).t()
    assert t.clone().stride() == t.stride()
    assert t.clone(memory_format=torch.contiguous_format).stride() == (2, 1)
    assert x.half().dtype is torch.float16
    assert x.type_as(torch.ones(1)).dtype is torch.float32
    (x.float() * 2).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (torch.float64, [2.0, 2.0])


def test_A_185_values():
    x = torch.tensor([1.5], requires_grad=True)
    with raises(RuntimeError, "Can't call numpy() on Tensor that requires grad."):
        x.numpy()
    assert x.numpy(force=True).tolist() == [1.5]
    with raises(RuntimeError, "Can't call numpy() on Tensor that requires grad."):
        np.asarray(x)
    with collected_warnings() as caught:
        assert (x.item(), x.tolist()) == (1.5, [1.5])
    assert not caught
    if REAL:  # once a process
        torch.set_warn_always(True)
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        assert float(x) == 1.5
    if REAL:
        torch.set_warn_always(False)
    y = torch.tensor(3)
    assert (int(y), bool(y), [10, 20, 30, 40][y], complex(y)) == (3, True, 40, 3 + 0j)
    with raises(RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"):
        bool(torch.ones(2))
    with raises(RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"):
        torch.ones(2).item()


def test_A_186_new_tensors_do_not_require_grad():
    x = doubles(1.0, 2.0)
    made = [
        x.new_tensor([1.0]), x.new_zeros(2), x.new_ones(2), x.new_full((2,), 3.0), x.new_empty(2),
    ]  # fmt: skip
    assert [(t.requires_grad, t.dtype) for t in made] == [(False, torch.float64)] * 5
    assert x.new_zeros(2, requires_grad=True).requires_grad


def test_A_187_in_place():
    x = doubles(1.0, 2.0)
    y = x * 1
    before = y
    y += 1
    y[0] = 5.0
    y.mul_(2)
    y.copy_(y.detach() + y)
    assert y is before
    assert y._version == 4
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0]
    z = torch.ones(3)
    z.zero_()
    z.fill_(2)
    z.resize_(3)
    assert (z._version, z.tolist()) == (2, [2.0, 2.0, 2.0])
    with raises(RuntimeError, "a leaf Variable that requires grad is being used in an in-place"):
        x.add_(1)


def test_A_188_views_as_attributes():
    m = torch.arange(6.0).reshape(2, 3).clone()
    for t in (m.T, m.mT, m.H, m.mH):
        assert t.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    for t in (m.T, m.mT):
        assert t._base is m
    z = torch.tensor([1 + 2j])
    assert (z.real.tolist(), z.imag.tolist()) == ([1.0], [2.0])
    assert z.real._is_view()
    z.imag.zero_()
    assert z.tolist() == [1 + 0j]
    assert m.real is m


def test_A_189_iteration():
    x = doubles(1.0, 2.0)
    rows = list(x)
    assert [type(r.grad_fn).__name__ for r in rows] == ["UnbindBackward0"] * 2
    with raises(TypeError, "iteration over a 0-d tensor"):
        iter(x.sum())


def test_A_190_copies():
    x = doubles(1.0, 2.0)
    x.grad = torch.ones(2, dtype=torch.float64)
    y = copy.deepcopy(x)
    assert (y.requires_grad, y.tolist(), y.grad.tolist()) == (True, [1.0, 2.0], [1.0, 1.0])
    assert y.grad is not x.grad
    with raises(
        RuntimeError, "Only Tensors created explicitly by the user (graph leaves) support the"
    ):
        copy.deepcopy(x * 2)
    z = pickle.loads(pickle.dumps(x))
    assert (z.requires_grad, z.tolist(), z.grad) == (True, [1.0, 2.0], None)
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    assert torch.load(file).requires_grad


def test_A_191_format():
    assert f"{torch.tensor(1.5):.2f}" == "1.50"
    assert f"{torch.tensor(1.5, requires_grad=True):.2f}" == "1.50"
    assert f"{torch.tensor(7):03d}" == "007"
    assert f"{torch.ones(2)}" == "tensor([1., 1.])"
    with raises(TypeError, "unsupported format string passed to Tensor.__format__"):
        f"{torch.ones(2):.2f}"


def test_A_192_hash_and_comparison():
    x = torch.tensor([1.0, 2.0])
    assert hash(x) == id(x) if REAL else hash(x) == hash(x)
    assert (x == x.clone()).tolist() == [True, True]
    assert len({x, x, x.clone()}) == 2
    assert 2.0 in x
    assert 3.0 not in x
    assert len(x) == 2


def test_A_193_python_functions():
    x = torch.tensor([1.0, 2.0])
    assert x.apply_(lambda v: v + 1).tolist() == [2.0, 3.0]
    assert x.map_(torch.tensor([10.0, 20.0]), lambda a, b: a * b).tolist() == [20.0, 60.0]
    assert x.map2_(
        torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), lambda a, b, c: a + b + c
    ).tolist() == [24.0, 66.0]
    with raises(RuntimeError, "Can't call apply_() on Variable that requires grad."):
        leaf(2).apply_(lambda v: v)


def test_A_194_subclasses():
    class Named(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Named)
    assert type(x) is Named
    assert x.tolist() == [1.0, 1.0]
    with raises(RuntimeError, "reinforce() was removed."):
        torch.ones(1).reinforce(1)


def test_A_195_exchange():
    x = torch.tensor([1.0, 2.0])
    assert x.__dlpack_device__()[0] == 1
    y = torch.from_dlpack(x)
    y[0] = 5.0
    assert x[0].item() == 5.0
    assert np.from_dlpack(x.detach()).tolist() == [5.0, 2.0]
    assert x.__array_priority__ == 1000
    with raises(AttributeError, "__cuda_array_interface__"):
        x.__cuda_array_interface__


# ------------------------------------------------------------------- what is built on it
def test_A_196_parameters():
    p = torch.nn.Parameter(torch.ones(2))
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert isinstance(p, torch.Tensor)
    with torch.no_grad():
        assert torch.nn.Parameter(torch.ones(1)).requires_grad
    assert not torch.nn.Parameter(torch.ones(1), requires_grad=False).requires_grad
    assert type(p * 1) is torch.Tensor


def test_A_197_modules():
    m = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    seen = []
    m.register_forward_hook(lambda mod, i, o: seen.append("forward"))
    m.register_full_backward_pre_hook(lambda mod, go: seen.append("before"))
    m.register_full_backward_hook(lambda mod, gi, go: seen.append("after"))
    x = torch.ones(3, 2, requires_grad=True)
    m(x).sum().backward()
    assert seen == ["forward", "before", "after"]
    assert [n for n, _ in m.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())
    m(x).sum().backward()
    m.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum() == 0 for p in m.parameters())
    assert m.requires_grad_(False) is m
    assert not any(p.requires_grad for p in m.parameters())
    assert m.train(False).training is False
    assert m.train().training is True
    assert m.eval().training is False


@pytest.mark.parametrize(
    "name",
    "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam RAdam RMSprop Rprop SGD "
    "SparseAdam".split(),
)
def test_A_198_optimisers(name):
    if name == "SparseAdam":  # for sparse gradients
        assert issubclass(torch.optim.SparseAdam, torch.optim.Optimizer)
        return
    torch.manual_seed(0)
    w = torch.rand(3, 3).requires_grad_()
    optimizer = getattr(torch.optim, name)([w])

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(3):
        optimizer.step(closure)
    assert (w * w).sum().item() < first
    optimizer.zero_grad()
    assert w.grad is None


def test_A_198_the_interface_of_optimisers():
    w, v = leaf(2), leaf(2)
    optimizer = torch.optim.SGD([w], lr=0.1)
    seen = []
    optimizer.register_step_pre_hook(lambda o, a, k: seen.append("pre"))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append("post"))
    optimizer.add_param_group({"params": [v], "lr": 1.0})
    (w + v).sum().backward()
    optimizer.step()
    assert seen == ["pre", "post"]
    assert torch.allclose(w, torch.tensor([0.9, 0.9]))
    assert v.tolist() == [0.0, 0.0]
    state = optimizer.state_dict()
    assert [g["lr"] for g in state["param_groups"]] == [0.1, 1.0]
    other = torch.optim.SGD([{"params": [w]}, {"params": [v]}])
    assert other.defaults["lr"] == 0.001
    other.load_state_dict(state)
    assert [g["lr"] for g in other.param_groups] == [0.1, 1.0]
