"""Indexing, gathering, scattering, masks, writing: values, gradients and refusals against PyTorch."""

import pytest
from expressions import assert_alike, assert_gradients_alike


def lines(text):
    return [line for line in text.strip().splitlines() if line and not line.startswith("#")]


VALUES = lines("""
# reading
v[1]
v[-1]
q[0, 1]
q[0, 1, -1]
v[1:]
v[::2]
v[5:]
v[-9:2]
q[:, 1:, ::3]
q[..., 0]
q[0, ..., 1]
q[...]
q[()]
s[...]
s[()]
s[None]
x[None, :, None, 1]
x[..., None]
q[:, 0, None]
x[i(1)]
x[i(1), i(-1)]
x[np.int64(1)]
x[np.array(1)]
x[i(0):i(2)]
v[li]
v[neg]
v[li.int()]
v[[0, 2]]
v[range(2)]
v[np.array([0, 2])]
v[np.array([0, 2], dtype=np.int32)]
x[[0, 1], [2, 0]]
x[[[0, 1], [2, 0]]]
x[(0, 1),]
x[:, li]
x[:, [[0, 1], [2, 2]]]
q[:, [0, 1], [1, 2]]
q[[0, 1], :, [1, 2]]
q[[0, 1], :, 0]
q[0, :, [0, 1]]
q[i(0), :, [0, 1]]
q[:, 0, [0, 1]]
q[[[0, 1]], None, [1, 2]]
q[..., [0, 1], None]
q[:, [0, 1], None, [0, 1]]
q.transpose(0, 2)[[0, 3, 3], 1]
v[mask]
v[np.array([True, False, True])]
v[[True, False, True]]
v[mask.byte()]
x[x > 0.5]
x[:, mask]
q[x > 0.5]
q[x > 0.5, None]
q[:, q[0] > 0.5]
x[mask[:2], li[:1]]
s[True]
s[False]
x[True]
x[False]
x[None, True, 0]
x[True, [0, 1]]
x[i(True)]
x[[]]
x[:, []]
e[[]]
e[torch.zeros(0, dtype=torch.bool)]
x[i([], dtype=torch.int64)]
# writing
put(x, 0, 5)
put(x, (1, 2), 5)
put(x, (sl(None), 1), u)
put(x, sl(None), v)
put(x, 0, torch.ones(1, 1, 3))
put(x, ..., 7.)
put(x, None, 7.)
put(x, True, 7.)
put(x, False, 7.)
put(s, (), 5.)
put(x, li[:1], 1.)
put(x, [0, 1], w)
put(x, ([0, 1], [2, 2]), u)
put(x, (sl(None), [0, 1]), torch.ones(2, 1, dtype=torch.float64))
put(q, (0, sl(None), [0, 3]), u)
put(q, ([0, 1], sl(None), [0, 3]), v)
put(x, x > 0.5, 0.)
put(x, x > 2, torch.ones(0, dtype=torch.float64))
put(x, (sl(None), mask), 2.)
put(v, mask, u)
put(v, 0, i(1))
put(n, 0, 2.7)
put(n, n > 2, -1)
put(n > 2, 0, 3)
put(x.float(), 0, i(0.1, dtype=torch.float64))
put(e, sl(None), 1.)
put(x.t(), 0, u)
# along a dim
x.index_select(1, li)
x.index_select(0, li[:1].int())
x.t().index_select(0, li)
s.index_select(0, i([0]))
x.index_select(1, i([], dtype=torch.int64))
x.gather(1, i([[0, 2], [1, 1]]))
x.gather(1, i([[0, 2, 1, 0]]))
x.t().gather(0, i([[0, 2]]))
s.gather(0, i(0))
s.gather(0, i([0]))
v.gather(0, i(1))
x.gather(0, i([], dtype=torch.int64))
q.gather(1, i([[[0, 1], [2, 2]]]))
x.take(i([[0, 5], [-1, 0]]))
x.take_along_dim(i([[0, 1]]), 1)
x.take_along_dim(i([0, 5]))
x.scatter(1, i([[0, 2]]), w)
x.scatter(1, i([[0, 2], [1, 0]]), w)
x.scatter(1, i([[0, 2]]), 7)
n.scatter(1, i([[0, 2]]), 7.5)
x.scatter(1, i([[0, 2]]), w, reduce="add")
x.scatter(1, i([[0, 0]]), 2., reduce="multiply")
x.scatter(1, i([[0, 2]]), value=2.)
x.scatter_add(1, i([[0, 0, 1]]), w)
s.scatter_add(0, i([0]), u[:1])
x.scatter_reduce(1, i([[0, 0, 1]]), w, "sum")
x.scatter_reduce(1, i([[0, 0, 1]]), w, "prod", include_self=False)
x.scatter_reduce(1, i([[0, 0, 1]]), w, "mean")
n.scatter_reduce(1, i([[0, 0, 1]]), n, "mean", include_self=False)
x.scatter_reduce(1, i([[0, 0, 1]]), w, "amax")
x.scatter_reduce(1, i([[0, 0, 1]]), w, "amin", include_self=False)
x.index_add(0, i([0, 0]), w)
x.index_add(1, i([2, 2, 0]), w, alpha=2)
(n > 2).index_add(0, i([0, 0]), n > 4)
x.index_copy(1, i([2, 0, 1]), w)
x.index_fill(1, li, 1.5)
x.index_fill(1, i([-1]), i(2.))
x.index_put((i([0, 1]), i([2, 0])), u)
x.index_put((i([0, 0]),), w, accumulate=True)
x.index_put((x > 0.5,), i(0.))
put(x, x > 0.5, i(2))
put(x, x > 0.5, i([2]))
x.put(i([0, -1]), u)
x.put(i([0, 0]), u, accumulate=True)
# masks
x.masked_fill(x > 0.5, 0)
x.masked_fill(mask, float("nan"))
v.masked_fill(x > 0.5, 1.)
n.masked_fill(n > 2, 1.5)
x.masked_select(x > 0.5)
x.masked_select(mask)
v.masked_select(x > 0.5)
x.masked_scatter(x > 0.5, w)
x.masked_scatter(mask, q)
torch.nonzero(n)
torch.nonzero(n, as_tuple=True)
torch.nonzero(s)
torch.nonzero(s, as_tuple=True)
torch.argwhere(n)
torch.where(n > 2)
torch.where(x > 0.5, x, w)
torch.where(x > 0.5, x, 0)
torch.where(x > 0.5, 1, 0)
torch.where(x > 0.5, 1., 0)
torch.where(x > 0.5, True, False)
torch.where(x > 0.5, n, 1.5)
torch.where(x > 0.5, x.float(), i(1.5, dtype=torch.float64))
torch.where(x > 0.5, x.float(), x)
torch.where(mask, x, s)
torch.where((n > 2).byte(), x, w)
x.where(x > 0.5, 0.)
torch.select_scatter(x, v, 0, 1)
torch.slice_scatter(x, torch.ones(2, 2, dtype=torch.float64), 1, 0, None, 2)
torch.diagonal_scatter(x, u)
# in place
run(v, "copy_", s)
run(v, "copy_", n[0])
run(v, "copy_", 2)
run(n, "copy_", x * 9)
run(x, "fill_", 2)
run(n, "fill_", 1.7)
run(n.to(torch.uint8), "fill_", -1)
run(x, "fill_", s)
run(x, "zero_")
run(x, "masked_fill_", x > 0.5, s)
run(x, "index_add_", 0, i([0, 0]), w)
run(x, "index_fill_", 1, li, 2.)
run(x, "index_put_", (i([0, 1]),), w)
run(x, "scatter_", 1, i([[0, 2]]), w)
run(x, "scatter_add_", 1, i([[0, 0]]), w)
run(x, "put_", i([0, 5]), u)
torch.fill(x, 2)
""")

