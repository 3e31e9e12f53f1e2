"""Views, joining, splitting, rearranging: values, memory, gradients and refusals."""

import numpy as np
import pytest
from expressions import assert_alike, assert_gradients_alike

import wengert as torch


def lines(text):
    return [line for line in text.strip().splitlines() if line and not line.startswith("#")]


VALUES = lines("""
x.view(3, 2)
x.view((3, 2))
x.view(-1)
x.view(-1, 2)
x.view(size=(6,))
s.view(1, 1)
e.view(3, 0)
n.view(torch.float64)
n.int().view(torch.int16)
n.to(torch.uint8).view(torch.bool).shape
x.view_as(torch.ones(6))
x.t().reshape(6)
x.reshape((3, -1))
torch.reshape(x, (6,))
x.reshape(shape=(6,))
x.reshape_as(torch.ones(3, 2))
q.flatten()
q.flatten(1)
q.flatten(0, 1)
q.flatten(-2, -1)
s.flatten()
e.flatten()
q.unflatten(2, (2, 2))
q.unflatten(-1, (-1, 2))
q.ravel()
q.transpose(0, 2).ravel()
x.t()
v.t()
s.t()
x.T
q.mT
x.H
c.H
c.mH
q.adjoint()
s.mT
q.transpose(0, -1)
q.swapaxes(1, 2)
q.swapdims(1, 2)
q.permute(2, 0, 1)
q.permute((2, -3, 1))
torch.permute(q, (2, 0, 1))
s.permute(())
q.movedim(0, 2)
q.movedim((0, 1), (2, 0))
q.moveaxis(-1, 0)
o.squeeze()
o.squeeze(0)
o.squeeze(1)
o.squeeze((0, 2))
o.squeeze(axis=0)
x.squeeze()
s.squeeze(0)
x.unsqueeze(0)
x.unsqueeze(-1)
s.unsqueeze(0)
e.unsqueeze(1)
o.expand(2, 3, 4)
o.expand(2, -1, 4)
o.expand(5, 2, 3, 4)
s.expand(2, 3)
x.expand(0, 2, 3)
o.expand_as(torch.ones(2, 3, 4))
torch.broadcast_to(v, (2, 3))
torch.broadcast_tensors(x, v, s)
torch.broadcast_shapes((2, 1), (3,), 1)
x.sum_to_size(1, 3)
x.sum_to_size(3)
n.sum_to_size(2, 1)
torch.atleast_1d(s)
torch.atleast_2d(v)
torch.atleast_3d(v)
torch.atleast_3d(s, x)
torch.atleast_2d([s, v])
q.narrow(2, 1, 2)
q.narrow(2, -3, 2)
x.narrow(0, 2, 0)
q.select(1, 2)
q.select(-1, -1)
m.diagonal()
q.diagonal(1, 0, 2)
q.diagonal(-1, 2, 1)
x.diagonal(9)
q.unfold(2, 2, 1)
q.unfold(1, 3, 5)
s.unfold(0, 1, 1)
q.transpose(0, 2).unfold(0, 2, 2)
x.as_strided((2, 2), (1, 1), 1)
x.as_strided((2, 2, 2), (1, 2, 0))
q[1].as_strided((3, 2), (4, 1))
q.chunk(2, 2)
q.chunk(3, 2)
b.chunk(3, 1)
e.chunk(2)
b.split(2, 1)
b.split([1, 4], 1)
torch.split(b, 3)
torch.split(b, split_size_or_sections=3, dim=1)
b.split_with_sizes([0, 4])
b.tensor_split(3, 1)
b.tensor_split((1, 3))
b.tensor_split([3, 1, 9, -1])
b.tensor_split(i([1, 3]))
b.hsplit(5)
v.hsplit([1])
b.vsplit(2)
q.dsplit((1, 2))
q.unbind()
q.unbind(-1)
e.unbind()
list(x)
len(q)
torch.cat([x, w])
torch.cat((x, w), 1)
torch.cat([x, w], axis=-1)
torch.cat([x, torch.zeros(0, dtype=torch.float64)])
torch.cat([x, n])
torch.cat([n, n > 2])
torch.cat([x.t(), x.t()], 1).is_contiguous()
torch.concat([x, w])
torch.concatenate([x, w])
torch.stack([x, w], 1)
torch.stack([s, s])
torch.stack([n[0], v])
torch.stack([e, e])
torch.hstack([x, w])
torch.hstack([v, v])
torch.hstack([s, s])
torch.vstack([x, v])
torch.row_stack([v, v])
torch.dstack([x, w])
torch.column_stack([v, m])
torch.block_diag(x, v, s)
torch.block_diag()
torch.cartesian_prod(v, v)
torch.cartesian_prod(v)
torch.combinations(v)
torch.combinations(v, 3, True)
torch.combinations(v, 5)
torch.meshgrid(v, x[0], indexing="ij")
torch.meshgrid(v, u, s, indexing="xy")
x.repeat(2, 1)
x.repeat((2, 1, 3))
x.repeat(0, 1)
x.tile(2)
x.tile((2, 1, 1))
torch.tile(x, (2, 2))
x.repeat_interleave(2)
x.repeat_interleave(2, 1)
x.repeat_interleave(i([1, 2]), 0)
x.repeat_interleave(i([2]), 1)
torch.repeat_interleave(i([1, 0, 2]))
x.flip(0)
q.flip(0, -1)
torch.flip(x, [0, 1])
x.fliplr()
x.flipud()
x.roll(1)
x.roll(-1, 1)
q.roll((1, -2), (0, 2))
x.roll((1, 1), (0, 0))
e.roll(1, 0)
x.rot90()
q.rot90(-1, (2, 0))
x.rot90(2)
q.tril()
q.triu(-1)
x.tril(5)
x.diag()
x.diag(-1)
v.diag(2)
x.diag_embed()
q.diag_embed(-1, 3, 1)
q.diag_embed(1, 0, 2)
v.diagflat(-1)
torch.trace(m)
n.to(torch.uint8).trace()
x.clone()
x.t().clone().stride()
o.expand(2, 3, 4).clone().stride()
c.real
c.imag
c.conj()
c.conj().resolve_conj()
x.conj()
torch.real(x)
torch.view_as_real(c)
torch.view_as_real(c.t())
torch.view_as_complex(torch.stack([x, w], -1))
torch.complex(x, v)
torch.polar(x, v)
x.size()
x.size(-1)
x.stride()
x.t().stride(0)
x[:, 1:].storage_offset()
x.numel()
torch.numel(e)
x.dim()
s.stride()
x.element_size()
x.nbytes
x.is_contiguous()
x.t().is_contiguous()
e.is_contiguous()
x.unsqueeze(0).stride()
x[None].stride()
x.unsqueeze(-1).stride()
x.expand(2, 2, 3).stride()
run(x, "t_")
run(x, "unsqueeze_", 1)
run(o, "squeeze_")
run(o, "squeeze_", 0)
run(q, "transpose_", 0, 2)
run(q, "swapaxes_", 0, 1)
run(x, "tril_")
run(n, "resize_", 2, 2)
run(x, "as_strided_", (2, 2), (1, 1))
""")

