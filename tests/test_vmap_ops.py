"""vmap of reads, writes by index and reductions against loops: what is mapped, sizes of none, nesting.

The grid maps every op once; here are the combinations: batched data, positions and values each alone and
together, examples without dims, batches of no examples, maps inside maps.
"""

import itertools

import numpy as np
import pytest
from against import REAL
from against import torch as T

grad, vmap = T.func.grad, T.func.vmap
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop" if REAL else "error:There is a performance drop")
R = np.random.default_rng(3)


def real(*shape):
    return T.tensor(R.standard_normal(shape))


def below(n, *shape, low=0):
    return T.tensor(R.integers(low, n, shape))


def results(r):
    return [t for x in r for t in results(x)] if isinstance(r, tuple | list) else [r]


def looped(f, size, xs, on):
    """f of every example, stacked."""
    each = [results(f(*[x[i] if b else x for x, b in zip(xs, on, strict=True)])) for i in range(size)]
    return [T.stack(parts) for parts in zip(*each, strict=True)]


def agree(got, expected, what=""):
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype, what
        assert a.shape == b.shape, what
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, err_msg=what)


def cases(table, *beyond):
    """The names of a table; PyTorch refuses those in `beyond`, or its vmap and its loop differ."""
    mark = pytest.mark.wengert_only
    return [pytest.param(name, marks=mark if name in beyond else ()) for name in table]


def choices(count):
    return [on for on in itertools.product((True, False), repeat=count) if any(on)]


def check(f, *examples, only=None):
    """Values, per-example gradients and gradients through vmap, for every choice of mapped inputs.

    `examples` are functions that draw one input each.
    """
    size = 3
    for on in only or choices(len(examples)):
        xs = [T.stack([draw() for _ in range(size)]) if b else draw() for draw, b in zip(examples, on, strict=True)]
        dims = tuple([0 if b else None for b in on])
        got = results(vmap(f, dims)(*xs))
        agree(got, looped(f, size, xs, on), f"mapped: {on}")

        floats = [k for k, x in enumerate(xs) if x.is_floating_point()]
        if not floats or not got[0].is_floating_point():
            continue
        # weights that differ from element to element, so that no gradient is hidden by symmetry
        w = T.arange(1.0, got[0][0].numel() + 1, dtype=got[0].dtype).reshape(tuple(got[0].shape[1:])).sin()

        def loss(*ys, w=w):
            return (results(f(*ys))[0] * w).sum()

        each = grad(loss, tuple(floats))
        agree(results(vmap(each, dims)(*xs)), looped(each, size, xs, on), f"grad, mapped: {on}")

        def total(*ys, dims=dims, loss=loss):
            return vmap(loss, dims)(*ys).sum()

        through = grad(total, tuple(floats))(*xs)
        for k, g in zip(floats, through, strict=True):
            parts = T.stack([
                each(*[x[i] if b else x for x, b in zip(xs, on, strict=True)])[floats.index(k)] for i in range(size)
            ])  # fmt: skip
            agree([g], [parts if on[k] else parts.sum(0)], f"through vmap, mapped: {on}, input {k}")


