"""Checkpointing: what is refused, found out and told (contract rows A-160, A-166, M-64)."""

from __future__ import annotations

import contextlib
import importlib
import warnings

import pytest
from against import NAME, raises, torch

C = importlib.import_module(f"{NAME}.utils.checkpoint")
checkpoint = C.checkpoint
hooks = torch.autograd.graph.saved_tensors_hooks


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def slope(f, x, *args, **kwargs):
    return torch.autograd.grad(f(x, *args, **kwargs).sum(), x)[0].tolist()


# ------------------------------------------------------------------- errors
def test_M_64_other_shapes():
    calls = iter(range(9))

    def f(x):
        return (x[:2] if next(calls) else x).exp()

    with raises(
        C.CheckpointError,
        "torch.utils.checkpoint: Recomputed values for the following tensors have different "
        "metadata than during the forward pass.\n"
        "tensor at position 0:\n"
        "saved metadata: {'shape': torch.Size([3]), 'dtype': torch.float64, 'device': "
        "device(type='cpu')}\n"
        "recomputed metadata: {'shape': torch.Size([2]), 'dtype': torch.float64, 'device': "
        "device(type='cpu')}\n",
        "debug=True",
    ):
        checkpoint(f, leaf(1.0, 2.0, 3.0), use_reentrant=False).sum().backward()


def test_A_160_determinism_check():
    def f(x):
        return (x.float() if next(calls) else x).exp().sum()

    x, calls = leaf(1.0), iter(range(9))
    with raises(C.CheckpointError, "have different metadata"):
        checkpoint(f, x, use_reentrant=False).backward()
    calls = iter([0, 1])
    checkpoint(lambda x: f(x).double(), x, use_reentrant=False, determinism_check="none").backward()
    assert x.grad.item() == pytest.approx(x.exp().item())
    with raises(ValueError, "determinism_check should be one of ['default', 'none'], but got x"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="x")


def test_M_64_fewer_and_more():
    def f(x):
        return x.sin().exp() if next(calls) in short else x.sin().exp().cos()

    for early in (True, False):
        calls, short = iter(range(9)), (1,)
        with raises(
            C.CheckpointError,
            "A different number of tensors was saved during the original forward and recomputation."
            "\nNumber of tensors saved during forward: 3"
            "\nNumber of tensors saved during recomputation: 2.",
        ):
            checkpoint(f, leaf(1.0), use_reentrant=False, early_stop=early).backward()
    calls, short = iter(range(9)), (0,)
    with raises(C.CheckpointError, "trying to save more tensors during recomputation than"):
        checkpoint(f, leaf(1.0), use_reentrant=False, early_stop=False).backward()


@pytest.mark.wengert_only  # PyTorch logs the calls in a way that pytest does not take
@pytest.mark.parametrize("switch", [True, False])
def test_A_160_debug_tells_what_was_called(switch):
    calls = iter(range(9))

    def f(x):
        return x.sin().exp() if next(calls) else x.sin().exp().cos()

    with raises(
        C.CheckpointError, "Operations executed during the original forward:", "sin", "exp", "cos",
        "Operations executed during recomputation:", "sin", "exp",
        "Detected non-determinism while running activation checkpointing. The first 2 calls are",
    ):  # fmt: skip
        with C.set_checkpoint_debug_enabled(True) if switch else contextlib.nullcontext():
            out = checkpoint(f, leaf(1.0), use_reentrant=False, debug=not switch)
        out.backward()


def test_A_160_an_exception_in_the_recomputation():
    def f(x):
        if calls and calls.pop():
            raise ValueError("boom")
        return x.exp().sin()

    x, calls = leaf(0.3), [1, 0]
    out = checkpoint(f, x, use_reentrant=False)
    with raises(ValueError, "boom"):
        out.backward()
    assert torch.is_grad_enabled()
    out.backward()  # nothing was spent, and the next run starts afresh
    assert x.grad.tolist() == pytest.approx(slope(lambda x: x.exp().sin(), x))


def test_A_160_an_exception_in_the_function():
    def f(x):
        x.exp()
        raise ValueError("boom")

    x = leaf(0.3)
    with raises(ValueError, "boom"):
        checkpoint(f, x, use_reentrant=False)
    packed = []
    with hooks(lambda t: packed.append(t) or t, lambda t: t):
        x.exp()
    assert len(packed) == 1  # the hooks of the region are gone