REFUSED = lines("""
x.view(4)
x.view(-1, -1)
x.view(-2, 3)
x.view(-1, 4)
torch.zeros(0).view(-1, 0)
x.t().view(6)
x.t().view(-1)
n.t().view(torch.int32)
s.view(torch.int32)
x.float().view(torch.float64)
x.reshape(7)
x.flatten(5)
x.flatten(1, 0)
x.unflatten(1, (2, 2))
x.unflatten(1, ())
x.transpose(0, 5)
x.permute(0)
x.permute(0, 0)
q.t()
v.mT
v.mH
q.H
x.movedim((0, 0), (0, 1))
x.movedim((0, 1), (0,))
x.squeeze(5)
x.squeeze((0, 0))
x.unsqueeze(-4)
x.expand(4, 3)
x.expand(3)
x.expand(-1, 2, 3)
x.expand(2, -3)
torch.broadcast_tensors(x, torch.ones(4))
torch.broadcast_shapes((2, 3), (4,))
x.narrow(0, 1, 5)
x.narrow(0, 5, 1)
x.narrow(0, 0, -1)
s.narrow(0, 0, 1)
x.select(0, 2)
s.select(0, 0)
x.diagonal(0, 0, 0)
v.diagonal()
x.unfold(0, 3, 1)
x.unfold(0, 1, 0)
x.unfold(0, -1, 1)
x.as_strided((2, 2), (1,))
x.as_strided((10, 2), (1, 1))
x.as_strided((2, 2), (-1, 1))
x.as_strided((2, 2), (1, 1), -1)
x.chunk(0)
s.chunk(1)
x.split(0)
x.split(-1)
x.split([1, 2])
x.split([-1, 3])
x.split(1.5)
x.tensor_split(0)
s.tensor_split(2)
x.hsplit(2)
v.vsplit(1)
s.unbind()
iter(s)
len(s)
torch.cat([])
torch.cat([x, v])
torch.cat([x, x[:, :2]])
torch.cat([s, s])
torch.cat([x, x], 5)
torch.cat(x)
torch.cat([x, 1])
torch.stack([])
torch.stack([x, v])
torch.hstack([])
torch.meshgrid(v, x)
torch.meshgrid(v, v, indexing="zz")
torch.block_diag(q)
torch.cartesian_prod(x, v)
torch.combinations(v, -1)
x.repeat(2)
x.repeat(-1, 1)
x.repeat()
x.repeat_interleave(-1)
x.repeat_interleave(i([1, 2, 3]), 0)
x.repeat_interleave(i([-1, 2]), 0)
x.flip()
x.flip(0, 0)
torch.flip(x, 0)
v.fliplr()
x.roll((1, 2))
x.rot90(1, [0, 0])
v.rot90()
v.tril()
q.diag()
v.diag_embed(0, 0, 0)
torch.trace(v)
torch.imag(x)
torch.view_as_real(x)
torch.view_as_complex(x)
torch.view_as_complex(torch.ones(2, 4)[:, ::2])
torch.complex(x, x.float())
x.size(5)
s.size(0)
""")