REFUSED = lines("""
v[5]
v[-4]
x[0, 5]
x[0, 0, 0]
s[0]
s[:]
v[::-1]
v[::0]
v[1.0]
v["a"]
v[{}]
v[1j]
v[1.0:2]
v[sl(0, 2, 1.5)]
x[big]
x[:, big]
x[i([-9])]
v[i([0., 1.])]
v[li.to(torch.int16)]
x[mask]
x[mask, mask]
q[[0, 1], [0, 1, 2]]
q[q[:, 0] > 0]
torch.ones(0, 3)[[0]]
put(x, 5, 5)
put(x, (0, 5), 5)
put(x, big, 1.)
put(x, big, w)
put(x, mask, 1.)
put(x, 0, u)
put(x, 0, torch.ones(2, 1, 3))
put(x, [0, 1], torch.ones(4))
put(v, mask, v)
put(v, i([0, 0]), i([1., 2.]))
put(v, i([0]), i(1.))
put(x, (0, li), i(1.))
x.index_put((x > 0.5,), i(1.), accumulate=True)
put(v, 0, 1j)
put(v, i([0]), 1j)
put(v, 0, "a")
put(v, sl(0, 2), [1, 2])
put(v, 0, None)
put(s, 0, 5)
x.index_select(0, big)
x.index_select(0, neg)
x.index_select(5, li)
x.index_select(0, i([0., 1.]))
x.index_select(0, i([[0, 1]]))
x.gather(0, li)
x.gather(1, i([[0, 5]]))
x.gather(1, i([[-9]]))
x.gather(1, i([[0], [0], [0]]))
x.gather(1, i([[0., 1.]]))
s.gather(0, i(1))
torch.take(x, i([0, 6]))
torch.take(x, i([0.]))
x.take_along_dim(li, 1)
x.scatter(1, i([[0, 5]]), w)
x.scatter(1, i([[0, -1]]), w)
x.scatter(1, i([[0, 1]]), w.float())
x.scatter(1, i([[0, 1, 2, 0]]), w)
x.scatter(1, i([0, 1]), w)
x.scatter(1, i([[0, 1]]), 2., reduce="mean")
x.scatter(1, i([[0, 1]]), 7j)
x.scatter_add(1, i([[0, 7]]), w)
x.scatter_reduce(1, i([[0, 0]]), w, "foo")
x.scatter_reduce(1, i([[0, 9]]), w, "sum")
x.index_add(0, i([0, 5]), w)
x.index_add(0, i([0, -1]), w)
x.index_add(0, i([0]), w)
x.index_add(0, i([0., 1.]), w)
x.index_copy(0, i([0, 5]), w)
x.index_copy(0, i([0]), w)
x.index_copy(0, i([0, 1]), w.float())
x.index_fill(0, i([5]), 7)
x.index_fill(0, i([0]), u)
x.index_fill(0, i([0]), 7j)
x.index_put((i([0, 9]),), w)
x.index_put((i([0, 1]),), torch.ones(2, 2))
x.index_put((i([0]), i([0]), i([0])), u)
x.index_put([i([0]), None], v)
x.put(i([0, 6]), u)
x.put(i([0]), u)
x.masked_fill(q[0, :2, :2] > 0, 0)
x.masked_fill(x, 0)
x.masked_fill(x > 0, u)
x.masked_fill(x > 0, 1j)
run(v, "masked_fill_", x > 0, 1.)
x.masked_select(x)
x.masked_scatter(x > 0, u)
x.masked_scatter(x, u)
torch.where(x, x, x)
torch.where(x > 0, x, torch.ones(4))
torch.select_scatter(x, u, 0, 1)
torch.slice_scatter(x, x, 0, 1, 2)
torch.diagonal_scatter(x, v)
run(v, "copy_", u)
run(v, "copy_", x)
run(v, "copy_", [1])
run(v, "fill_", u)
run(v, "fill_", 1j)
run(n.to(torch.uint8), "fill_", 300)
""")