# ------------------------------------------------------------------- reading
READS = {
    "vector": (lambda x, i: x[i], (5,), (4,)),
    "first dim": (lambda x, i: x[i], (5, 2), (4,)),
    "last dim": (lambda x, i: x[:, i], (2, 5), (4,)),
    "matrix of positions": (lambda x, i: x[:, i], (2, 5, 3), (2, 2)),
    "one position": (lambda x, i: x[i], (5, 2), ()),
    "one position of the last dim": (lambda x, i: x[:, i], (2, 5), ()),
    "slices around": (lambda x, i: x[1:, i, ::2], (3, 5, 4), (4,)),
    "new dim": (lambda x, i: x[None, i], (5, 2), (3,)),
    "int first": (lambda x, i: x[1, i], (2, 5, 2), (3,)),
    "no positions": (lambda x, i: x[i], (5, 2), (0,)),
    "index_select": (lambda x, i: T.index_select(x, 0, i), (5, 2), (4,)),
    "index_select last": (lambda x, i: T.index_select(x, -1, i), (2, 5), (4,)),
    "index_select 0-d": (lambda x, i: T.index_select(x * 0 + x, 0, i % 1), (), (1,)),
    "take": (lambda x, i: T.take(x, i), (1, 5), (2, 2)),
    "gather": (lambda x, i: T.gather(x, 0, i), (5, 3), (2, 3)),
    "gather smaller": (lambda x, i: T.gather(x, 1, i), (3, 5), (2, 4)),
    "gather vector": (lambda x, i: T.gather(x, 0, i), (5,), (7,)),
    "gather 0-d index": (lambda x, i: T.gather(x, 0, i), (5,), ()),
    "gather 0-d": (lambda x, i: T.gather(x, 0, i % 1), (), (3,)),
    "gather both 0-d": (lambda x, i: T.gather(x, 0, i % 1), (), ()),
    "take_along_dim": (lambda x, i: T.take_along_dim(x, i, 1), (3, 5), (1, 2)),
    "take_along_dim flat": (lambda x, i: T.take_along_dim(x, i), (1, 5), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", cases(READS, "one position", "one position of the last dim"))
def test_reads(name):
    f, x, i = READS[name]
    check(f, lambda: real(*x), lambda: below(5, *i))


@pytest.mark.parametrize("only", [None, [(True, True, True)]])
def test_two_index_tensors(only):
    pair = lambda: below(3, 4)
    check(lambda x, i, j: x[i, j], lambda: real(3, 3), pair, pair, only=only)
    check(lambda x, i, j: x[i, :, j], lambda: real(3, 2, 3), pair, pair, only=only)
    check(lambda x, i, j: x[:, i, j], lambda: real(2, 3, 3), pair, pair, only=only)
    check(lambda x, i, j: x[:, i, :, j], lambda: real(2, 3, 2, 3), pair, pair, only=only)
    check(lambda x, i, j: x[i[:, None], j], lambda: real(3, 3), pair, pair, only=only)


@pytest.mark.wengert_only
def test_negative_positions():
    check(lambda x, i: x[i], lambda: real(4, 2), lambda: below(4, 3, low=-4))
    check(lambda x, i, j: x[i, j], lambda: real(4, 4), lambda: below(4, 3, low=-4), lambda: below(4, 3, low=-4))
    check(lambda x, i: T.take(x, i), lambda: real(2, 2), lambda: below(4, 3, low=-4))
    check(lambda x, i: T.index_fill(x, 0, i, 2.0), lambda: real(4, 2), lambda: below(4, 2, low=-4))


def test_narrow_index_types():
    check(lambda x, i: x[i], lambda: real(4, 2), lambda: below(4, 3).int())
    check(lambda x, i: x.gather(0, i), lambda: real(4, 2), lambda: below(4, 3, 2).int())
    check(lambda x, i: x.index_select(0, i), lambda: real(4, 2), lambda: below(4, 3).int())


def test_an_index_out_of_bounds_is_refused_and_not_found_in_another_example():
    x, i = real(3, 4), T.tensor([[0], [4], [1]])
    for f in (lambda a, j: a[j], lambda a, j: a.take(j), lambda a, j: a.index_put((j,), T.ones(1, dtype=a.dtype))):
        with pytest.raises(IndexError, match="4"):
            vmap(f)(x, i)
    for f in (lambda a, j: a.gather(0, j), lambda a, j: a.scatter(0, j, 1.0)):
        with pytest.raises(RuntimeError, match="index 4 is out of bounds"):
            vmap(f)(x, i)


# ------------------------------------------------------------------- writing
def distinct(n, k):
    return T.tensor(R.permutation(n)[:k])


WRITES = {
    "index_put": (lambda x, i, v: x.index_put((i,), v), (5, 2), (3, 2)),
    "index_put last": (lambda x, i, v: T.transpose(T.transpose(x, 0, 1).index_put((i,), v), 0, 1), (2, 5), (3, 2)),
    "index_put broadcast": (lambda x, i, v: x.index_put((i,), v), (5, 2), (2,)),
    "index_put add": (lambda x, i, v: x.index_put((i // 2,), v, accumulate=True), (5, 2), (3, 2)),
    "index_add": (lambda x, i, v: T.index_add(x, 0, i // 2, v, alpha=2), (5, 2), (3, 2)),
    "index_add last": (lambda x, i, v: T.index_add(x, 1, i // 2, v), (2, 5), (2, 3)),
    "index_copy": (lambda x, i, v: T.index_copy(x, 0, i, v), (5, 2), (3, 2)),
    "index_copy last": (lambda x, i, v: T.index_copy(x, -1, i, v), (2, 5), (2, 3)),
    "put": (lambda x, i, v: T.put(x, i, v), (5, 1), (3,)),
    "put add": (lambda x, i, v: T.put(x, i // 2, v, True), (1, 5), (3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_writes(name):
    f, x, v = WRITES[name]
    check(f, lambda: real(*x), lambda: distinct(5, 3), lambda: real(*v))


@pytest.mark.wengert_only
def test_writes_at_two_index_tensors():
    i, j = (lambda: distinct(4, 3)), (lambda: below(2, 3))
    check(lambda x, i, j, v: x.index_put((i, j), v), lambda: real(4, 2), i, j, lambda: real(3))
    apart = [(True, True, False), (False, True, True), (True, False, True), (True, True, True)]

    def f(x, i, v):
        y = x * 1
        y[i, :, i % 2] = v
        return y

    check(f, lambda: real(4, 3, 2), i, lambda: real(3, 3), only=[on for on in apart if on[0]])


@pytest.mark.wengert_only
def test_index_fill():
    check(lambda x, i: T.index_fill(x, 0, i, 2.5), lambda: real(5, 2), lambda: below(5, 3))
    check(lambda x, i: T.index_fill(x, 1, i, 2.5), lambda: real(2, 5), lambda: below(5, 3))
    check(lambda x, i, v: T.index_fill(x, 0, i, v), lambda: real(5, 2), lambda: T.tensor([1, 1, 3]), lambda: real())
    check(lambda x, i: T.index_fill(x, 0, i % 1, 2.5), lambda: real(), lambda: below(5, 1))


SCATTERS = {
    "scatter": lambda x, i, v: T.scatter(x, 0, i, v),
    "scatter_add": lambda x, i, v: T.scatter_add(x, 0, i // 2, v),
    **{
        f"{how} {own}": lambda x, i, v, how=how, own=own: T.scatter_reduce(x, 0, i // 2, v, how, include_self=own)
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    },
}


@pytest.mark.parametrize("name", cases(SCATTERS, "prod True", "prod False"))
def test_scatters(name):
    f = SCATTERS[name]
    columns = lambda: T.stack([distinct(5, 3), distinct(5, 3)], 1)
    check(f, lambda: real(5, 2), columns, lambda: real(3, 2))
    check(f, lambda: real(5), lambda: distinct(5, 3), lambda: real(3))
    if name == "scatter":
        check(lambda x, i: T.scatter(x, 1, i, 2.0), lambda: real(2, 5), lambda: below(5, 2, 3))
        check(lambda x, i, v: T.scatter(x, 0, i % 1, v), lambda: real(), lambda: below(3), lambda: real())


def test_masks_that_are_the_same_for_all():
    mask = T.tensor([[True, False], [True, True]])
    check(lambda x: x[mask], lambda: real(2, 2))
    check(lambda x: x[mask[0]], lambda: real(2, 3))
    check(lambda x: x[:, mask], lambda: real(3, 2, 2))
    check(lambda x: T.masked_select(x, mask), lambda: real(2, 2))
    check(lambda x, v: T.masked_scatter(x, mask, v), lambda: real(2, 2), lambda: real(4))
    check(lambda x, v: x.index_put((mask,), v), lambda: real(2, 2), lambda: real(3))


def test_masks_that_are_mapped():
    mask = lambda: T.tensor(R.random((2, 3)) < 0.5)
    check(lambda x, m: T.masked_fill(x, m, 2.0), lambda: real(2, 3), mask)
    check(lambda x, m, v: T.masked_fill(x, m, v), lambda: real(2, 3), mask, lambda: real())
    check(lambda x, m, y: T.where(m, x, y), lambda: real(2, 3), mask, lambda: real(3))
    check(lambda x, m, v: T.masked_scatter(x, m, v), lambda: real(2, 3), mask, lambda: real(6))
    with pytest.raises(RuntimeError, match="source < number of ones"):
        vmap(T.masked_scatter)(real(2, 3), T.ones(2, 3, dtype=T.bool), real(2, 2))


DYNAMIC = {
    "nonzero": T.nonzero,
    "argwhere": T.argwhere,
    "where": lambda x: T.where(x > 0),
    "unique": T.unique,
    "unique along": lambda x: T.unique(x, dim=0),
    "unique_consecutive": T.unique_consecutive,
    "mask": lambda x: x[x > 0],
    "mask among others": lambda x: x[None, x > 0],
    "masked_select": lambda x: T.masked_select(x, x > 0),
    "write under a mask": lambda x: x.clone().index_put_((x > 0,), T.tensor(1.0, dtype=x.dtype)),
}


@pytest.mark.parametrize("name", cases(DYNAMIC, "argwhere"))
def test_results_of_no_fixed_shape(name):
    with pytest.raises(RuntimeError, match=r"dynamic shape|differently shaped"):
        vmap(DYNAMIC[name])(real(2, 3))
    with pytest.raises(RuntimeError, match=r"dynamic shape|differently shaped"):
        vmap(vmap(DYNAMIC[name]))(real(2, 2, 3))


@pytest.mark.wengert_only
def test_refuse_dynamic_names_the_call_and_lets_plain_tensors_pass():
    from wengert.core.batching import refuse_dynamic

    refuse_dynamic("anything", real(2))
    with pytest.raises(RuntimeError, match="anything"):
        vmap(lambda x: refuse_dynamic("anything", x))(real(2, 3))


@pytest.mark.wengert_only
def test_counts():
    few = lambda: below(4, 6)
    check(lambda i: T.bincount(i, minlength=5), few)
    i, w = T.tensor([[0, 1, 1], [3, 3, 0]]), real(2, 3)  # weights have no gradient, as in PyTorch
    count = lambda i, w: T.bincount(i, w, minlength=5)
    agree([vmap(count)(i, w)], looped(count, 2, [i, w], [True, True]))
    agree([vmap(count, (0, None))(i, w[0])], looped(count, 2, [i, w[0]], [True, False]))
    with pytest.raises(RuntimeError, match="dynamic shape"):
        vmap(T.bincount)(T.tensor([[0, 1], [3, 3]]))
    check(lambda x: T.histc(x, 4, -1, 1), lambda: real(7))
    check(lambda x: T.histc(x, 4), lambda: real(7))
    check(lambda x: tuple(T.histogram(x, 3)), lambda: real(7))
    check(lambda x: tuple(T.histogram(x, T.tensor([-1.0, 0, 2], dtype=x.dtype))), lambda: real(2, 3))
    check(lambda x, r: x.repeat_interleave(r, 0), lambda: real(3, 2), lambda: T.tensor(R.permutation([0, 1, 3])))
    with pytest.raises(RuntimeError, match="dynamic shape"):
        vmap(lambda x, r: x.repeat_interleave(r))(real(2, 2), T.tensor([[0, 1], [3, 3]]))


@pytest.mark.filterwarnings("ignore:torch.searchsorted")  # PyTorch on non-contiguous tensors
@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(right):
    ordered = lambda *shape: T.sort(real(*shape))[0]
    f = lambda s, v: T.searchsorted(s, v, right=right)
    check(f, lambda: ordered(5), lambda: real(3))
    check(f, lambda: ordered(5), lambda: real(2, 3))
    check(f, lambda: ordered(5), lambda: real())
    check(f, lambda: ordered(2, 5), lambda: real(2, 3))
    check(lambda v, s: T.bucketize(v, s, right=right), lambda: real(2, 2), lambda: ordered(4))
    sorter = lambda s, v: T.searchsorted(s, v, sorter=T.argsort(s))
    check(sorter, lambda: real(5), lambda: real(3))


# ------------------------------------------------------------------- examples without dims
ZERO_D = {
    "sum": lambda x: x.sum(), "sum dim": lambda x: x.sum(0), "sum keepdim": lambda x: x.sum(-1, keepdim=True),
    "mean": lambda x: x.mean(), "prod": lambda x: x.prod(), "prod dim": lambda x: x.prod(0),
    "var": lambda x: x.var(correction=0), "std": lambda x: (x.std(correction=0) + x), "logsumexp": lambda x: x.logsumexp(0),
    "max": lambda x: x.max(), "max dim": lambda x: tuple(x.max(0)), "amax": lambda x: x.amax(), "aminmax": lambda x: tuple(x.aminmax()),
    "argmax": lambda x: x.argmax(), "argmax dim": lambda x: x.argmax(0, keepdim=True), "all": lambda x: x.all(),
    "any": lambda x: x.any(0), "count_nonzero": lambda x: x.count_nonzero(), "norm": lambda x: x.norm(), "norm inf": lambda x: x.norm(float("inf")),
    "cumsum": lambda x: x.cumsum(0), "cumprod": lambda x: x.cumprod(0), "cummax": lambda x: tuple(x.cummax(0)), "logcumsumexp": lambda x: x.logcumsumexp(0),
    "sort": lambda x: tuple(x.sort()), "argsort": lambda x: x.argsort(), "topk": lambda x: tuple(x.topk(1)), "kthvalue": lambda x: tuple(x.kthvalue(1)),
    "median": lambda x: x.median(), "median dim": lambda x: tuple(x.median(0)), "nanmedian": lambda x: x.nanmedian(),
    "mode": lambda x: tuple(x.mode()), "quantile": lambda x: x.quantile(0.3), "quantile keepdim": lambda x: x.quantile(0.3, keepdim=True),
    "nansum": lambda x: x.nansum(), "flip": lambda x: x.flip(()), "roll": lambda x: x.roll(1), "repeat": lambda x: x.repeat(2, 2), "repeat none": lambda x: x.repeat(()),
    "expand": lambda x: x.expand(2, 3), "reshape": lambda x: x.reshape(1, 1), "stack": lambda x: T.stack([x, x * 2]),
    "cat": lambda x: T.cat([x.reshape(1), x.reshape(1)]), "diff": lambda x: x.reshape(1).diff(), "atleast_2d": T.atleast_2d,
    "einsum": lambda x: T.einsum(",->", x, x), "inner": lambda x: T.inner(x, x), "kron": lambda x: T.kron(x, x), "dist": lambda x: T.dist(x, 2 * x),
    "masked_fill": lambda x: x.masked_fill(x > 0, 2.0), "complex": lambda x: T.complex(x, x).abs(), "diag_embed": lambda x: T.diag_embed(x.reshape(1)),
    "broadcast": lambda x: T.stack(T.broadcast_tensors(x, T.ones(2, dtype=x.dtype))), "long": lambda x: x.long(),
}  # fmt: skip


@pytest.mark.parametrize("name", cases(ZERO_D, "roll"))
def test_examples_without_dims(name):
    check(ZERO_D[name], lambda: real())


# ------------------------------------------------------------------- no examples
NONE = {
    "sum": lambda x: x.sum(0), "prod": lambda x: x.prod(), "median": lambda x: x.median(), "sort": lambda x: x.sort()[0],
    "reshape": lambda x: x.reshape(-1), "flatten": lambda x: T.flatten(x), "index": lambda x: x[T.tensor([1, 0])],
    "gather": lambda x: x.gather(0, T.tensor([[0, 1, 1]])), "scatter": lambda x: x.scatter(0, T.tensor([[0, 1, 1]]), 1.0),
    "index_put": lambda x: x.index_put((T.tensor([1]),), x[:1]), "index_add": lambda x: x.index_add(0, T.tensor([1]), x[:1]),
    "take": lambda x: x.take(T.tensor([1, 5])), "roll": lambda x: x.roll(1), "quantile": lambda x: x.quantile(0.4), "trapezoid": lambda x: T.trapezoid(x, T.arange(3.0, dtype=x.dtype)),
    "einsum": lambda x: T.einsum("ij,kj->ik", x, x), "cdist": lambda x: T.cdist(x, x), "pad": lambda x: T.nn.functional.pad(x, (1, 1)),
    "block_diag": lambda x: T.block_diag(x, x), "unbind": lambda x: x.unbind(0)[1], "split": lambda x: x.split(2, 1)[0], "cov": lambda x: T.cov(x),
}  # fmt: skip


@pytest.mark.parametrize("name", cases(NONE, "prod", "median", "reshape", "take", "quantile", "block_diag"))
def test_a_batch_of_no_examples(name):
    f = NONE[name]
    one = f(real(2, 3))
    empty = T.zeros(0, 2, 3, dtype=T.float64)
    out = vmap(f)(empty)
    assert out.shape == (0, *one.shape)
    assert out.dtype is one.dtype
    assert vmap(grad(lambda x: f(x).sum()))(empty).shape == (0, 2, 3)
    assert vmap(vmap(f))(T.zeros(2, 0, 2, 3, dtype=T.float64)).shape == (2, 0, *one.shape)


# ------------------------------------------------------------------- maps inside maps
NESTED = {
    "index": (lambda x, i: x[i], (4, 2), (3,)),
    "index last": (lambda x, i: x[:, i], (2, 4), (3,)),
    "gather": (lambda x, i: x.gather(0, i), (4, 2), (3, 2)),
    "scatter_add": (lambda x, i: x.scatter_add(0, i, x[:3] * 2), (4, 2), (3, 2)),
    "index_add": (lambda x, i: x.index_add(0, i, x[:3].sin()), (4, 2), (3,)),
    "index_fill": (lambda x, i: x.index_fill(0, i, 0.5), (4, 2), (3,)),
    "take": (lambda x, i: x.take(i), (4, 1), (2, 2)),
    "two": (lambda x, i: x[i, i % 2], (4, 2), (3,)),
    "einsum": (lambda x, i: T.einsum("ab,cb->ac", x, x[i]), (4, 2), (3,)),
    "cat": (lambda x, i: T.cat([x, x[i]], 0), (4, 2), (3,)),
    "max": (lambda x, i: (x[i] * x[:3]).max(0).values, (4, 2), (3,)),
}


@pytest.mark.parametrize("name", cases(NESTED, "index_fill"))
@pytest.mark.parametrize("outer", [(0, 0), (1, None), (None, 1)])
@pytest.mark.parametrize("inner", [(0, 0), (-1, None), (None, 0)])
def test_nested_maps_with_mixed_dims(name, outer, inner):
    f, x, i = NESTED[name]
    sizes = 2, 3  # of the outer and of the inner map

    def made(draw, shape, k):
        """The input with its batch dims where the maps look for them."""
        shape = list(shape)
        if inner[k] is not None:
            shape.insert(inner[k] % (len(shape) + 1), sizes[1])
        if outer[k] is not None:
            shape.insert(outer[k], sizes[0])
        return draw(*shape)

    a, j = made(real, x, 0), made(lambda *s: below(4, *s), i, 1)
    pick = lambda t, d, n: t if d is None else t.select(d, n)
    example = lambda t, k, m, n: pick(pick(t, outer[k], m), inner[k], n)
    for h in (f, grad(lambda x, i: f(x, i).sin().sum())):
        rows = [
            T.stack([h(example(a, 0, m, n), example(j, 1, m, n)) for n in range(sizes[1])])
            for m in range(sizes[0])
        ]
        agree([vmap(vmap(h, inner), outer)(a, j)], [T.stack(rows)])


# ------------------------------------------------------------------- others
@pytest.mark.wengert_only
def test_losses_by_class_number():
    F = T.nn.functional
    labels = lambda: T.tensor([2, 0, -1, 1])
    check(lambda x, t: F.multi_margin_loss(x, t, reduction="none"), lambda: real(3, 4), lambda: below(4, 3))
    check(lambda x, t, w: F.multi_margin_loss(x, t, p=2, weight=w), lambda: real(4), lambda: below(4), lambda: T.tensor(R.random(4)))
    check(lambda x, t: F.multilabel_margin_loss(x, t), lambda: real(4), labels)
    check(lambda x, t: F.multilabel_margin_loss(x, t, reduction="none"), lambda: real(2, 4), lambda: below(4, 2, 4, low=-1))
    with pytest.raises(RuntimeError, match="target out of range"):
        vmap(F.multi_margin_loss)(real(2, 4), T.tensor([1, 4]))


@pytest.mark.wengert_only
def test_values_are_checked_for_all_examples():
    with pytest.raises(RuntimeError, match=r"q values must be in the range \[0, 1\]"):
        vmap(T.quantile)(real(2, 3), T.tensor([0.5, 1.5], dtype=T.float64))
    with pytest.raises(ValueError, match="var has negative"):
        vmap(T.nn.functional.gaussian_nll_loss)(real(2, 3), real(2, 3), T.tensor([[1.0, 1, 1], [1, -1, 1]], dtype=T.float64))


def test_constants_made_like_an_example():
    x = real(2, 3)
    for f in (T.zeros_like, T.ones_like, lambda a: T.full_like(a, 2), lambda a: a.new_zeros(4), lambda a: a.new_ones(2, 2),
              lambda a: a.new_full((3,), 7)):  # fmt: skip
        agree([vmap(f)(x)], looped(f, 2, [x], [True]))
        agree([vmap(vmap(f))(x)], looped(vmap(f), 2, [x], [True]))
    assert vmap(T.empty_like)(x).shape == (2, 3)