DIFFERENTIABLE = lines("""
x.t().reshape(6)
q.permute(2, 0, 1).reshape(8, 3)
q.flatten(1)
x.T
q.mT
q.movedim((0, 1), (2, 0))
o.squeeze((0, 2))
x.unsqueeze(1)
o.expand(5, -1, -1, 4)
x.sum_to_size(1, 3)
q.narrow(2, 1, 2)
q.select(1, 2)
q.diagonal(-1, 2, 1)
b.unfold(1, 3, 1).unfold(0, 2, 1)
x.as_strided((2, 2), (1, 1), 1)
q[1].as_strided((3, 2), (4, 1), 1)
v.expand(2, 3).as_strided((2, 2), (0, 1))
q.chunk(3, 2)
q.split(2, 2)[0]
q.split([1, 3], 2)[1]
b.tensor_split(3, 1)
q.unbind(1)[0]
list(x)
x.t().contiguous()
torch.cat([x, w, x], 1)
torch.stack([x, w], 1)
torch.vstack([x, v])
torch.column_stack([v, m])
torch.block_diag(x, v, s, m)
torch.cartesian_prod(v, v)
torch.combinations(v, 2)
torch.meshgrid(v, x[0], indexing="xy")
x.repeat(2, 2, 3)
x.repeat_interleave(3, 1)
x.repeat_interleave(torch.tensor([0, 2, 1]), 1)
q.flip(0, 2)
q.roll((1, -2), (0, 2))
q.rot90(1, (0, 2))
q.tril()
x.diag()
v.diag(-2)
q.diag_embed(-1, 3, 1)
torch.trace(x)
x.to(torch.complex128).real
torch.view_as_real(torch.complex(x, w) * (x + 1j))
(torch.complex(x, w).conj() * (1 + 2j)).imag
torch.polar(x, w).real
run(x, "t_")
run(x, "unsqueeze_", 0)
run(x, "as_strided_", (2, 2), (1, 1))
then(x, lambda y: y[0].mul_(2))
then(x, lambda y: y.t()[0].copy_(w[:, 0]))
then(x, lambda y: y.view(-1)[2:5].fill_(3.))
then(x, lambda y: y.diagonal().mul_(2))
then(q, lambda y: y[1:, :, 0].add_(s))
then(q, lambda y: y.permute(2, 0, 1)[1].zero_())
then(q, lambda y: y.transpose(0, 1)[0, 1].unsqueeze(0).mul_(v[0]))
then(x, lambda y: y[0].t_().mul_(2))
""")


