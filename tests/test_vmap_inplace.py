"""In-place calls under vmap, grad and jvp, also through views: against loops of the same program.

The programs write rows, columns, diagonals and elements, through views of views, and read views that
were made before the write; every nesting of the transforms has to see the same numbers.
"""

import random

import numpy as np
import pytest
from against import REAL
from against import torch as T

grad, jvp, vjp, vmap = T.func.grad, T.func.jvp, T.func.vjp, T.func.vmap
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop" if REAL else "error:There is a performance drop")
R = np.random.default_rng(5)


def real(*shape):
    return T.tensor(R.standard_normal(shape))


def agree(got, expected, what=""):
    assert got.shape == expected.shape, what
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=what)


# ------------------------------------------------------------------- programs
def _view_of_view(a, y):
    a[1:][:, :2].mul_(y[1:, 1:]).add_(1)


def _read_before(a, y):
    row = a[1]
    a.mul_(y)
    a += row.clone()  # the row as it is now
    return row


def _transposed(a, y):
    b = a.t()
    b[0].mul_(y[1])
    return b[2]


def _like(a, y):
    out = T.zeros_like(a)
    for k in range(3):
        out[k] = (a[: k + 1].clone() * y[k]).sum(0)
    return out


def _elements(a, y):
    a[0, 1] = y[2, 2]
    a[T.tensor([0, 2])] = y[:2] * a[1].clone()
    a[:, ::2] += y[:, :2]


def _masked(a, y):
    a.masked_fill_(T.tensor([[True, False, True]]), y[0, 1])
    a[T.tensor([True, False, True])] = 2.5


def _flat(a, y):
    a.view(-1)[1:5].mul_(y.reshape(-1)[:4])
    a.diagonal().add_(y.diagonal())


def _reshaped(a, y):
    b = a.t().reshape(3, 3)  # a view: its strides allow it
    b[0].mul_(y[1])
    a.reshape(1, 9)[0, 2:5].add_(y.reshape(-1)[:3])
    a.as_strided((2,), (4,), 1).mul_(3)
    a.unfold(0, 2, 1)[1].add_(y[:, :2])
    a.movedim(0, 1).diagonal()[1:].mul_(2)
    return a.t().reshape(-1).mul_(5)  # a copy


def _filled(a, y):
    a[0].fill_(y[1, 1])
    a[1].zero_()
    a[2].copy_(y[0])


def _self_reading(a, y):
    a.mul_(a.clone()).add_(a.clone() * y).sub_(a[0].clone())
    a[1] = a[0].clone() * a[2].clone()


def _gathered(a, y):
    a.scatter_add_(0, T.tensor([[0, 1, 1]]), y[:1])
    a.index_add_(1, T.tensor([2]), y[:, :1])
    a.index_copy_(0, T.tensor([1]), y[2:])
    a.clamp_(min=-0.5).cumsum_(0)


def _shapes(a, y):
    b = a.clone().unsqueeze_(0).transpose_(1, 2).squeeze_(0)
    b.mul_(y)
    return b


PROGRAMS = [
    _view_of_view, _read_before, _transposed, _like, _elements, _masked, _flat, _reshaped, _filled, _self_reading,
    _gathered, _shapes,
]  # fmt: skip


def scalar(program):
    """The program as a function of x and y with a scalar result that depends on all that was written."""

    def f(x, y, both=False):
        a = x * 1.0 + (0.0 * y if both else 0.0)
        more = program(a, y)
        total = (a * a.sin()).sum()
        return total if more is None else total + (more * more).sum() * 0.3

    return f


def random_program(seed):
    """A program of some of the lines above in another order, writing here and there."""
    r = random.Random(seed)
    steps = [(r.choice(PROGRAMS), r.random()) for _ in range(r.randint(2, 4))]

    def program(a, y):
        kept = [a[0]]
        for step, c in steps:
            more = step(a, y + c)
            if more is not None:
                kept.append(more * c)
            kept.append(a[1] * 0.5)
        total = kept[0] * 0
        for k in kept:
            total = total + k.reshape(-1)[:3]
        return total

    return program


