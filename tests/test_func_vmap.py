"""vmap itself: where batches go in and come out, trees, chunks, randomness, and what it refuses."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import pytest
from against import REAL, raises, torch

vmap, grad = torch.func.vmap, torch.func.grad
Pair = namedtuple("Pair", "left right")


def three():
    return torch.arange(6.0).reshape(3, 2)


# ------------------------------------------------------------------- dims and trees
def test_A_148_in_dims_and_out_dims():
    x = torch.arange(24.0).reshape(2, 3, 4)
    for d in (0, 1, 2, -1):
        assert torch.equal(vmap(lambda t: t * 2, in_dims=d, out_dims=d)(x), x * 2)
    assert vmap(lambda t: t, in_dims=2, out_dims=1)(x).shape == (2, 4, 3)
    assert vmap(lambda t: (t, t.sum()), out_dims=(1, 0))(x)[0].shape == (3, 2, 4)


def test_A_148_none_shares_an_argument():
    x, y = three(), torch.tensor([10.0, 100.0])
    assert torch.equal(vmap(lambda a, b: a * b, in_dims=(0, None))(x, y), x * y)
    assert vmap(lambda a, n: a * n, in_dims=(0, None))(x, 3).tolist() == (x * 3).tolist()


def test_A_148_is_torch_vmap():
    assert torch.vmap is torch.func.vmap or torch.vmap(torch.sin)(three()).shape == (3, 2)


def test_A_148_trees_in_and_out():
    def f(tree, pair):
        return {"s": tree["a"] + pair.left, "l": [tree["b"][0], (pair.right,)]}

    tree = {"a": three(), "b": [torch.arange(3.0)]}
    got = vmap(f, in_dims=({"a": 0, "b": [0]}, Pair(0, None)))(tree, Pair(three(), torch.ones(2)))
    assert torch.equal(got["s"], three() * 2)
    assert got["l"][0].tolist() == [0.0, 1.0, 2.0]
    assert got["l"][1][0].shape == (3, 2)
    got = vmap(f, in_dims=(0, None))(tree, Pair(torch.ones(2), torch.ones(2)))
    assert got["s"].shape == (3, 2)
    ordered = OrderedDict(b=three(), a=three())
    assert list(vmap(lambda t: t)(ordered)) == ["b", "a"]


def test_A_148_keyword_arguments_are_the_same_for_all():
    x = three()
    assert vmap(lambda a, *, b: a * b)(x, b=x).shape == (3, 3, 2)


def test_A_148_chunks():
    x = torch.randn(7, 3)
    sizes = []

    def f(t):
        sizes.append(1)
        return t.sin(), t.sum()

    whole = vmap(f)(x)
    for n in (1, 2, 3, 7, 50):
        sizes.clear()
        parts = vmap(f, chunk_size=n)(x)
        assert len(sizes) == -(-7 // n)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(parts, whole, strict=True))


def test_unmapped_results_are_repeated():
    out = vmap(lambda x: torch.ones(2))(three())
    assert out.shape == (3, 2)
    assert vmap(lambda x: torch.ones(2), out_dims=None)(three()).shape == (2,)


def test_functions_see_one_example():
    seen = []

    def f(x):
        seen.append((tuple(x.shape), x.dim(), x.numel(), x.size(0), len(x), x.dtype, x.is_contiguous()))
        return x

    vmap(f)(torch.zeros(5, 4, 3))
    assert seen == [((4, 3), 2, 12, 4, 4, torch.float32, True)]


def test_A_148_empty_batch():
    if REAL:
        pytest.skip("PyTorch has it too, with shapes of its own")
    assert vmap(lambda x: x.sin() @ x)(torch.zeros(0, 3)).shape == (0,)


def test_promotion_is_that_of_examples():
    """A 0-d example gives way to one with dims, although the batch of it has a dim."""
    x = torch.ones(3, dtype=torch.float64)
    y = torch.ones(3, 2, dtype=torch.float32)
    assert vmap(lambda a, b: a * b)(x, y).dtype is torch.float32
    assert vmap(lambda a, b: a * b)(y[:, 0], x).dtype is torch.float64
    assert vmap(lambda a: a * 2.5)(torch.arange(3)).dtype is torch.float32


@pytest.mark.skipif(REAL, reason="PyTorch's vmap narrows first and gives zeros")
def test_division_of_integers_promotes_before_it_narrows():
    big = torch.tensor([2**40, 2**41])
    small = torch.tensor([[2, 4], [8, 16]], dtype=torch.int32)
    expected = torch.stack([a / b for a, b in zip(big, small, strict=True)])
    got = vmap(lambda a, b: a / b)(big, small)
    assert got.dtype is expected.dtype
    assert torch.equal(got, expected)


# ------------------------------------------------------------------- random numbers
def draws(mode, f, x=None):
    torch.manual_seed(0)
    return vmap(f, randomness=mode)(torch.zeros(3, 2) if x is None else x)


def test_A_148_randomness_same_and_different():
    torch.manual_seed(0)
    all_of_them = torch.randn(3, 2)
    assert torch.equal(draws("different", lambda x: x + torch.randn(2)), all_of_them)
    torch.manual_seed(0)
    one = torch.randn(2)
    assert torch.equal(draws("same", lambda x: x + torch.randn(2)), one.expand(3, 2))


def test_A_148_dropout_under_vmap():
    x = torch.ones(3, 4)
    drop = torch.nn.functional.dropout
    same = draws("same", drop, x)
    assert all(torch.equal(row, same[0]) for row in same)
    assert draws("different", drop, x).tolist() == [
        [0.0, 0.0, 2.0, 0.0],
        [0.0, 0.0, 2.0, 2.0],
        [0.0, 2.0, 2.0, 2.0],
    ]


def test_A_148_other_draws():
    x = torch.full((3, 4), 0.5)
    assert draws("different", torch.rand_like, x)[0, 0].item() == pytest.approx(0.4963, abs=1e-4)
    assert torch.equal(*draws("same", torch.rand_like, x)[:2])
    assert draws("different", lambda t: t.clone().normal_(), x).tolist()[0] != x.tolist()[0]
    assert torch.equal(*draws("same", lambda t: t.clone().normal_(), x)[:2])
    permutations = draws("different", lambda t: torch.randperm(5), x)
    assert permutations.tolist() == [[4, 0, 1, 3, 2], [3, 4, 0, 1, 2], [2, 4, 1, 3, 0]]


def test_draws_that_shared_tensors_steer_differ_too():
    p = torch.full((4,), 0.5)
    for f in (
        lambda x: x + torch.normal(p, 1.0),
        lambda x: x + torch.normal(p, p),
        lambda x: x + torch.normal(0.0, p),
        lambda x: x + torch.poisson(p * 100),
        lambda x: x + torch.bernoulli(torch.full((64,), 0.5)).sum(),
    ):
        a, b = draws("different", f, torch.zeros(2, 4))
        assert not torch.equal(a, b)
        a, b = draws("same", f, torch.zeros(2, 4))
        assert torch.equal(a, b)


def test_nested_randomness():
    x = torch.zeros(3, 2)

    def f(outer, inner):
        torch.manual_seed(0)
        return vmap(
            lambda row: vmap(lambda y: y + torch.randn(()), randomness=inner)(row), randomness=outer
        )(x)

    different = f("different", "different")
    assert len(set(different.flatten().tolist())) == 6
    rows = f("same", "different")
    assert torch.equal(rows[0], rows[1])
    assert rows[0, 0] != rows[0, 1]
    columns = f("different", "same")
    assert torch.equal(columns[:, 0], columns[:, 1])
    assert columns[0, 0] != columns[1, 0]


def test_A_148_randomness_errors():
    with raises(RuntimeError, "vmap: called random operation while in randomness error mode"):
        draws("error", lambda x: x + torch.randn(2))
    with raises(RuntimeError, "vmap: called random operation while in randomness error mode"):
        draws("error", torch.nn.functional.dropout)
    with raises(RuntimeError, "Only allowed values for randomness are 'error', 'different', or 'same'"):
        draws("perhaps", torch.sin)
    with raises(RuntimeError, "Cannot ask for different inplace randomness on an unbatched tensor"):
        draws("different", lambda x: torch.empty(2).normal_() + x)
    with raises(RuntimeError, "Vmap does not currently support same randomness with a batched tensor"):
        draws("same", torch.bernoulli, torch.full((3, 2), 0.5))


# ------------------------------------------------------------------- what is refused
ARGUMENT_ERRORS = {
    "in_dims_type": (lambda f, x: vmap(f, in_dims="a")(x), "expected `in_dims` to be int or a"),
    "in_dims_count": (
        lambda f, x: vmap(lambda a, b: a, in_dims=(0,))(x, x),
        "in_dims is not compatible with the structure of `inputs`",
    ),
    "in_dims_keys": (
        lambda f, x: vmap(f, in_dims=({"b": 0},))({"a": x}),
        "in_dims has structure TreeSpec(tuple, None, [TreeSpec(dict, ['b'], [*])])",
    ),
    "vmap_no_args": (lambda f, x: vmap(lambda: 1)(), "got no inputs. Maybe you forgot to add inputs"),
    "no_tensor": (lambda f, x: vmap(f, in_dims=(0,))(3), "We cannot vmap over non-Tensor arguments"),
    "out_of_range": (lambda f, x: vmap(f, in_dims=(5,))(x), "expected in_dim to satisfy -2 <= in_dim < 2."),
    "nothing_mapped": (lambda f, x: vmap(f, in_dims=(None,))(x), "Expected at least one Tensor to vmap over"),
    "vmap_size": (lambda f, x: vmap(lambda a, b: a)(x, x[:2]), "got sizes [3, 2] for the mapped dimension"),
    "in_dim_kind": (
        lambda f, x: vmap(lambda a, b: a, in_dims=(0, "a"))(x, x),
        "Got in_dim=a for an input but in_dim must be either an integer dimension or None.",
    ),
    "vmap_nontensor_out": (
        lambda f, x: vmap(lambda a: 3)(x),
        "must only return Tensors, got type <class 'int'>. Did you mean to set out_dims= to None",
    ),
    "out_dims_count": (
        lambda f, x: vmap(lambda a: (a, a), out_dims=(0,))(x),
        "out_dims is not compatible with the structure of `outputs`",
    ),
    "out_dims_none": (
        lambda f, x: vmap(f, out_dims=None)(x),
        "can not return a BatchedTensor when out_dim is None",
    ),
    "out_dims_type": (lambda f, x: vmap(f, out_dims="a")(x), "`out_dims` must be an int, None or a python"),
    "chunk_size": (lambda f, x: vmap(f, chunk_size=0)(x), "chunk_size should be None or greater than 0. (got 0)"),
}


@pytest.mark.parametrize("name", ARGUMENT_ERRORS)
def test_A_148_argument_errors(name):
    call, text = ARGUMENT_ERRORS[name]
    with raises(ValueError, text):
        call(lambda x: x, three())


def test_A_157_values_can_not_be_asked_for():
    x = three()
    with raises(RuntimeError, "vmap: It looks like you're calling .item() on a Tensor."):
        vmap(lambda t: t.sum().item())(x)
    with raises(RuntimeError, "use a Tensor in some data-dependent control flow"):
        vmap(lambda t: t if t.sum() > 0 else -t)(x)
    if not REAL:
        with raises(RuntimeError, "inside vmap a tensor stands for all examples at once"):
            vmap(lambda t: torch.tensor(t.numpy()))(x)


def test_A_157_no_backward_and_no_requires_grad_inside():
    x = three()
    with raises(RuntimeError, "backward() called inside a functorch transform"):
        grad(lambda t: (t.sum().backward(), t.sum())[1])(x)
    for transform in (grad, vmap):
        with raises(RuntimeError, "You are attempting to call Tensor.requires_grad_()"):
            transform(lambda t: t.requires_grad_().sum())(x)


def test_printing_shows_the_whole_batch():
    text = []
    vmap(lambda x: text.append(repr(x)) or x)(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert text == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[1., 2.],\n            [3., 4.]])\n)"]


def test_modules_under_vmap():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    x = torch.randn(5, 4)
    assert torch.allclose(vmap(net)(x), net(x), atol=1e-6)
