"""Views, and in-place calls through them: rules M-10 to M-17 of the contract."""

from __future__ import annotations

import pytest
from against import chain, leaf, raises, torch

VIEWS = {
    "view": lambda x: x.view(6),
    "view_as": lambda x: x.view_as(torch.ones(3, 2)),
    "reshape": lambda x: x.reshape(3, 2),
    "flatten": lambda x: x.flatten(),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "movedim": lambda x: x.movedim(0, 1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:1].squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "expand": lambda x: x.unsqueeze(0).expand(4, 2, 3),
    "expand_as": lambda x: x.expand_as(torch.ones(4, 2, 3)),
    "broadcast_to": lambda x: x.broadcast_to(4, 2, 3),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 1),
    "x[0]": lambda x: x[0],
    "x[-1]": lambda x: x[-1],
    "x[:, 1:]": lambda x: x[:, 1:],
    "x[..., ::2]": lambda x: x[..., ::2],
    "x[None]": lambda x: x[None],
    "x[...]": lambda x: x[...],
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(1, 2, 1),
    "chunk": lambda x: x.chunk(2)[0],
    "split": lambda x: x.split(1)[1],
    "unbind": lambda x: x.unbind()[0],
    "unflatten": lambda x: x.unflatten(1, (3, 1)),
}

COPIES = {
    "x[list]": lambda x: x[[0, 1]],
    "x[tensor]": lambda x: x[torch.tensor([0])],
    "x[mask]": lambda x: x[x > 1],
    "index_select": lambda x: x.index_select(0, torch.tensor([0])),
    "masked_select": lambda x: x.masked_select(x > 1),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1),
    "repeat": lambda x: x.repeat(2, 1),
    "tile": lambda x: x.tile(2, 1),
    "reshape of a transpose": lambda x: x.t().reshape(6),
    "clone": lambda x: x.clone(),
    "cat": lambda x: torch.cat([x]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_M_10_views(name):
    x = torch.arange(6.0).reshape(2, 3).clone()
    v = VIEWS[name](x)
    assert v._is_view()
    assert v._base is x
    x.fill_(7.0)
    assert torch.equal(v, torch.full_like(v, 7.0))


@pytest.mark.parametrize("name", COPIES)
def test_M_10_copies(name):
    x = torch.arange(6.0).reshape(2, 3).clone()
    c = COPIES[name](x)
    before = c.clone()
    x.fill_(7.0)
    assert torch.equal(c, before)
    assert c._base is not x


def test_M_10_calls_that_return_the_tensor_itself():
    x = torch.ones(2, 3)
    flat = torch.ones(3)
    assert x.contiguous() is x
    assert x.to(torch.float32) is x
    assert x.float() is x
    assert torch.atleast_1d(flat) is flat
    assert x.reshape(2, 3) is not x


def test_M_10_views_of_views_have_the_first_base():
    x = torch.ones(2, 3)
    assert x.view(6)[2:].view(2, 2)._base is x


def test_M_11_write_through_a_view_rebases_the_history():
    x = leaf(4)
    base = x * 1
    view = base[1:3]
    view.mul_(10)
    assert chain(base.grad_fn) == "CopySlices(MulBackward0)"
    assert type(view.grad_fn).__name__ != "SelectBackward0"
    (base * torch.arange(1.0, 5.0)).sum().backward()
    assert x.grad.tolist() == [1.0, 20.0, 30.0, 4.0]


def test_M_11_gradient_through_the_changed_view():
    x = leaf(4)
    base = x * 1
    view = base[1:3]
    view.mul_(10)
    view.sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 10.0, 0.0]


def test_M_11_other_views_see_the_write():
    x = leaf(2, 2)
    base = x * 1
    row, column = base[0], base[:, 0]
    row.mul_(3)
    assert column.tolist() == [3.0, 1.0]
    assert column.requires_grad
    (column * torch.tensor([1.0, 2.0])).sum().backward()
    assert x.grad.tolist() == [[3.0, 0.0], [2.0, 0.0]]


def test_M_11_chains_of_views():
    x = leaf(2, 3)
    base = x * 1
    base.view(6)[1:5].view(2, 2).t()[0].mul_(5)
    (base * torch.arange(6.0).view(2, 3)).sum().backward()
    assert x.grad.tolist() == [[0.0, 5.0, 2.0], [15.0, 4.0, 5.0]]


def test_M_11_several_writes():
    x = leaf(3)
    base = x * 1
    a, b = base[:2], base[1:]
    a.mul_(2)
    b.mul_(3)
    a.add_(1)
    assert base.tolist() == [3.0, 7.0, 3.0]
    base.sum().backward()
    assert x.grad.tolist() == [2.0, 6.0, 3.0]


def test_M_11_writes_of_recorded_values_through_views():
    x, v = leaf(4), leaf(2)
    base = x * 1
    base[1:3].copy_(v * 2)
    base[0].add_(v[0])
    base.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert v.grad.tolist() == [3.0, 2.0]