@pytest.mark.torch
@pytest.mark.parametrize("expression", VALUES)
def test_values_are_those_of_pytorch(expression):
    assert_alike(expression, pytest.importorskip("torch"))


@pytest.mark.torch
@pytest.mark.parametrize("expression", REFUSED)
def test_refusals_are_those_of_pytorch(expression):
    assert_alike(expression, pytest.importorskip("torch"))


@pytest.mark.torch
@pytest.mark.parametrize("expression", DIFFERENTIABLE)
def test_derivatives_are_those_of_pytorch(expression):
    assert_gradients_alike(expression, pytest.importorskip("torch"))


# ------------------------------------------------------------------- without PyTorch
def numbers(*shape):
    n = int(np.prod(shape))
    return torch.arange(float(n)).view(*shape).clone() if shape else torch.tensor(1.0)


def test_views_share_memory_and_version():
    x = numbers(2, 3)
    for view in (
        x.view(3, 2), x.reshape(6), x.flatten(), x.ravel(), x.t(), x.T, x.mT, x.permute(1, 0),
        x.unsqueeze(0), x.squeeze(), x.expand(4, 2, 3), x.narrow(0, 0, 1), x.select(0, 0), x[0],
        x[:, 1:], x[None], x[...], x.diagonal(), x.unfold(1, 2, 1), x.chunk(2)[0], x.unbind()[0],
        x.as_strided((2,), (1,)), x.unflatten(1, (3, 1)), x.view_as(x), x.movedim(0, 1),
    ):  # fmt: skip
        assert view.data_ptr() == x.data_ptr() or view.storage_offset() > 0
        assert view._is_view()
        assert view._base is x
        before = view._version
        x.add_(1)
        assert view._version == before + 1


def test_copies_have_memory_of_their_own():
    x = numbers(2, 3)
    for copy in (x.clone(), x.t().contiguous(), x.t().reshape(6), x.flip(0), x.roll(1), x.tile(1),
                 x.repeat(1, 1), x[[0, 1]], x.tril(), x.diag(), torch.cat([x]), x.rot90()):  # fmt: skip
        assert not np.shares_memory(copy.numpy(), x.numpy())
        assert not copy._is_view()


def test_calls_with_nothing_to_do_return_their_argument():
    x, v = numbers(2, 3), numbers(3)
    assert x.contiguous() is x
    assert v.flatten() is v
    assert x.flatten(0, 0) is x
    assert torch.atleast_1d(v) is v
    assert torch.real(x) is x
    assert x.conj() is x
    assert torch.broadcast_tensors(x, v)[0] is x
    assert x.reshape(2, 3) is not x
    assert x.view(2, 3) is not x
    assert x.squeeze() is not x


def test_clone_keeps_dense_layouts_and_can_be_told_not_to():
    x = numbers(2, 3).t()
    assert x.clone().stride() == (1, 3)
    assert x.clone(memory_format=torch.contiguous_format).stride() == (2, 1)


def test_a_strided_view_reads_and_writes_the_storage():
    x = numbers(6)
    y = x[2:].as_strided((2, 2), (2, 1), 1)
    assert y.tolist() == [[1, 2], [3, 4]]
    y[0, 0] = 9
    assert x[1] == 9


def test_windows_overlap():
    x = numbers(4)
    w = x.unfold(0, 2, 1)
    x[1] = 7
    assert w.tolist() == [[0, 7], [7, 2], [2, 3]]


def test_the_gradient_of_windows_adds_up():
    x = torch.ones(4, requires_grad=True)
    x.unfold(0, 2, 1).sum().backward()
    assert x.grad.tolist() == [1, 2, 2, 1]


def test_parts_that_are_not_used_get_zeros():
    x = torch.ones(5, requires_grad=True)
    x.split(2)[1].sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 0]