CASES = {p.__name__.lstrip("_"): p for p in PROGRAMS} | {f"random {s}": random_program(s) for s in range(12)}


class Reference:
    """Values and derivatives of every example, by plain reverse mode."""

    def __init__(self, f, size=2):
        self.f, self.size = f, size
        self.x, self.y, self.v = real(size, 3, 3), real(size, 3, 3), real(size, 3, 3)
        each = [self._one(k) for k in range(size)]
        self.value, self.gx, self.gy, self.second = (T.stack(parts) for parts in zip(*each, strict=True))
        self.tangent = ((self.gx + self.gy) * self.v).sum((1, 2))

    def _one(self, k):
        x, y = self.x[k].clone().requires_grad_(), self.y[k].clone().requires_grad_()
        value = self.f(x, y)
        gx, gy = T.autograd.grad(value, (x, y), create_graph=True, allow_unused=True, materialize_grads=True)
        slope = (gx * self.v[k]).sum()
        second = T.autograd.grad(slope, x, allow_unused=True, materialize_grads=True)[0] if slope.requires_grad else T.zeros_like(x)
        return value.detach(), gx.detach(), gy.detach(), second.detach()


@pytest.mark.parametrize("name", CASES)
def test_programs(name):
    f = scalar(CASES[name])
    r = Reference(f)
    x, y, v = r.x, r.y, r.v
    agree(vmap(f)(x, y), r.value, "vmap")
    if name not in ("flat", "reshaped") and not name.startswith("random"):  # a view of other dims needs row order
        agree(vmap(f, (1, 2))(x.movedim(0, 1).contiguous(), y.movedim(0, 2).contiguous()), r.value, "other dims")
    gx, gy = vmap(grad(f, (0, 1)))(x, y)
    agree(gx, r.gx, "vmap of grad")
    agree(gy, r.gy, "vmap of grad, y")
    gx, gy = grad(lambda x, y: vmap(f)(x, y).sum(), (0, 1))(x, y)
    agree(gx, r.gx, "grad of vmap")
    agree(gy, r.gy, "grad of vmap, y")
    leaf = x.clone().requires_grad_()
    vmap(f)(leaf, y).sum().backward()
    agree(leaf.grad, r.gx, "backward")
    agree(vmap(grad(f), (0, None))(x, y[0])[0], r.gx[0], "y is not mapped")
    value, tangent = jvp(vmap(f), (x, y), (v, v))
    agree(value, r.value, "jvp of vmap")
    agree(tangent, r.tangent, "jvp of vmap")
    value, tangent = vmap(lambda x, y, v: jvp(f, (x, y), (v, v)))(x, y, v)
    agree(value, r.value, "vmap of jvp")
    agree(tangent, r.tangent, "vmap of jvp")
    value, pull = vjp(vmap(f), x, y)
    agree(pull(T.ones_like(value))[1], r.gy, "vjp of vmap")


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    f = scalar(CASES[name])
    r = Reference(f)
    x, y, v = r.x, r.y, r.v
    forward = lambda x, y, v: jvp(lambda x: grad(f)(x, y), (x,), (v,))[1]
    agree(vmap(forward)(x, y, v), r.second, "vmap of jvp of grad")
    agree(jvp(lambda x: vmap(grad(f))(x, y), (x,), (v,))[1], r.second, "jvp of vmap of grad")
    backward = lambda x, y, v: grad(lambda x: jvp(lambda x: f(x, y), (x,), (v,))[1])(x)
    agree(vmap(backward)(x, y, v), r.second, "vmap of grad of jvp")
    twice = lambda x, y, v: grad(lambda x: (grad(f)(x, y) * v).sum())(x)
    agree(vmap(twice)(x, y, v), r.second, "vmap of grad of grad")
    agree(grad(lambda x: (vmap(grad(f))(x, y) * v).sum())(x), r.second, "grad of vmap of grad")


