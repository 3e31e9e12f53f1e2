"""What once went wrong in the core, one named test for each."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import wengert as torch

f64 = torch.float64


def leaf(*values, dtype=f64):
    return torch.tensor(list(values), dtype=dtype, requires_grad=True)


def memory(t):
    return t.numpy(force=True).__array_interface__["data"][0]


# ------------------------------------------------------------------- memory of gradients
def test_gradients_with_a_graph_of_their_own_are_not_the_users_tensor_nor_each_other():
    a, b, given = leaf(1, 2), leaf(3, 4), torch.ones(2, dtype=f64)
    with pytest.warns(UserWarning, match="create_graph=True"):
        (a + b).backward(given, create_graph=True)
    assert len({memory(a.grad), memory(b.grad), memory(given)}) == 3


def test_accumulate_grad_called_by_hand_copies_what_it_is_given():
    a, given = leaf(1, 2), torch.ones(2, dtype=f64)
    (a * 1).grad_fn.next_functions[0][0](given)
    a.grad.mul_(5)
    assert given.tolist() == [1, 1]


def test_reference_counts_are_measured_not_assumed():
    from wengert.core import engine

    def alone():
        g = object()
        return sys.getrefcount(g)

    assert alone() == engine.ALONE


def test_a_preset_gradient_with_overlapping_memory_is_refused():
    a = leaf(1, 2)
    a.grad = torch.ones(1, dtype=f64).expand(2)
    with pytest.raises(RuntimeError, match="more than one element"):
        (a * a).sum().backward()


def test_accumulating_in_place_is_noticed_by_who_saved_the_gradient():
    a, w = leaf(1, 2), leaf(3, 4)
    a.sum().backward()
    y = (w * a.grad).sum()
    a.sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_a_gradient_with_history_is_added_to_in_place_without_create_graph():
    a = leaf(1, 2)
    with pytest.warns(UserWarning, match="create_graph=True"):
        (a**3).sum().backward(create_graph=True)
    g = a.grad
    (a**3).sum().backward()
    assert a.grad is g
    assert g.tolist() == [6, 24]


# ------------------------------------------------------------------- leaves
def test_a_leaf_switched_off_and_on_keeps_its_graphs_and_hooks():
    a, calls = leaf(1, 2), []
    a.register_hook(lambda g: calls.append(1))
    y = (a * a).sum()
    a.requires_grad_(False)
    a.requires_grad_(True)
    y.backward()
    assert a.grad.tolist() == [2, 4]
    del y
    a.requires_grad_(False).requires_grad_(True)
    (a * a).sum().backward()
    assert a.grad.tolist() == [4, 8]
    assert len(calls) == 2


# ------------------------------------------------------------------- partial graphs
def test_hooks_off_the_way_to_the_inputs_do_not_run():
    a, b, calls = leaf(1, 2), leaf(3, 4), []
    h = b * 2
    h.register_hook(lambda g: calls.append("h"))
    m = a * 3
    m.register_hook(lambda g: calls.append("m"))
    torch.autograd.grad((m * h).sum(), [a])
    assert calls == ["m"]


def test_prehooks_of_a_node_that_does_not_run_are_not_called():
    a, calls = leaf(1, 2), []
    m = a * 3
    m.grad_fn.register_prehook(lambda g: calls.append("m"))
    m.grad_fn.next_functions[0][0].register_prehook(lambda g: calls.append("a"))
    y = (m * m).sum()
    torch.autograd.grad(y, [m], retain_graph=True)
    assert calls == []
    torch.autograd.grad(y, [a], retain_graph=True)
    assert calls == ["m"]


def test_backward_to_a_nonleaf_accumulates_every_time():
    x = leaf(1, 2)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[y], retain_graph=True)
    z.backward(inputs=[y])
    assert y.retains_grad
    assert y.grad.tolist() == [8, 16]
    assert x.grad is None


# ------------------------------------------------------------------- dtypes and complex numbers
@pytest.mark.parametrize(
    ("dtype", "other"),
    [(torch.float32, torch.tensor([2, 3])), (torch.float16, torch.tensor(3.0)),
     (torch.float32, torch.tensor(2.0, dtype=f64)), (torch.float16, torch.tensor([2, 3]))],
)  # fmt: skip
@pytest.mark.parametrize("call", [torch.mul, torch.div, torch.pow, torch.atan2])
def test_constants_of_another_dtype_leave_the_dtype_of_cotangents_alone(dtype, other, call):
    x, seen = leaf(1, 2, dtype=dtype), []
    h = x * 1
    h.register_hook(lambda g: seen.append(g.dtype))
    y = call(h, other)
    assert y.dtype is dtype
    y.sum().backward()
    assert seen == [dtype]


def test_hooks_and_retained_gradients_of_complex_tensors_are_gradients_not_conjugates():
    z, seen = leaf(1 + 2j, 3 - 1j, dtype=torch.complex128), []
    z.register_hook(lambda g: seen.append(g.tolist()))
    w = z * (1 + 1j)
    w.retain_grad()
    w.register_hook(lambda g: seen.append(g.tolist()))
    w.grad_fn.register_hook(lambda i, o: seen.append((i[0].tolist(), o[0].tolist())))
    (w.abs() ** 2).sum().backward()
    at_w, at_z = pytest.approx([-2 + 6j, 8 + 4j]), pytest.approx([4 + 8j, 12 - 4j])
    assert seen[0] == at_w and w.grad.tolist() == at_w
    assert seen[1][0] == at_z and seen[1][1] == at_w
    assert seen[2] == at_z and z.grad.tolist() == at_z


def test_the_answer_of_a_hook_on_a_complex_tensor_is_a_gradient():
    z = leaf(1 + 2j, dtype=torch.complex128)
    w = z * 2
    w.register_hook(lambda g: g * 1j)
    (w.abs() ** 2).sum().backward()
    assert z.grad.tolist() == pytest.approx([1j * (8 + 16j)])


def test_calling_a_node_with_a_complex_gradient_gives_gradients():
    z = leaf(1 + 2j, dtype=torch.complex128)
    (g,) = (z * (2 + 1j)).grad_fn(torch.ones(1, dtype=torch.complex128))[:1]
    assert g.tolist() == [2 - 1j]


# ------------------------------------------------------------------- views and writes
def test_real_and_imaginary_views_of_a_written_complex_base():
    z = leaf(1 + 2j, 3 - 1j, dtype=torch.complex128)
    w = z * 1
    w.imag.mul_(3)
    w.real.mul_(2)
    (w.abs() ** 2).sum().backward()
    assert z.grad.tolist() == pytest.approx([8 + 36j, 24 - 18j])


def test_complex_views_of_a_written_real_base():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=f64, requires_grad=True)
    w = x * 1
    v = torch.view_as_complex(w)
    w.mul_(2)
    (v.abs() ** 2).sum().backward()
    assert np.allclose(x.grad.tolist(), [[8, 16], [24, 32]])
    x.grad = None
    w = x * 1
    torch.view_as_complex(w).mul_(2 + 1j)
    (w**2).sum().backward()
    assert np.allclose(x.grad.tolist(), [[10, 20], [30, 40]])


def test_real_views_that_overlap_pull_back_through_a_written_complex_base():
    z = leaf(1 + 2j, dtype=torch.complex128)
    w = z * 1
    v = torch.view_as_real(w).expand(3, 1, 2)
    w.mul_(2)
    (v * v).sum().backward()
    assert z.grad.tolist() == pytest.approx([24 + 48j])


def test_a_view_that_needs_the_memory_order_of_a_permuted_base():
    x = torch.arange(24.0, dtype=f64).reshape(2, 3, 4).requires_grad_()
    b = x.permute(2, 0, 1) * 2
    v = b.permute(1, 2, 0).view(-1)
    v[3:7].mul_(3)
    (b * b).sum().backward()
    factor = np.full(24, 8.0)
    factor[3:7] = 72
    assert np.allclose(x.grad.numpy().reshape(-1), factor * np.arange(24))


# ------------------------------------------------------------------- stale saves
def test_second_derivatives_notice_a_write_to_a_saved_result():
    x = leaf(0.1, 0.2)
    y = x.exp()
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with torch.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(g.sum(), x)


def test_writing_what_a_node_shows_as_its_saved_result_is_noticed():
    x = leaf(0.1, 0.2)
    y = x.exp()
    with torch.no_grad():
        y.grad_fn._saved_result.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("written", [0, 1])
def test_each_of_several_saved_results_is_guarded(written):
    a = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=f64, requires_grad=True)
    results = torch.linalg.qr(a)
    aliases = [r.detach() for r in results]
    aliases[written].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        results[1].sum().backward()


WRITES = {
    "itself": lambda y: y.add_(1),
    "view": lambda y: y[:1].add_(1),
    "alias": lambda y: y.detach().add_(1),
    "element": lambda y: y.__setitem__(0, y[0] + 1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    "call",
    [torch.div, torch.logaddexp, torch.logaddexp2, lambda x, w: (x + w).erfinv(),
     lambda x, w: (x + w).sinc(), lambda x, w: torch.nn.functional.layer_norm(x * w, (2,))],
    ids=["div", "logaddexp", "logaddexp2", "erfinv", "sinc", "layer_norm"],
)  # fmt: skip
def test_results_that_pytorch_does_not_save_may_be_written(call, write):
    x, w = leaf(0.1, 0.2), leaf(0.3, 0.5)
    expected = torch.autograd.grad(call(x, w)[:1].sum(), [x, w])
    y = call(x, w)
    write(y)
    got = torch.autograd.grad(y[:1].sum(), [x, w])
    for a, b in zip(got, expected, strict=True):
        assert np.allclose(a.tolist(), b.tolist())


def test_a_quotient_written_after_its_gradient_was_recorded():
    x, w = leaf(1, 2), leaf(3, 4)
    y = x / w
    (g,) = torch.autograd.grad(y.sum(), w, create_graph=True)
    with torch.no_grad():
        y.mul_(7)
    gx, gw = torch.autograd.grad(g.sum(), [x, w])
    assert np.allclose(gx.tolist(), [-1 / 9, -1 / 16])
    assert np.allclose(gw.tolist(), [2 / 27, 4 / 64])


# ------------------------------------------------------------------- threads
def test_two_threads_on_one_graph_agree_that_it_is_spent():
    """Whoever comes second gets the error of a spent graph, never a broken rule."""
    for _ in range(30):
        x = leaf(*range(1, 5))
        y = x
        for _ in range(60):
            y = (y * 1.01).sin()
        loss, errors = y.sum(), []
        barrier = threading.Barrier(2)

        def work(loss=loss, errors=errors, barrier=barrier):
            barrier.wait()
            try:
                loss.backward()
            except Exception as error:
                errors.append(error)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [threading.Thread(target=work) for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        finally:
            sys.setswitchinterval(interval)
        for error in errors:
            assert isinstance(error, RuntimeError)
            assert "second time" in str(error)


# ------------------------------------------------------------------- tensors without dims
def test_writes_and_views_without_dims():
    x = torch.tensor(0.7, dtype=f64, requires_grad=True)
    y = x * 1
    y.masked_fill_(y > 0.9, 0.2)
    assert torch.autograd.grad(y * y, x)[0].item() == pytest.approx(1.4)
    assert x.movedim(0, -1).item() == 0.7
    y.transpose_(0, -1)
    assert y._version == 2
