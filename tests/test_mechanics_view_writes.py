"""In-place writes through views of every view op: first and second derivatives against differences.

Of a view, of a view of a view, of the base while a view is looked at; and what is refused.
"""

from __future__ import annotations

import pytest
from against import raises, torch

ONE = {  # of a (2, 3) tensor: a view that may be written
    "view": lambda x: x.view(6),
    "view_as": lambda x: x.view_as(torch.ones(3, 2)),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape_as": lambda x: x.reshape_as(torch.ones(6)),
    "flatten": lambda x: x.flatten(),
    "ravel": lambda x: x.ravel(),
    "unflatten": lambda x: x.unflatten(1, (3, 1)),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "H": lambda x: x.H,
    "adjoint": lambda x: x.adjoint(),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "movedim": lambda x: x.movedim(0, 1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze of a dim": lambda x: x[:1].squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 1),
    "x[0]": lambda x: x[0],
    "x[:, 1:]": lambda x: x[:, 1:],
    "x[..., ::2]": lambda x: x[..., ::2],
    "x[None]": lambda x: x[None],
    "x[1, 2]": lambda x: x[1, 2],
    "diagonal": lambda x: x.diagonal(),
    "diagonal above": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (3, 1), 1),
    "real of complex": lambda x: torch.view_as_complex(x.view(3, 2)).real,
    "imag of complex": lambda x: torch.view_as_complex(x.view(3, 2)).imag,
    "complex": lambda x: torch.view_as_complex(x.view(3, 2)),
    "pairs of complex": lambda x: torch.view_as_real(torch.view_as_complex(x.view(3, 2))),
}
MANY = {
    "chunk": lambda x: x.chunk(3, 1),
    "split": lambda x: x.split(1),
    "split of sizes": lambda x: x.split([1, 2], 1),
    "unbind": lambda x: x.unbind(),
    "iteration": lambda x: tuple(x),
}
SLICES = {  # several calls, of which each makes one view
    "tensor_split": lambda x: x.tensor_split(2, 1),
    "hsplit": lambda x: x.hsplit(3),
    "vsplit": lambda x: x.vsplit(2),
}
OVERLAPPING = {
    "expand": lambda x: x.unsqueeze(0).expand(4, 2, 3),
    "broadcast_to": lambda x: x.broadcast_to(4, 2, 3),
}


def point():
    return torch.tensor(
        [[0.3, -0.7, 1.1], [0.5, 0.9, -0.2]], dtype=torch.float64, requires_grad=True
    )


def real(t):
    return torch.view_as_real(t) if t.is_complex() else t


WRITES = {
    "mul_": lambda v: v.mul_(3),
    "sin_": lambda v: v.sin_(),
    "+=": lambda v: v.__iadd__(v.detach() * 0 + 2),
    "fill_": lambda v: v.fill_(0.5),
    "copy_": lambda v: v.copy_(torch.full_like(v.detach(), 0.4)),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("write", WRITES)
def test_M_11_writes_through_a_view(name, write):
    def f(x):
        base = x * 1.5
        view = ONE[name](base)
        WRITES[write](view)
        return base.sin(), real(view).exp()

    assert torch.autograd.gradcheck(f, (point(),))


@pytest.mark.parametrize("name", ONE)
def test_M_11_second_derivatives_of_writes_through_a_view(name):
    def f(x):
        base = x * 1.5
        view = ONE[name](base)
        view.mul_(view.detach() * 0 + 3).sin_()
        return (base * base).sum() + real(view).exp().sum()

    assert torch.autograd.gradgradcheck(f, (point(),))


@pytest.mark.parametrize("name", ONE)
def test_M_11_writes_of_recorded_values_through_a_view(name):
    def f(x):
        base = torch.zeros(2, 3, dtype=torch.float64)
        view = ONE[name](base)
        view.add_(x.sum().sin())
        view.mul_(x[0, 0])
        return base

    assert torch.autograd.gradcheck(f, (point(),))


@pytest.mark.parametrize("name", ONE)
def test_M_12_writes_to_the_base_are_seen_by_a_view(name):
    def f(x):
        base = x * 1.5
        view = ONE[name](base)
        base.mul_(2)
        base[0, 1] = 0.25
        return real(view).sin(), base

    assert torch.autograd.gradcheck(f, (point(),))


@pytest.mark.parametrize("name", ONE)
def test_M_11_a_view_of_a_view_and_another_one(name):
    def f(x):
        base = x * 1.5
        other = base[1:]
        inner = ONE[name](base.view(2, 3))
        inner.mul_(2)
        other.sin_()
        return real(inner).exp(), other, base

    assert torch.autograd.gradcheck(f, (point(),))


@pytest.mark.parametrize("name", MANY)
def test_M_14_views_of_several_outputs(name):
    x = point()
    base = x * 1.5
    view = MANY[name](base)[0]
    with raises(RuntimeError, "Output 0 of", "is a view and is being modified inplace."):
        view.mul_(2)
    with torch.no_grad():
        view.mul_(2)
    assert base._version == 1
    base = x * 1.5
    views = MANY[name](base)
    base.mul_(3)  # the base may be written, but then the views may not be used
    with raises(
        RuntimeError, "is a view and its base or another view of its base has been modified"
    ):
        torch.autograd.grad(views[0].sum(), x)
    with raises(
        RuntimeError, "is a view and its base or another view of its base has been modified"
    ):
        views[0].sum().backward()
    assert torch.autograd.gradcheck(lambda x: [v.sin() for v in MANY[name](x * 1)], (x,))


@pytest.mark.parametrize("name", SLICES)
def test_M_14_views_of_several_calls(name):
    def f(x):
        base = x * 1.5
        first, *rest = SLICES[name](base)
        first.mul_(3)
        rest[0].sin_()
        return base, first.exp()

    assert torch.autograd.gradcheck(f, (point(),))


@pytest.mark.parametrize("name", OVERLAPPING)
def test_M_08_views_that_overlap_themselves(name):
    base = point() * 1.5
    with raises(RuntimeError, "more than one element of the written-to tensor refers to a single"):
        OVERLAPPING[name](base).mul_(2)
    assert base._version == 0


@pytest.mark.parametrize("name", [*ONE, *MANY])
def test_M_17_views_do_not_detach_in_place(name):
    base = point() * 1.5
    view = ONE[name](base) if name in ONE else MANY[name](base)[0]
    with raises(RuntimeError, "Can't detach views in-place. Use detach() instead."):
        view.detach_()
    assert view.requires_grad


def test_M_17_detach_of_the_base():
    x = point()
    base = x * 1.5
    view = base[0]
    assert base.detach_() is base
    assert (base.requires_grad, base.is_leaf) == (False, True)
    base.mul_(2)
    assert torch.equal(view, base[0])
    y = (x * 2).detach_().requires_grad_()
    (y * y).sum().backward()
    assert (x.grad, torch.equal(y.grad, 2 * y)) == (None, True)