@pytest.mark.parametrize("name", ["view_of_view", "read_before", "like", "elements", "gathered", "random 3"])
def test_maps_inside_maps(name):
    f = scalar(CASES[name])
    r = Reference(f)
    every = vmap(lambda x: vmap(lambda y: f(x, y, True))(r.y))(r.x)
    expected = T.stack([T.stack([f(x, y, True) for y in r.y]) for x in r.x])
    agree(every, expected)
    every = vmap(lambda x: vmap(lambda y: grad(f)(x, y, True))(r.y))(r.x)
    agree(T.stack([every[0, 0], every[1, 1]]), r.gx)


# ------------------------------------------------------------------- who may be written
X = T.arange(6.0).reshape(2, 3)

UNMAPPED = {
    "add_": lambda a: T.zeros(3).add_(a),
    "copy_": lambda a: T.zeros(3).copy_(a),
    "fill_": lambda a: T.zeros(3).fill_(a[0]),
    "element": lambda a: T.zeros(3).__setitem__(0, a[0]),
    "slice": lambda a: T.zeros(3).__setitem__(slice(1, None), a[:2]),
    "index tensor": lambda a: T.zeros(3).__setitem__(T.tensor([0]), a[:1]),
    "mapped index": lambda a: T.zeros(3).__setitem__(a[:1].long() % 3, 1.0),
    "one mapped index": lambda a: T.zeros(3).__setitem__(a[0].long() % 3, 1.0),
    "index_put_": lambda a: T.zeros(3).index_put_((T.tensor([1]),), a[:1]),
    "mapped index_put_": lambda a: T.zeros(3).index_put_((a[:1].long() % 3,), T.ones(1)),
    "scatter_add_": lambda a: T.zeros(3).scatter_add_(0, T.tensor([0, 0, 1]), a),
    "mapped scatter_": lambda a: T.zeros(3).scatter_(0, a.long() % 3, 1.0),
    "index_add_": lambda a: T.zeros(3).index_add_(0, T.tensor([0, 0, 1]), a),
    "mapped index_add_": lambda a: T.zeros(3).index_add_(0, a.long() % 3, T.ones(3)),
    "index_fill_": lambda a: T.zeros(3).index_fill_(0, a.long() % 3, 1.0),
    "masked_fill_": lambda a: T.zeros(3).masked_fill_(a > 1, 1.0),
    "view": lambda a: T.zeros(2, 3)[0].add_(a),
    "mul_ of a recorded one": lambda a: (T.ones(3, requires_grad=True) * 1).mul_(a),
}


@pytest.mark.parametrize("name", UNMAPPED)
def test_a_tensor_that_is_not_mapped_is_refused(name):
    with pytest.raises(RuntimeError, match=r"a Tensor `other` in extra_args|doesn't match the broadcast shape"):
        vmap(UNMAPPED[name])(X)


def test_a_refused_write_changes_nothing():
    z = T.zeros(3)
    with pytest.raises(RuntimeError):
        vmap(lambda a: z.add_(a))(X)
    with pytest.raises(RuntimeError):
        vmap(lambda a: jvp(lambda b: z.add_(b), (a,), (a,)))(X)
    assert z.tolist() == [0, 0, 0]
    assert type(z) is T.Tensor
    assert z._version == 0


def test_maps_inside_maps_write_what_both_map():
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        vmap(lambda a: vmap(lambda b: a.clone().add_(b))(X))(X)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        vmap(lambda a: vmap(lambda b: b.clone().add_(a))(X))(X)
    agree(vmap(lambda a: vmap(lambda b: (a * b).add_(a))(X))(X), X[:, None] * X + X[:, None])


def test_what_is_the_same_for_all_is_written_into_every_example():
    agree(vmap(lambda a: a.clone().copy_(T.ones(3)))(X), T.ones(2, 3))
    agree(vmap(lambda a: a.clone().zero_())(X), T.zeros(2, 3))
    agree(vmap(lambda a: a.clone().fill_(T.tensor(4.0)))(X), T.full((2, 3), 4.0))
    agree(vmap(lambda a: a.clone().add_(T.ones(3)))(X), X + 1)

    def f(a):
        b = a.clone()
        b[1] = 7.0
        b[:1] = T.tensor([5.0])
        return b

    agree(vmap(f)(X), T.tensor([[5.0, 7, 2], [5, 7, 5]]))