def test_an_input_that_is_written_before_backward():
    x, y = leaf(0.3), torch.ones(1, dtype=torch.float64)
    out = checkpoint(lambda x, y: (x * y).exp(), x, y, use_reentrant=False)
    y.add_(1)
    with raises(RuntimeError, "has been modified by an inplace operation"):
        out.backward()


@pytest.mark.wengert_only
def test_a_saved_result_that_the_function_writes():
    """PyTorch takes the written values: a wrong gradient without a word."""

    def f(x):
        y = x.exp()
        z = y * 1
        y.mul_(2)
        return (z + y).sin()

    x = leaf(0.3)
    with raises(RuntimeError, "has been modified by an inplace operation", "a recomputed tensor"):
        checkpoint(f, x, use_reentrant=False).sum().backward()


def test_A_160_the_variant_must_be_named():
    x = leaf(0.3)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        out = checkpoint(torch.exp, x)
    assert type(out.grad_fn).__name__ == "CheckpointFunctionBackward"
    with raises(ValueError, "Unexpected keyword arguments: k"):
        checkpoint(torch.exp, x, use_reentrant=True, k=1)
    with raises(ValueError, "Passing `context_fn` or `debug` is only supported when use_reentrant"):
        checkpoint(torch.exp, x, use_reentrant=True, debug=True)
    with raises(ValueError, "debug=True is incompatible with non-default context_fn"):
        checkpoint(torch.exp, x, use_reentrant=False, debug=True, context_fn=lambda: None)


def test_A_160_contexts():
    seen = []

    @contextlib.contextmanager
    def noted(name):
        seen.append(name)
        yield

    def f(x):
        seen.append("f")
        return x.exp()

    x = leaf(0.3)
    contexts = lambda: (noted("first"), noted("second"))
    checkpoint(f, x, use_reentrant=False, context_fn=contexts).backward()
    assert seen == ["first", "f", "second", "f"]

    def fails(x):
        raise ValueError("boom")

    with raises(RuntimeError, "the forward context provided by context_fn suppressed an exception"):
        checkpoint(
            fails, x, use_reentrant=False,
            context_fn=lambda: (contextlib.suppress(ValueError), noted("")),
        )  # fmt: skip


# ------------------------------------------------------------------- the older variant
def test_A_166_the_older_variant_has_limits():
    x = leaf(0.3)
    with raises(
        RuntimeError, "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad()"
    ):
        torch.autograd.grad(checkpoint(torch.exp, x, use_reentrant=True), x)
    with raises(RuntimeError, "is incompatible with .grad() or passing an `inputs` parameter"):
        checkpoint(torch.exp, x, use_reentrant=True).backward(inputs=[x])
    with pytest.warns(
        UserWarning, match="None of the inputs have requires_grad=True. Gradients will"
    ):
        assert not checkpoint(torch.exp, x.detach(), use_reentrant=True).requires_grad
    with raises(RuntimeError, "none of output has requires_grad=True, this checkpoint() is not"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).backward()


def test_A_166_several_outputs_and_other_arguments():
    x = leaf(0.3, 0.7)
    a, n, b = checkpoint(lambda k, x: (x * k, k, x.exp()), 3.0, x, use_reentrant=True)
    assert n == 3.0
    (a + b).sum().backward()
    assert x.grad.tolist() == pytest.approx((3 + x.exp()).tolist())


def test_A_166_helpers():
    x = leaf(1.0, 2.0)
    detached, k = C.detach_variable((x * 2, 3))
    assert (detached.is_leaf, detached.requires_grad, k) == (True, True, 3)
    assert C.detach_variable((x.detach(),))[0].requires_grad is False
    with raises(
        RuntimeError, "Only tuple of tensors is supported. Got Unsupported input type: list"
    ):
        C.detach_variable([x])
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        C.check_backward_validity([x.detach(), 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        C.check_backward_validity([x.detach(), x])
    assert C.get_device_states(x, [x]) == ([], [])
    assert C.set_device_states([], []) is None
    assert C.DefaultDeviceType.get_device_type() == "cpu"
    C.DefaultDeviceType.set_device_type("cuda")
    assert C.DefaultDeviceType.get_device_type() == "cuda"
    C.DefaultDeviceType.set_device_type("cpu")
    first, second = C.noop_context_fn()
    with first, second:
        pass
    assert issubclass(C.CheckpointError, RuntimeError)