def test_M_11_nonlinear_writes_through_views():
    x = torch.tensor([0.5, 1.0, 2.0], requires_grad=True, dtype=torch.float64)

    def with_views(x):
        y = x * 1
        y[1:].pow_(2)
        y[:2].sin_()
        y[::2].pow_(3)
        return y.sum()

    def without(x):
        a, b, c = x[0], x[1] ** 2, x[2] ** 2
        return a.sin() ** 3 + b.sin() + c**3

    assert torch.allclose(
        torch.autograd.grad(with_views(x), x)[0], torch.autograd.grad(without(x), x)[0]
    )


def test_M_11_results_saved_by_a_view_are_protected():
    y = leaf(3) * 1
    y[1:].exp_()
    y[:1].mul_(2)
    with raises(RuntimeError, "has been modified by an inplace operation", "is at version 2"):
        y.sum().backward()


def test_M_11_second_derivative_through_a_write():
    x = torch.tensor([1.0, 2.0], requires_grad=True, dtype=torch.float64)
    y = x * x
    y[0].mul_(x[1])
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [4.0, 5.0]
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [6.0, 4.0]


def test_M_12_write_to_the_base_updates_views():
    x = leaf(3)
    base = x * 1
    view = base[:2]
    before = view.grad_fn
    base.mul_(4)
    assert view.tolist() == [4.0, 4.0]
    assert view.grad_fn is not before
    view.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 0.0]


@pytest.mark.parametrize(
    ("overlap", "weights"),
    [
        pytest.param(lambda t: t.expand(2, 3), [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]], id="expand"),
        pytest.param(lambda t: t.unfold(0, 2, 1), [[1.0, 2.0], [10.0, 20.0]], id="unfold"),
    ],
)
def test_M_12_views_that_overlap_themselves(overlap, weights):
    w = torch.tensor(weights)
    x, plain = leaf(3), leaf(3)
    base = x * 1
    view = overlap(base)
    base.mul_(4)
    (view * w).sum().backward()
    (overlap(plain * 4) * w).sum().backward()
    assert x.grad.tolist() == plain.grad.tolist()


def test_M_12_view_of_a_constant_follows_its_base():
    x = leaf(3)
    base = torch.zeros(3)
    view = base[1:]
    base.add_(x * 2)
    assert view.requires_grad
    (view * torch.tensor([1.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 10.0]


def test_M_13_write_into_a_view_of_a_constant():
    x = leaf(2)
    base = torch.zeros(4)
    view = base[1:3]
    view.copy_(x * 3)
    assert base.requires_grad
    assert not base.is_leaf
    assert type(base.grad_fn).__name__ == "CopySlices"
    assert view.requires_grad
    base.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(lambda t: t.chunk(2), id="chunk"),
        pytest.param(lambda t: t.split(2), id="split"),
        pytest.param(lambda t: t.unbind(), id="unbind"),
    ],
)
def test_M_14_views_of_several_outputs_do_not_change_in_place(parts):
    t = leaf(4) * 2
    first = parts(t)[0]
    with raises(RuntimeError, "is a view and is being modified inplace"):
        first.mul_(2)
    assert t.tolist() == [2.0, 2.0, 2.0, 2.0]


def test_M_14_without_history_they_may():
    t = torch.ones(4)
    t.chunk(2)[0].mul_(3)
    assert t.tolist() == [3.0, 3.0, 1.0, 1.0]


def test_M_15_views_made_without_recording():
    t = leaf(3) * 1
    with torch.no_grad():
        v = t[:2]
        v.mul_(2)
    assert t.tolist() == [2.0, 2.0, 1.0]
    with raises(RuntimeError, "A view was created in no_grad mode"):
        v.mul_(2)
    x = leaf(3)
    with torch.no_grad():
        w = x[:2]
    with raises(RuntimeError, "A view was created in no_grad mode"):
        w.mul_(2)


def test_M_16_a_view_may_become_a_leaf():
    base = torch.zeros(4)
    w = base[:2]
    w.requires_grad_()
    assert w.is_leaf
    assert w._is_view()
    assert not base.requires_grad
    base.add_(1)
    (w * 3).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


def test_M_17_detach_is_not_a_view():
    x = leaf(3)
    d = x.detach()
    assert not d._is_view()
    assert d._base is None
    assert d.data_ptr() == x.data_ptr()
    d.add_(1)
    assert x.tolist() == [2.0, 2.0, 2.0]
    assert x._version == d._version == 1


def test_M_17_a_view_cannot_detach_in_place():
    v = (leaf(3) * 2)[:2]
    with raises(RuntimeError, "Can't detach views in-place. Use detach() instead."):
        v.detach_()


def test_views_through_many_kinds_differentiate():
    x = torch.arange(1.0, 7.0, dtype=torch.float64).view(2, 3).requires_grad_()
    for name, view in VIEWS.items():
        y = view(x * 1)
        (g,) = torch.autograd.grad((y * y).sum(), x)
        times = torch.autograd.grad(view(x).sum(), x)[0]
        assert torch.equal(g, 2 * x.detach() * times), name


def test_a_view_whose_history_is_lost_is_not_passed_over_in_silence():
    """grad() with inputs= runs only what leads to them; such a view might have."""
    x = leaf(2, 2)
    a = x * 1
    first, _ = a.split(1)
    a.add_(1)
    with pytest.raises(RuntimeError, match="is a view and its base or another view of its base"):
        torch.autograd.grad(a.sin().sum() + first.sin().sum(), x)