def test_the_input_itself_is_written():
    z = X.clone()
    vmap(lambda a: a.add_(1))(z)
    agree(z, X + 1)
    z = X.clone()
    vmap(lambda a: a[0].mul_(10), in_dims=1)(z)
    agree(z, T.tensor([[0.0, 10, 20], [3, 4, 5]]))
    assert z._version == 1


def test_a_leaf_can_not_be_written():
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        vmap(lambda a: a.add_(1))(X.clone().requires_grad_())
    with pytest.raises(RuntimeError, match="more than one element"):
        vmap(lambda a: a.add_(1))(T.ones(3).expand(2, 3))


def test_shapes_and_kinds_are_checked_on_examples():
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        vmap(lambda a: a.clone().add_(T.ones(2, 3)))(X)
    with pytest.raises(RuntimeError, match="can't be cast"):
        vmap(lambda a: a.long().add_(a))(X)
    agree(vmap(lambda a: a.clone().add_(T.ones(3, dtype=T.float64)))(X), X + 1)
    assert vmap(lambda a: a.clone().mul_(T.ones(3, dtype=T.float64)))(X).dtype is T.float32


def test_made_like_an_example():
    for like in (T.zeros_like, lambda a: a.new_zeros(3), lambda a: T.full_like(a, 0), lambda a: T.empty_like(a).zero_()):
        agree(vmap(lambda a, like=like: like(a).add_(a))(X), X)
        agree(vmap(vmap(lambda b, like=like: like(b).add_(b)))(T.ones(2, 2, 3)), T.ones(2, 2, 3))


def test_written_under_no_grad():
    def f(a):
        b = a * 2
        with T.no_grad():
            b.mul_(3)
        return b.sum()

    agree(vmap(grad(f))(X), T.full((2, 3), 2.0))
    agree(vmap(f)(X), 6 * X.sum(1))


def test_a_stale_saved_value_is_noticed():
    def f(a):
        b = a * 1
        c = b * b
        b.add_(1)
        return c.sum()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        vmap(grad(f))(X)


def test_views_of_several_outputs_are_not_written_where_recorded():
    def f(a):
        b = a * 1
        b.unbind(0)[0].mul_(2)
        return b.sum()

    agree(vmap(f)(X), X.sum(1) + X[:, 0])
    with pytest.raises(RuntimeError, match="multiple views"):
        vmap(grad(f))(X)


# ------------------------------------------------------------------- forward mode alone
def test_a_plain_tensor_that_a_tangent_is_written_into_has_one():
    def f(x):
        z = T.zeros(3)
        row = z[1:]
        z[0] = x[0] * 2
        row[1] = x[1] * x[2]
        return z * 1, row * 1

    x = T.tensor([1.0, 2.0, 3.0])
    (z, row), (tz, trow) = jvp(f, (x,), (T.ones(3),))
    agree(z, T.tensor([2.0, 0, 6]))
    agree(tz, T.tensor([2.0, 0, 5]))
    agree(row, T.tensor([0.0, 6]))
    agree(trow, T.tensor([0.0, 5]))


def test_a_tangent_of_an_inner_level_is_written_into_a_dual_of_an_outer_one():
    def inner(x, y):
        z = x * 1  # a dual of the outer level
        z[0] = y * y * x[0]
        return z.sum()

    def outer(x):
        return jvp(lambda y: inner(x, y), (T.tensor(3.0),), (T.tensor(1.0),))[1]  # 2 y x0

    x = T.tensor([2.0, 5.0])
    value, tangent = jvp(outer, (x,), (T.tensor([1.0, 1.0]),))
    assert (value.item(), tangent.item()) == (12.0, 6.0)


@pytest.mark.wengert_only
def test_a_tangent_is_written_into_an_example_of_a_batch():
    def f(x, v):
        a = x * 1

        def inner(y):
            a[0] = y * x[1]
            return a.sum()

        return jvp(inner, (x[2],), (v,))

    value, tangent = vmap(f)(X, T.tensor([1.0, 10.0]))
    agree(value, X[:, 1] * X[:, 2] + X[:, 1] + X[:, 2])
    agree(tangent, T.tensor([1.0, 10.0]) * X[:, 1])