DIFFERENTIABLE = lines("""
x[0]
q[None, :, None, 1]
q[:, 1:, ::2]
x[x > 0.5]
q[torch.tensor([0, 0, 1])]
q[:, torch.tensor([0, 2, 2])]
q[:, :, [0, -1, 0]]
q[[0, 1], :, [3, 3]]
q[:, [[0, 1], [2, 2]], [[0, 1], [3, 3]]]
q[0, :, [0, 1]]
q[True]
q[x.detach() > 0.5]
q.permute(2, 0, 1)[[0, 0, 3], [1, 1, 0]]
x[[]]
x.index_select(1, torch.tensor([0, 0, 2]))
q.gather(1, torch.tensor([[[0, 1], [2, 2]]]))
x.gather(1, torch.tensor([[0, 0, 1, 2], [2, 2, 2, 0]]))
x.take(torch.tensor([[0, 5], [-1, 0]]))
x.take_along_dim(torch.tensor([[0, 1]]), 1)
x.scatter(1, torch.tensor([[0, 2], [1, 0]]), w[:, :2])
x.scatter(1, torch.tensor([[0, 2]]), 5.)
x.scatter_add(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w)
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "sum", include_self=False)
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "prod")
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "prod", include_self=False)
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "mean")
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "mean", include_self=False)
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "amax")
x.scatter_reduce(1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "amin", include_self=False)
x.index_add(1, torch.tensor([2, 0, 2]), w, alpha=3)
x.index_copy(1, torch.tensor([2, 0, 1]), w)
x.index_fill(1, torch.tensor([2, 0]), 1.5)
x.index_fill(1, torch.tensor([2, 0]), s)
x.index_put((torch.tensor([0, 1]), torch.tensor([2, 2])), v[:2])
x.index_put((torch.tensor([0, 0]),), w, accumulate=True)
x.index_put((x > 0.5,), s)
x.put(torch.tensor([0, 4]), v[:2])
x.put(torch.tensor([0, 0]), v[:2], True)
x.masked_fill(x > 0.5, 2.)
x.masked_fill(x > 0.5, s)
x.masked_select(x > 0.5)
v.masked_select(x > 0.5)
x.masked_scatter(v > 0.3, w * 2)
torch.where(x > 0.5, x, w)
torch.where(x > 0.5, v, s)
torch.select_scatter(x, v, 0, 1)
torch.slice_scatter(q, x[..., None], 2, 1, 2)
torch.diagonal_scatter(x, v[:2])
torch.fill(x, s)
put(x, 0, v)
put(x, (slice(None), 1), s)
put(x, [0, 1], w)
put(x, x > 0.5, 0.)
put(x, slice(None), w)
put(q, (0, slice(None), [0, 1]), x[0, 0])
put(q, (slice(None), slice(1, None), None), 1.)
run(x, "copy_", v)
run(x, "fill_", s)
run(x, "zero_")
run(x, "masked_fill_", x > 0.5, s)
run(x, "index_add_", 0, torch.tensor([0, 0]), w)
run(x, "scatter_reduce_", 1, torch.tensor([[0, 0, 0], [1, 1, 2]]), w, "prod")
then(x, lambda y: y.view(3, 2)[[0, 1]].mul_(3))
then(x, lambda y: y[:, 1].index_put_((torch.tensor([0]),), s))
then(x, lambda y: y[1].masked_fill_(torch.tensor([True, False, True]), s))
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
