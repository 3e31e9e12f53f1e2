"""Hooks on what is saved for backward, and what is built on them: rule M-63, rows A-019 and A-051 to A-055."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from against import leaf, raises, torch

graph = torch.autograd.graph
hooks = graph.saved_tensors_hooks


def same(t):
    return t


def as_list(t):
    return t.detach().tolist()


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        out = x**3 * y
        ctx.save_for_backward(x, y, out)
        ctx.few = 7
        return out

    @staticmethod
    def backward(ctx, g):
        x, _, out = ctx.saved_tensors
        return 3 * g * out / x, g * x**3


def many(x):
    """A value that depends on x through rules of every kind."""
    square = x.reshape(2, 2)
    a = (square @ square.T).softmax(0) + torch.cat([square.exp(), square.sin()]).sum()
    b = torch.addcmul(square, square.tanh(), square[0], value=2).sqrt() * 3
    c = torch.where(square > 0.5, square, square**2).sort()[0].cumprod(0) / square
    d = torch.nn.functional.layer_norm(square, (2,), square[0], square[1])
    e = Cube.apply(x, x.sigmoid()).split(2)[1].max() + square.max(0)[0].std() + square.prod()
    return (a + b + c + d).sum() + e


# ----------------------------------------------------------------- packing
def test_what_is_packed_and_in_which_order():
    def packed(f):
        seen = []
        with hooks(lambda t: seen.append(tuple(t.shape)) or t, same):
            f()
        return seen

    a, b, c = leaf(3, 1), leaf(1, 4), leaf(3, 4)
    m, n = leaf(2, 3), leaf(3, 4)
    assert packed(lambda: a * b) == [(1, 4), (3, 1)]
    assert packed(lambda: a * b.detach()) == [(1, 4)]
    assert packed(lambda: a**b) == [(1, 4), (3, 1), (3, 4)]
    assert packed(lambda: torch.atan2(a, b)) == [(1, 4), (3, 1)]
    assert packed(lambda: torch.addcmul(c, a, b)) == [(3, 1), (1, 4)]
    assert packed(lambda: m @ n) == [(3, 4), (2, 3)]
    assert packed(lambda: a.exp().sin()) == [(3, 1), (3, 1)]
    assert packed(lambda: a * 2 + 1) == []
    assert packed(lambda: a.sum()) == []


def test_the_tensors_themselves_are_packed():
    seen = []
    x = leaf(2)
    y = x * 1
    with hooks(lambda t: seen.append(t) or 0, same):
        z = y * y
        e = x.exp()
    assert seen[0] is y
    assert seen[1] is y
    assert seen[2] is e
    del z


def test_hooks_run_without_recording_and_unpacking_follows_backward():
    log = []

    def note(name):
        return lambda t: log.append((name, torch.is_grad_enabled())) or t

    x = leaf(2)
    with hooks(note("pack"), note("unpack")):
        y = x.exp().sum()
    torch.autograd.grad(y, x, create_graph=True)
    torch.autograd.grad(y, x)
    assert log == [("pack", False), ("unpack", True), ("unpack", False)]


def test_numbers_are_not_packed():
    seen = []
    x = leaf(2)
    with hooks(lambda t: seen.append(t) or t, same):
        y = x * 2
        z = 3 / x
    assert len(seen) == 1
    (y + z).sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0]


def test_a_pack_hook_that_raises_leaves_nothing_behind():
    def pack(t):
        raise KeyError("full")

    x = leaf(3)
    y = x * 1
    with raises(KeyError, "full"), hooks(pack, same):
        y.mul_(y)
    assert y.tolist() == [1.0, 1.0, 1.0]
    assert y._version == 0
    (y * y).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_an_unpack_hook_that_raises_leaves_the_graph_usable():
    failing = [True]

    def unpack(t):
        if failing:
            failing.clear()
            raise KeyError("gone")
        return t

    x = leaf(3)
    with hooks(same, unpack):
        y = (x * x).sum()
    with raises(KeyError, "gone"):
        y.backward(retain_graph=True)
    assert x.grad is None
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("unpacked", [None, 3, [1.0]])
def test_what_an_unpack_hook_must_return(unpacked):
    x = leaf(3)
    with hooks(same, lambda t: unpacked):
        y = x.exp().sum()
    kind = type(unpacked).__name__
    with raises(TypeError, "unpack_hook expected to be a Tensor but got result of type", kind):
        y.backward()


@pytest.mark.parametrize("make", [lambda x: x * 1 * x, lambda x: x.exp()], ids=["mul", "exp"])
def test_a_pack_hook_must_not_write(make):
    x = leaf(3)
    with (
        raises(RuntimeError, "A saved tensor pack hook is modifying its input in place."),
        hooks(lambda t: t.detach().add_(1), same),
    ):
        make(x)


def test_hooks_must_be_callable():
    with pytest.raises(TypeError), hooks(3, 4):
        pass
    assert leaf(1).exp().grad_fn is not None


def test_later_writes_are_the_business_of_the_hooks():
    x = leaf(3)
    y = x * 1
    with hooks(same, same):
        z = (y * y).sum()
    with torch.no_grad():
        y.mul_(5)
    z.backward()
    assert x.grad.tolist() == [10.0, 10.0, 10.0]


# ----------------------------------------------------------------- gradients
def pack_values(t):
    return t.dtype, t.shape, as_list(t)


def unpack_values(packed):
    dtype, shape, values = packed
    return torch.tensor(values, dtype=dtype).reshape(shape)


def test_gradients_are_those_without_hooks():
    x = doubles(0.3, 0.8, 0.4, 0.7)
    expected = torch.autograd.grad(many(x), x)
    with hooks(pack_values, unpack_values):
        y = many(x)
    torch.testing.assert_close(torch.autograd.grad(y, x, retain_graph=True), expected)
    y.backward()
    torch.testing.assert_close(x.grad, expected[0])


@pytest.mark.parametrize("inside", [True, False])
def test_second_derivatives_under_hooks(inside):
    x = doubles(0.3, 0.8, 0.4, 0.7)

    def second(y):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        return torch.autograd.grad((g * g).sum(), x)[0]

    expected = second(many(x))
    with hooks(pack_values, unpack_values):
        y = many(x)
        if inside:
            found = second(y)
    if not inside:
        found = second(y)
    torch.testing.assert_close(found, expected)


def test_derivatives_by_a_saved_result():
    x = doubles(0.3, 0.8)
    with hooks(pack_values, unpack_values):
        y = x.exp()
        z = (y * y).sum()
    (g,) = torch.autograd.grad(z, x, create_graph=True)  # 2 y y, where one y comes from exp
    (by_y,) = torch.autograd.grad(g.sum(), y, retain_graph=True)
    torch.testing.assert_close(by_y, (4 * y).detach())
    (by_x,) = torch.autograd.grad(g.sum(), x)
    torch.testing.assert_close(by_x, (4 * y * y).detach())


def test_what_hooks_change_is_what_backward_sees():
    x = leaf(3)
    with hooks(same, lambda t: t * 10):
        y = (x * 2).exp().sum() + (x * x).sum()
    y.backward()
    wanted = 20 * torch.ones(3).mul(2).exp() + 20
    torch.testing.assert_close(x.grad, wanted)


def test_saved_attributes_are_unpacked():
    x, y = leaf(3), leaf(3)
    log = []
    with hooks(lambda t: t, lambda t: log.append(t) or t):
        z = x * y
        e = z.exp()
    assert torch.equal(z.grad_fn._saved_other, y)
    assert len(log) == 1
    result = e.grad_fn._saved_result
    assert torch.equal(result, e)
    assert result.grad_fn is e.grad_fn
    assert e.grad_fn.name() == "ExpBackward0"
    assert repr(e.grad_fn).startswith("<ExpBackward0 object at")


def test_a_spent_graph():
    x = leaf(3)
    with hooks(same, same):
        y = (x * x).sum()
    y.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        y.backward()
    z = (x * x).sum()
    node = z.grad_fn.next_functions[0][0]
    z.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        node._saved_self


def test_in_place_calls():
    x = doubles(0.3, 0.8)

    def program():
        y = x * 2
        y.sin_()
        y[0].mul_(y[1].detach().clone())
        y.tanh_()
        return y.sum()

    expected = torch.autograd.grad(program(), x)
    with hooks(pack_values, unpack_values):
        found = torch.autograd.grad(program(), x)
    torch.testing.assert_close(found, expected)


def test_values_are_released_when_backward_has_run():
    class Box:
        def __init__(self, t):
            self.t = t.detach()

    boxes = []

    def pack(t):
        box = Box(t)
        boxes.append(weakref.ref(box))
        return box

    x = leaf(3)
    with hooks(pack, lambda box: box.t):
        y = (x * x).exp().sum()
    assert all(b() is not None for b in boxes)
    y.backward()
    assert [b() for b in boxes] == [None, None, None]


# ----------------------------------------------------------------- custom functions
def test_custom_functions():
    packed = []
    x, y = doubles(2.0), doubles(3.0)
    with hooks(lambda t: packed.append(as_list(t)) or pack_values(t), unpack_values):
        z = Cube.apply(x, y)
    assert packed == [[2.0], [3.0], [24.0]]
    gx, gy = torch.autograd.grad(z, (x, y), create_graph=True)
    assert (gx.item(), gy.item()) == (36.0, 8.0)
    assert torch.autograd.grad(gx, (x, y))[0].item() == 36.0  # 3 out / x, where out is x**3 y


# ----------------------------------------------------------------- nesting, threads, memory
def test_nested_pairs_and_what_follows_them():
    calls = []

    def pair(name):
        return hooks(lambda t: calls.append(name) or t, same)

    x = leaf(1)
    outer = pair("outer")
    with outer:
        with pair("inner"):
            x.exp()
        x.exp()
        with outer:
            x.exp()
        x.exp()
    x.exp()
    assert calls == ["inner", "outer", "outer", "outer"]


def test_an_exception_ends_the_block():
    calls = []
    x = leaf(1)
    with raises(ValueError, "stop"), hooks(lambda t: calls.append(1) or t, same):
        raise ValueError("stop")
    x.exp()
    assert calls == []


def test_pairs_belong_to_a_thread():
    calls, x = [], leaf(3)

    def work(k):
        with hooks(lambda t: calls.append(k) or t.tolist(), torch.tensor):
            entered.wait()
            y = (x.detach().requires_grad_() * 2).exp()
            entered.wait()
        y.sum().backward()

    entered = threading.Barrier(3)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    entered.wait()
    x.exp()
    entered.wait()
    for t in threads:
        t.join()
    assert sorted(calls) == [0, 1]


def test_one_graph_run_by_several_threads():
    x = doubles(0.3, 0.8, 0.4, 0.7)
    expected = torch.autograd.grad(many(x), x)
    with hooks(pack_values, unpack_values):
        y = many(x)
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(torch.autograd.grad(y, x, retain_graph=True)[0])
        )
        for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4
    for g in found:
        torch.testing.assert_close(g, expected[0])


@pytest.mark.wengert_only
@pytest.mark.parametrize("name", ["same", "values", "save_on_cpu", "allow_mutation"])
def test_no_cycles(name):
    block = {
        "same": lambda: hooks(same, same),
        "values": lambda: hooks(pack_values, unpack_values),
        "save_on_cpu": graph.save_on_cpu,
        "allow_mutation": graph.allow_mutation_on_saved_tensors,
    }[name]
    x = doubles(0.3, 0.8, 0.4, 0.7)
    gc.collect()
    gc.disable()
    try:
        with block():
            y = many(x)
            alive = weakref.ref(y)
            del y
            assert alive() is None
            y = many(x)
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            alive = weakref.ref(y), weakref.ref(g), weakref.ref(y.grad_fn)
            del y, g
            assert [r() for r in alive] == [None, None, None]
    finally:
        gc.enable()


# ----------------------------------------------------------------- save_on_cpu, disable
def test_save_on_cpu():
    x = doubles(0.3, 0.8, 0.4, 0.7)
    expected = torch.autograd.grad(many(x), x)
    with graph.save_on_cpu():
        y = many(x)
    torch.testing.assert_close(torch.autograd.grad(y, x), expected)


def test_disabled_hooks():
    x = leaf(2)
    with graph.disable_saved_tensors_hooks("not here"):
        with raises(RuntimeError, "not here"), hooks(same, same):
            pass
        with (
            raises(RuntimeError, "nor here"),
            graph.disable_saved_tensors_hooks("nor here"),
            hooks(same, same),
        ):
            pass
        with raises(RuntimeError, "not here"), graph.save_on_cpu():
            pass
        x.exp()
    with (
        hooks(same, same),
        raises(RuntimeError, "not now"),
        graph.disable_saved_tensors_hooks("not now"),
    ):
        pass
    with hooks(same, same):
        x.exp()


# ----------------------------------------------------------------- one saved tensor
def test_hooks_of_one_saved_tensor():
    x = doubles(2.0, 3.0)
    y = x * x
    saved = y.grad_fn._raw_saved_self
    assert isinstance(saved, torch.autograd.SavedTensor)
    log = []
    saved.register_hooks(
        lambda t: log.append(("pack", t.requires_grad)) or as_list(t),
        lambda p: log.append("unpack") or torch.tensor(p, dtype=torch.float64) * 2,
    )
    with raises(RuntimeError, "Calling register_hooks on a saved tensor whose hooks have already"):
        saved.register_hooks(same, same)
    y.sum().backward()
    assert log == [("pack", False), "unpack"]
    assert x.grad.tolist() == [6.0, 9.0]
    with raises(RuntimeError, "Calling register_hooks on a saved tensor after it has been freed"):
        saved.register_hooks(same, same)


def test_hooks_of_a_saved_result():
    x = doubles(2.0)
    y = x.exp()
    y.grad_fn._raw_saved_result.register_hooks(pack_values, unpack_values)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    torch.testing.assert_close(h, y.detach())


def test_hooks_of_one_saved_tensor_must_keep_the_rules():
    x = doubles(2.0)
    saved = (x * x).grad_fn._raw_saved_self
    with raises(RuntimeError, "A saved tensor pack hook is modifying its input in place."):
        saved.register_hooks(lambda t: t.add_(1), same)
    saved = (x * x).grad_fn._raw_saved_self
    with pytest.raises(TypeError):
        saved.register_hooks(3, same)
    with hooks(same, same):
        y = x * x
    with raises(RuntimeError, "whose hooks have already been set"):
        y.grad_fn._raw_saved_self.register_hooks(same, same)
    with pytest.raises(AttributeError):
        y.grad_fn._raw_saved_nonsense


# ----------------------------------------------------------------- writes to what is saved
def optimise(t):
    t.grad = torch.ones_like(t)
    torch.optim.SGD([t], lr=1.0).step()


WRITES = {
    "mul_": lambda t: t.mul_(3),
    "setitem": lambda t: t.__setitem__(0, 7.0),
    "view": lambda t: t[1:].zero_(),
    "alias": lambda t: t.detach().fill_(9),
    "data": lambda t: t.data.zero_(),
    "copy_": lambda t: t.copy_(torch.zeros(4, dtype=t.dtype)),
    "random": lambda t: t.uniform_(),
    "out": lambda t: torch.add(t.detach(), 1, out=t.detach()),
    "index_fill_": lambda t: t.index_fill_(0, torch.tensor([0]), 5.0),
    "optimiser": optimise,
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.wengert_only] if n == "view" else []) for n in WRITES],
)
def test_saved_values_survive_writes(name):
    x = doubles(0.3, 0.8, 0.4, 0.7)
    y = many(x)
    expected = torch.autograd.grad(y, x)
    with graph.allow_mutation_on_saved_tensors():
        y = many(x)
        with torch.no_grad():
            WRITES[name](x)
        found = torch.autograd.grad(y, x)
    torch.testing.assert_close(found, expected)


def test_saved_values_survive_recorded_writes():
    x = doubles(0.3, 0.8)
    with graph.allow_mutation_on_saved_tensors():
        y = x.exp()
        z = (y * y).sum()  # exp(2x)
        y.mul_(2).sin_()
        (g,) = torch.autograd.grad(z + y.sum(), x)
    e = x.detach().exp()
    torch.testing.assert_close(g, 2 * e * e + 2 * e * (2 * e).cos())


def test_saved_gradients_survive_accumulation():
    x = doubles(0.3, 0.8)
    with graph.allow_mutation_on_saved_tensors():
        (x * x).sum().backward()
        w = doubles(1.0, 1.0)
        y = (w * x.grad).sum()
        (x * x).sum().backward()
        y.backward()
    torch.testing.assert_close(w.grad, 2 * x.detach())


def test_values_are_copied_only_when_written():
    x = doubles(0.3, 0.8)
    with graph.allow_mutation_on_saved_tensors():
        y = x * 1
        z = y * y
        assert z.grad_fn._saved_self.data_ptr() == y.data_ptr()
        with torch.no_grad():
            y.zero_()
        assert z.grad_fn._saved_self.data_ptr() != y.data_ptr()
        assert z.grad_fn._saved_self.tolist() == [0.3, 0.8]


def test_backward_after_the_block():
    x = leaf(3)
    with graph.allow_mutation_on_saved_tensors():
        y = (x * x).sum()
    with raises(AssertionError, "Trying to backward outside of the 'allow_mutation_on_saved"):
        y.backward()
    with (
        raises(AssertionError, "Trying to backward outside of the 'allow_mutation_on_saved"),
        graph.allow_mutation_on_saved_tensors(),
    ):
        y.backward()


def test_blocks_that_allow_writes_do_not_nest():
    with (
        graph.allow_mutation_on_saved_tensors(),
        raises(RuntimeError, "allow_mutation_on_saved_tensors contexts cannot be nested"),
        graph.allow_mutation_on_saved_tensors(),
    ):
        pass
    x = leaf(2)
    y = x.exp()
    with torch.no_grad():
        y.zero_()
    with raises(RuntimeError, "modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.wengert_only
def test_a_block_that_was_not_entered_leaves_the_other_alone():
    x = leaf(2)
    with graph.allow_mutation_on_saved_tensors():
        with pytest.raises(RuntimeError), graph.allow_mutation_on_saved_tensors():
            pass
        y = x.exp()
        with torch.no_grad():
            y.zero_()
        y.sum().backward()
    assert x.grad.tolist() == leaf(2).exp().tolist()


# ----------------------------------------------------------------- hooks on several tensors
def test_hooks_on_several_tensors_of_the_middle_of_a_graph():
    x = leaf(1)
    a, b = x * 2, x * 3
    c = a * b
    log = []
    handle = graph.register_multi_grad_hook(
        (a, x, b), lambda gs: log.append([as_list(g) for g in gs])
    )
    x.register_hook(lambda g: log.append("x"))
    (c + 1).backward(retain_graph=True)
    assert log == [[[3.0], [12.0], [2.0]], "x"]
    handle.remove()
    (c + 1).backward()
    assert log[2:] == ["x"]


def test_an_exception_in_a_hook_on_several_tensors():
    x, y = leaf(1), leaf(1)
    calls = []

    def hook(grads):
        calls.append(len(grads))
        raise ValueError("once more")

    graph.register_multi_grad_hook((x, y), hook)
    for _ in range(2):
        with raises(ValueError, "once more"):
            (x * y).backward()
    assert calls == [2, 2]


def test_modes_of_hooks_on_several_tensors():
    with raises(ValueError, "Expects mode to be one of ('all', 'any') but got some"):
        graph.register_multi_grad_hook((leaf(1),), print, mode="some")
    x, constant = leaf(1), torch.ones(1)
    with pytest.raises((RuntimeError, AssertionError)):
        graph.register_multi_grad_hook((x, constant), print)
    calls = []
    with graph.register_multi_grad_hook((constant, x), calls.append, mode="any"):
        (x * 2 * constant).backward()
    (x * 2).backward()
    assert [as_list(c) for c in calls] == [[2.0]]


@pytest.mark.wengert_only
def test_hooks_on_several_tensors_and_the_inputs_of_grad():
    x, y, z = leaf(1), leaf(1), leaf(1)
    calls = []
    graph.register_multi_grad_hook(
        (x, y, z), lambda gs: calls.append([g if g is None else g.item() for g in gs])
    )
    out = (2 * x + 3 * y + 4 * z).sum()
    torch.autograd.grad(out, [x], retain_graph=True)
    torch.autograd.grad(out, [x, z], retain_graph=True)
    out.backward()
    assert calls == [[2.0, None, None], [2.0, None, 4.0], [2.0, 3.0, 4.0]]


@pytest.mark.wengert_only
def test_hooks_on_several_tensors_one_of_which_is_the_root():
    x = leaf(1)
    y = x * 2
    calls = []
    graph.register_multi_grad_hook((x, y), lambda gs: calls.append([g.item() for g in gs]))
    y.backward()
    assert calls == [[2.0, 1.0]]


def test_runs_inside_hooks_are_counted_by_themselves():
    x, y, inner = leaf(1), leaf(1), leaf(1)
    calls = []
    graph.register_multi_grad_hook((x, y), lambda gs: calls.append("outer"))
    graph.register_multi_grad_hook((inner,), lambda gs: calls.append("inner"))
    y.register_hook(lambda g: run_again())

    def run_again():
        with torch.enable_grad():
            (inner * 2).backward()

    (x * 2 + y).backward()
    assert sorted(calls) == ["inner", "outer"]
    assert inner.grad.tolist() == [2.0]