def test_views_of_one_call_may_not_be_written_when_recorded():
    for parts in (lambda y: y.chunk(2), lambda y: y.split(2), lambda y: y.unbind(), list):
        part = parts(torch.ones(4, requires_grad=True) * 1)[0]
        with pytest.raises(RuntimeError, match="output of a function that returns multiple views"):
            part.zero_()


def test_expanded_memory_refuses_different_values_but_takes_one():
    x = torch.ones(3).expand(2, 3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x.copy_(torch.zeros(2, 3))
    assert x.zero_().tolist() == [[0, 0, 0], [0, 0, 0]]


def test_changing_shape_in_place_keeps_history_and_views():
    leaf = torch.ones(2, 3, requires_grad=True)
    y = leaf * 1
    row = y[0]
    y.t_()
    assert y.shape == (3, 2)
    assert type(y.grad_fn).__name__ == "TBackward1"
    y[:, 0].mul_(3)
    assert row.tolist() == [3, 3, 3]
    (row * row).sum().backward()
    assert leaf.grad.tolist() == [[18, 18, 18], [0, 0, 0]]


def test_resize_refuses_what_requires_grad_and_changes_nothing():
    x = torch.ones(2, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        x.resize_(3)
    assert x.shape == (2, 2)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3), (2, 0, 3), (2, 3, 4)])
def test_every_shape_goes_through_the_views(shape):
    x = numbers(*shape)
    n = len(shape)
    order = tuple(range(n))[::-1]
    np.testing.assert_array_equal(x.permute(order).numpy(), x.numpy().transpose(order))
    np.testing.assert_array_equal(x.flatten().numpy(), x.numpy().reshape(-1))
    np.testing.assert_array_equal(x.unsqueeze(0).squeeze(0).numpy(), x.numpy())
    np.testing.assert_array_equal(x.expand(2, *shape).numpy(), np.broadcast_to(x.numpy(), (2, *shape)))
    np.testing.assert_array_equal(torch.stack([x, x], -1).numpy(), np.stack([x.numpy()] * 2, -1))
    np.testing.assert_array_equal(x.roll(1).numpy(), np.roll(x.numpy(), 1))
    if n:
        np.testing.assert_array_equal(torch.cat([x, x], -1).numpy(), np.concatenate([x.numpy()] * 2, -1))
        np.testing.assert_array_equal(x.flip(*range(n)).numpy(), np.flip(x.numpy()))
    if n > 1:
        np.testing.assert_array_equal(x.diagonal(1).numpy(), np.diagonal(x.numpy(), 1))
        np.testing.assert_array_equal(x.tril(-1).numpy(), np.tril(x.numpy(), -1))
        np.testing.assert_array_equal(x.rot90(3).numpy(), np.rot90(x.numpy(), 3))


def test_view_and_numpy_agree_on_when_memory_can_be_looked_at_anew():
    rng = np.random.RandomState(0)
    for _ in range(200):
        shape = tuple(rng.randint(1, 4, rng.randint(1, 5)))
        order = tuple(rng.permutation(len(shape)))
        a = np.arange(np.prod(shape)).reshape(shape).transpose(order)
        target = list(a.shape)
        k = rng.randint(len(target))
        if k + 1 < len(target):
            target[k : k + 2] = [target[k] * target[k + 1]]
        x = torch.arange(int(np.prod(shape))).view(shape).permute(order)
        try:
            expected = a.reshape(target, copy=False)
        except ValueError:
            with pytest.raises(RuntimeError, match="view size is not compatible"):
                x.view(target)
        else:
            np.testing.assert_array_equal(x.view(target).numpy(), expected)


def test_reversing_all_dims_by_T_is_deprecated_but_works():
    with pytest.warns(UserWarning, match="on tensors of dimension other than 2"):
        assert torch.ones(2, 3, 4).T.shape == (4, 3, 2)


def test_reversed_gives_a_tensor():
    assert reversed(torch.tensor([[1, 2], [3, 4]])).tolist() == [[3, 4], [1, 2]]


def test_meshgrid_asks_for_its_indexing():
    with pytest.warns(UserWarning, match="it will be required to pass the indexing"):
        torch.meshgrid(torch.ones(2), torch.ones(2))
