"""Products of matrices, einsum, norms of matrices, factorisations: forms, layouts, dtypes, errors."""

from __future__ import annotations

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from oracle import against_torch, numbers

F = torch.nn.functional
inf = float("inf")


def well(seed, *shape, dtype="d"):
    """Matrices that are far from singular."""
    return (numbers(seed, *shape, dtype=dtype) + 3 * np.eye(shape[-1])).astype(dtype)


def definite(T, x):
    """A positive-definite matrix made of any."""
    return x @ x.mH + T.eye(x.shape[-1], dtype=x.dtype)


# ------------------------------------------------------------------- matmul
SHAPES = {
    "mm": ((2, 3), (3, 4)), "mv": ((2, 3), (3,)), "vm": ((3,), (3, 2)), "dot": ((3,), (3,)),
    "rows": ((2, 2, 3), (3, 4)), "rows_v": ((2, 2, 3), (3,)), "stacks": ((2, 2, 3), (2, 3, 2)),
    "broadcast": ((5, 1, 2, 3), (4, 3, 2)), "matrix_stack": ((2, 3), (4, 3, 2)),
    "vector_stack": ((3,), (4, 3, 2)), "empty_inner": ((2, 0), (0, 3)), "empty": ((0, 3), (3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_matmul_is_numpys(case):
    a, b = (numbers(k, *s) for k, s in enumerate(SHAPES[case]))
    for got in (torch.tensor(a) @ torch.tensor(b), torch.matmul(torch.tensor(a), torch.tensor(b))):
        want = a @ b
        assert got.shape == np.shape(want)
        np.testing.assert_allclose(got.numpy(), want)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "e", "D"])
@pytest.mark.parametrize("case", SHAPES)
def test_matmul_against_torch(case, dtype):
    a, b = (numbers(k, *s, dtype=dtype) for k, s in enumerate(SHAPES[case]))
    # a matrix against a stack is one more transposed product in PyTorch
    against_torch(lambda T, x, y: x @ y, a, b, names=case != "matrix_stack")


@pytest.mark.torch
def test_matmul_of_transposed_operands_against_torch():
    a, b = numbers(0, 4, 3), numbers(1, 4, 5)
    against_torch(lambda T, x, y: x.t() @ y, a, b)
    against_torch(lambda T, x, y: y.t() @ x, a, b)
    against_torch(lambda T, x, y: (x.t() @ y).t() @ x.t(), a, b)


def test_matmul_names():
    def leaf(*shape):
        return torch.ones(*shape, requires_grad=True)

    names = {
        "MmBackward0": leaf(2, 3) @ leaf(3, 2),
        "MvBackward0": leaf(2, 3) @ leaf(3),
        "SqueezeBackward4": leaf(3) @ leaf(3, 2),
        "DotBackward0": leaf(3) @ leaf(3),
        "UnsafeViewBackward0": leaf(2, 2, 3) @ leaf(3, 2),
        "BmmBackward0": torch.bmm(leaf(2, 2, 3), leaf(2, 3, 2)),
        "AddmmBackward0": F.linear(leaf(2, 3), leaf(4, 3), leaf(4)),
        "ViewBackward0": F.linear(leaf(2, 2, 3), leaf(4, 3), leaf(4)),
    }
    for name, y in names.items():
        assert type(y.grad_fn).__name__ == name


@pytest.mark.wengert_only
def test_numpy_arrays_take_part_in_matmul():
    a = np.ones((2, 3), "f")
    x = torch.ones(3, 2, requires_grad=True)
    assert (a @ x).tolist() == [[3, 3], [3, 3]]
    assert (x @ a).shape == (3, 3)
    (a @ x).sum().backward()
    assert x.grad.tolist() == [[2, 2]] * 3


def test_gradients_come_in_the_layout_of_their_leaf():
    for weight in (torch.ones(4, 3), torch.ones(3, 4).t()):
        w = weight.requires_grad_()
        (torch.ones(2, 3) @ w.t()).sum().backward()
        assert w.grad.stride() == w.stride()
        w.grad = None
        F.linear(torch.ones(2, 3), w).sum().backward()
        assert w.grad.stride() == w.stride()


def test_only_what_the_gradient_needs_is_saved():
    x, w = torch.ones(2, 3), torch.ones(3, 2, requires_grad=True)
    y = x @ w
    with torch.no_grad():
        w.mul_(2)  # the rule of w looks at x alone
    y.sum().backward()
    assert w.grad.tolist() == [[2, 2]] * 3


def test_half_precision_products_accumulate_in_single():
    a = torch.full((4, 4096), 0.01, dtype=torch.float16)
    got = (a @ a.t())[0, 0]
    assert got.dtype is torch.float16
    assert got.item() == pytest.approx(0.4096, rel=2e-3)
    assert torch.einsum("ij,kj->ik", a, a).dtype is torch.float16


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "D"])
def test_products_of_vectors_against_torch(dtype):
    v, w = numbers(0, 3, dtype=dtype), numbers(1, 4, dtype=dtype)
    against_torch(lambda T, x, y: T.outer(x, y), v, w)
    against_torch(lambda T, x, y: T.ger(x, y), v, w)
    against_torch(lambda T, x, y: T.vdot(x, y), v, w[:3])
    against_torch(lambda T, x, y: T.inner(x, y), numbers(2, 2, 3, dtype=dtype), v)
    against_torch(lambda T, x, y: T.linalg.vecdot(x, y), numbers(2, 2, 3, dtype=dtype), v)
    against_torch(lambda T, x, y: T.linalg.cross(x, y), numbers(2, 2, 3, dtype=dtype), v[None])
    against_torch(lambda T, x, y: T.kron(x, y), numbers(3, 2, 3, dtype=dtype), w)
    against_torch(
        lambda T, x, y: T.tensordot(x, y, 1), numbers(3, 2, 3, dtype=dtype), v, names=False
    )
    against_torch(
        lambda T, x, y: T.tensordot(x, y, ([0, -1], [1, 0])),
        numbers(3, 2, 3, 4, dtype=dtype), numbers(4, 4, 2, 5, dtype=dtype),
    )  # fmt: skip


def test_tensordot_takes_a_tensor_of_dims_and_inner_scales():
    x = torch.arange(6.0).reshape(2, 3)
    assert torch.tensordot(x, x, torch.tensor([[1], [1]])).tolist() == [[5, 14], [14, 50]]
    assert torch.inner(x, torch.tensor(2.0)).tolist() == [[0, 2, 4], [6, 8, 10]]


def test_cross_without_a_dim_warns():
    x = torch.eye(3)
    with collected_warnings() as caught:
        torch.cross(x, x.flip(0))
    assert "Using torch.cross without specifying the dim arg is deprecated" in str(
        caught[0].message
    )


# ------------------------------------------------------------------- fused products
@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "e", "D"])
def test_linear_against_torch(dtype):
    w, b = numbers(0, 4, 3, dtype=dtype), numbers(1, 4, dtype=dtype)

    def linear(T, *args):
        return T.nn.functional.linear(*args)

    for shape in ((2, 3), (2, 2, 3), (3,), (0, 3)):
        x = numbers(2, *shape, dtype=dtype)
        against_torch(linear, x, w, b)
        against_torch(linear, x, w)
    against_torch(linear, numbers(2, 2, 3, dtype=dtype), w, b[:1])
    against_torch(linear, numbers(2, 2, 3, dtype=dtype), w[0])


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "e", "D"])
def test_products_that_add_against_torch(dtype):
    def n(seed, *shape):
        return numbers(seed, *shape, dtype=dtype)

    factors = {"beta": 0.5, "alpha": 2.0}
    against_torch(lambda T, i, x, y: T.addmm(i, x, y), n(0, 4), n(1, 2, 3), n(2, 3, 4))
    against_torch(
        lambda T, i, x, y: T.addmm(i, x, y, **factors), n(0, 2, 1), n(1, 2, 3), n(2, 3, 4)
    )
    against_torch(lambda T, i, x, y: T.addmv(i, x, y, **factors), n(0, 2), n(1, 2, 3), n(2, 3))
    against_torch(lambda T, i, x, y: T.addr(i, x, y, **factors), n(0, 2, 3), n(1, 2), n(2, 3))
    against_torch(
        lambda T, i, x, y: T.addbmm(i, x, y, **factors), n(0, 3, 2), n(1, 5, 3, 4), n(2, 5, 4, 2)
    )
    against_torch(
        lambda T, i, x, y: T.baddbmm(i, x, y, **factors), n(0, 2), n(1, 5, 3, 4), n(2, 5, 4, 2)
    )


def test_beta_zero_ignores_nan_and_in_place_forms_write():
    nans = torch.full((2, 2), float("nan"))
    eye = torch.eye(2)
    assert torch.addmm(nans, eye, eye, beta=0).tolist() == [[1, 0], [0, 1]]
    x = torch.ones(2, 2)
    assert x.addmm_(eye, eye, alpha=2) is x
    assert x.tolist() == [[3, 1], [1, 3]]
    out = torch.empty(2, 2)
    assert torch.mm(x, eye, out=out) is out
    assert out.tolist() == x.tolist()
    counts = torch.ones(2, 2, dtype=torch.int64)
    assert torch.addmm(counts, counts, counts, beta=2, alpha=3).tolist() == [[8, 8], [8, 8]]


# ------------------------------------------------------------------- einsum
EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ba", (2, 3)),
    ("ij->", (2, 3)), ("ij->i", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("iii->i", (3, 3, 3)),
    ("abab->ab", (2, 3, 2, 3)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)), ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)), ("ij,j->i", (2, 3), (3,)),
    ("ij,j->i", (2, 3), (1,)), ("ij,->ij", (2, 3), ()), ("iij,jk->ik", (2, 2, 3), (3, 4)),
    ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)), ("aab,bcc->ac", (2, 2, 3), (3, 4, 4)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)), ("i...->...i", (2, 3, 4)),
    ("...a,...b->...", (2, 3), (2, 3)), ("...", (2, 3)), ("ij,kl->", (2, 3), (2, 3)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 2), (2, 2)), ("a,b,c,d->abcd", (2,), (3,), (2,), (3,)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 4), (4, 2), (2, 3)), ("ik,jkl,il->ij", (2, 3), (4, 3, 2), (2, 2)),
    ("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)), ("i j -> j i", (2, 3)),
]  # fmt: skip
IDS = [f"{n}: {e[0]}" for n, e in enumerate(EQUATIONS)]


@pytest.mark.parametrize(("equation", "shapes"), [(e[0], e[1:]) for e in EQUATIONS], ids=IDS)
def test_einsum_is_numpys(equation, shapes):
    arrays = [numbers(k, *s) for k, s in enumerate(shapes)]
    got = torch.einsum(equation, *(torch.tensor(a) for a in arrays))
    want = np.einsum(equation, *arrays)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "D"])
@pytest.mark.parametrize(("equation", "shapes"), [(e[0], e[1:]) for e in EQUATIONS], ids=IDS)
def test_einsum_against_torch(equation, shapes, dtype):
    arrays = [numbers(k, *s, dtype=dtype) for k, s in enumerate(shapes)]
    against_torch(lambda T, *xs: T.einsum(equation, *xs), *arrays, names=False)


def test_einsum_other_forms():
    x, y = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(3, 4)
    product = (x @ y).tolist()
    assert torch.einsum(x, [0, 1], y, [1, 2], [0, 2]).tolist() == product
    assert torch.einsum(x, [0, 1], y, [1, 2]).tolist() == product
    assert torch.einsum("ij,jk->ik", [x, y]).tolist() == product
    assert torch.einsum(x, [0, ...], [...]).tolist() == [3, 5, 7]
    names = {
        "ViewBackward0": "ij,jk->ik", "MulBackward0": "ij,jk->ijk", "SumBackward1": "ij,jk->",
    }  # fmt: skip
    leaf = torch.ones(2, 3, requires_grad=True)
    for name, equation in names.items():
        if name != "SumBackward1":
            assert type(torch.einsum(equation, leaf, y).grad_fn).__name__ == name
    assert type(torch.einsum("ij->", leaf).grad_fn).__name__ == "SumBackward1"
    assert type(torch.einsum("ij->ji", leaf).grad_fn).__name__ == "PermuteBackward0"


# ------------------------------------------------------------------- inverses and factorisations
@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "f", "D"])
@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "stack"])
class TestAgainstTorch:
    def test_inverses(self, lead, dtype):
        a = well(0, *lead, 3, 3, dtype=dtype)
        against_torch(lambda T, x: T.linalg.inv(x), a)
        against_torch(lambda T, x: T.linalg.det(x), a)
        against_torch(lambda T, x: T.linalg.slogdet(x), a)
        against_torch(lambda T, x: T.logdet(definite(T, x)), a, names=False)
        against_torch(lambda T, x: T.linalg.matrix_power(x, -2), a, names=False)

    def test_solutions(self, lead, dtype):
        a, b = well(0, *lead, 3, 3, dtype=dtype), numbers(1, *lead, 3, 2, dtype=dtype)
        against_torch(lambda T, x, y: T.linalg.solve(x, y), a, b)
        against_torch(lambda T, x, y: T.linalg.solve(x, y[..., 0]), a, b)
        against_torch(lambda T, x, y: T.linalg.solve(x, y.mT, left=False), a, b, names=False)
        against_torch(
            lambda T, x, y: T.linalg.solve_triangular(x, y, upper=True), a, b, names=False
        )
        against_torch(
            lambda T, x, y: T.linalg.solve_triangular(x, y, upper=False, unitriangular=True), a, b,
            names=False,
        )  # fmt: skip
        tall = numbers(2, *lead, 4, 3, dtype=dtype)
        against_torch(
            lambda T, x, y: T.linalg.lstsq(x, y).solution,
            tall,
            numbers(3, *lead, 4, 2, dtype=dtype),
        )

    def test_pseudoinverses(self, lead, dtype):
        for shape in ((3, 3), (4, 3), (2, 3)):
            against_torch(lambda T, x: T.linalg.pinv(x), numbers(4, *lead, *shape, dtype=dtype))
            against_torch(
                lambda T, x: T.linalg.matrix_rank(x), numbers(4, *lead, *shape, dtype=dtype)
            )

    def test_cholesky(self, lead, dtype):
        a, b = numbers(0, *lead, 3, 3, dtype=dtype), numbers(1, *lead, 3, 2, dtype=dtype)
        against_torch(lambda T, x: T.linalg.cholesky(definite(T, x)), a)
        against_torch(lambda T, x: T.linalg.cholesky(definite(T, x), upper=True), a, names=False)
        against_torch(
            lambda T, x, y: T.cholesky_solve(y, T.linalg.cholesky(definite(T, x))),
            a,
            b,
            names=False,
        )
        against_torch(
            lambda T, x: T.cholesky_inverse(T.linalg.cholesky(definite(T, x))), a, names=False
        )

    def test_qr(self, lead, dtype):
        for shape in ((4, 3), (3, 3), (2, 3)):
            a = numbers(0, *lead, *shape, dtype=dtype)
            # what does not depend on the phases of the columns of Q
            against_torch(lambda T, x: [t.abs() ** 2 for t in T.linalg.qr(x)], a, names=False)

    def test_eigenvalues(self, lead, dtype):
        a = numbers(0, *lead, 3, 3, dtype=dtype)
        against_torch(lambda T, x: T.linalg.eigvalsh(definite(T, x)), a)
        against_torch(
            lambda T, x: [t.abs() ** 2 for t in T.linalg.eigh(definite(T, x))], a, names=False
        )
        if dtype != "f":
            apart = well(1, *lead, 3, 3, dtype=dtype) + np.diag([1, 2, 9]).astype(dtype)

            def invariant(T, x):
                values, vectors = T.linalg.eig(x)
                return [values.sum(-1), (vectors.abs() ** 2 * values[..., None, :]).sum(-1)]

            against_torch(invariant, apart, names=False)

    def test_singular_values(self, lead, dtype):
        def invariant(T, x):
            U, S, Vh = T.linalg.svd(x, full_matrices=False)
            return [U.abs() ** 2, S, Vh.abs() ** 2, U @ Vh]

        for shape in ((3, 3), (4, 3), (2, 3)):
            a = numbers(0, *lead, *shape, dtype=dtype)
            against_torch(lambda T, x: T.linalg.svdvals(x), a)
            against_torch(lambda T, x: T.linalg.svd(x).S, a)
            against_torch(invariant, a, names=False)

    def test_matrix_exponential(self, lead, dtype):
        a = numbers(0, *lead, 3, 3, dtype=dtype)
        against_torch(lambda T, x: T.linalg.matrix_exp(x), a)
        against_torch(
            lambda T, x: T.linalg.matrix_exp(4 * x), a, tolerance=1e-2 if dtype == "f" else None
        )


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "D"])
def test_chains_powers_and_conditions_against_torch(dtype):
    shapes = ((2, 5), (5, 3), (3, 4), (4, 2))
    chain = [numbers(k, *s, dtype=dtype) for k, s in enumerate(shapes)]
    against_torch(lambda T, *xs: T.linalg.multi_dot(xs), *chain)
    for n in (1, 2, 3, 5):
        against_torch(lambda T, x, n=n: T.matrix_power(x, n), numbers(0, 3, 3, dtype=dtype))
    against_torch(lambda T, x: T.linalg.cond(x), well(0, 3, 3, dtype=dtype), names=False)
    against_torch(lambda T, x: T.linalg.vander(x), numbers(0, 2, 3, dtype=dtype), names=False)
    against_torch(
        lambda T, x: T.linalg.tensorinv(x, 1), numbers(0, 4, 2, 2, dtype=dtype), names=False
    )
    against_torch(
        lambda T, x, y: T.linalg.tensorsolve(x, y),
        numbers(0, 2, 2, 4, dtype=dtype), numbers(1, 2, 2, dtype=dtype), names=False,
    )  # fmt: skip


def test_special_matrices():
    flat = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    torch.linalg.det(flat).backward()
    assert flat.grad.tolist() == [[0, 0], [0, 0]]
    assert torch.linalg.matrix_power(torch.ones(2, 2), 0).tolist() == [[1, 0], [0, 1]]
    assert torch.logdet(-torch.eye(1)).isnan().item()
    info = torch.linalg.inv_ex(torch.zeros(2, 2)).info
    assert info.dtype is torch.int32
    assert info.item() == 1
    assert torch.linalg.cholesky_ex(-torch.eye(2)).info.item() == 1
    Q, R = torch.linalg.qr(torch.ones(3, 2), mode="complete")
    assert Q.shape == (3, 3)
    assert R.shape == (3, 2)
    assert repr(torch.linalg.slogdet(torch.eye(2))) == (
        "torch.return_types.linalg_slogdet(\nsign=tensor(1.),\nlogabsdet=tensor(0.))"
    )


@pytest.mark.parametrize(
    ("source", "error", "phrase"),
    [
        ("a @ a", RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        ("torch.mm(a, b)", RuntimeError, "shapes cannot be multiplied (2x3 and 4x3)"),
        ("a[0] @ a", RuntimeError, "shapes cannot be multiplied (1x3 and 2x3)"),
        ("a @ b.t().double()", RuntimeError, "to have the same dtype, but got: float != double"),
        ("torch.mm(a, b.t().long())", RuntimeError, "but got: float != long int"),
        ("a @ a[:, 0]", RuntimeError, "size mismatch, got input (2), mat (2x3), vec (2)"),
        ("a[0] @ a[0, :2]", RuntimeError, "inconsistent tensor size, expected tensor [3] and src"),
        ("a @ torch.tensor(1.)", RuntimeError, "both arguments to matmul need to be at least 1D"),
        ("a @ 3", TypeError, "unsupported operand type(s) for @: 'Tensor' and 'int'"),
        ("3 @ a", TypeError, "unsupported operand type(s) for @: 'int' and 'Tensor'"),
        ("torch.matmul(a, 2)", TypeError, "argument 'other' (position 2) must be Tensor, not int"),
        ("torch.mm(a[0], a)", RuntimeError, "self must be a matrix"),
        ("torch.bmm(a, a)", RuntimeError, "batch1 must be a 3D tensor"),
        ("torch.bmm(c, c)", RuntimeError, "Expected size for first two dimensions of batch2"),
        ("c @ c[:1].mT.expand(3, 3, 2)", RuntimeError, "The size of tensor a (2) must match"),
        ("torch.dot(a, a)", RuntimeError, "1D tensors expected, but got 2D and 2D tensors"),
        ("torch.mv(a, a)", RuntimeError, "vector + matrix @ vector expected, got 1, 2, 2"),
        ("torch.outer(a, a[0])", RuntimeError, "outer: Expected 1-D argument self, but got 2-D"),
        ("torch.addmm(a, a, a)", RuntimeError, "cannot be multiplied (2x3 and 2x3)"),
        ("torch.addmm(a, a, b.t())", RuntimeError, "must match the existing size (3)"),
        ("torch.addmm(a, a, torch.ones(3, 3).double())", RuntimeError, "must have the same dtype"),
        ("F.linear(a, b.t())", RuntimeError, "shapes cannot be multiplied (2x3 and 4x3)"),
        ("F.linear(a, b, torch.ones(5))", RuntimeError, "The expanded size of the tensor (4) must"),
        ("F.linear(a, b.double())", RuntimeError, "expected m1 and m2 to have the same dtype"),
        ("torch.einsum('ij,jk', a, a)", RuntimeError, "subscript j has size 2 for operand 1 which"),
        ("torch.einsum('ii', a)", RuntimeError, "is repeated for operand 0 but the sizes don't"),
        ("torch.einsum('ij->ijk', a)", RuntimeError, "output subscript k does not appear"),
        ("torch.einsum('ij->ii', a)", RuntimeError, "appears more than once in the output"),
        ("torch.einsum('ij', a, a)", RuntimeError, "more operands were provided than specified"),
        ("torch.einsum('ij,', a)", RuntimeError, "fewer operands were provided than specified"),
        ("torch.einsum('ijk', a)", RuntimeError, "does not match the number of dimensions (2)"),
        ("torch.einsum('i?', a)", RuntimeError, "invalid subscript given at index 1"),
        ("torch.einsum('i.j', a)", RuntimeError, "found '.' for operand 0"),
        ("torch.einsum('ij', 3)", TypeError, "expected Tensor as element 0 in argument 1"),
        ("torch.einsum('ij')", ValueError, "must specify the equation string and at least one"),
        ("torch.tensordot(a, a, 1)", RuntimeError, "contracted dimensions need to match, but"),
        ("torch.linalg.inv(a)", RuntimeError, "A must be batches of square matrices, but they are"),
        ("torch.linalg.inv(torch.zeros(2, 2))", RuntimeError, "the input matrix is singular"),
        ("torch.linalg.solve(torch.zeros(2, 2), a)", RuntimeError, "input matrix is singular"),
        ("torch.linalg.solve(torch.eye(2), b)", RuntimeError, "Incompatible shapes of A and B"),
        ("torch.linalg.cholesky(-torch.eye(2))", RuntimeError, "the leading minor of order 1 is"),
        ("torch.linalg.qr(a, 'bad')", RuntimeError, "qr received unrecognized mode 'bad'"),
        ("torch.linalg.multi_dot([a])", RuntimeError, "expected at least 2 tensors but got 1"),
        ("torch.linalg.cross(a, a, dim=0)", RuntimeError, "must have length 3. Got 2 and 2"),
        ("torch.matrix_power(a, 2)", RuntimeError, "A must be batches of square matrices"),
        ("torch.linalg.matrix_norm(a, 3)", RuntimeError, "Order 3 not supported"),
    ],
)
def test_errors(source, error, phrase):
    names = {"a": torch.ones(2, 3), "b": torch.ones(4, 3), "c": torch.ones(2, 2, 3)}
    with raises(error, phrase):
        eval(source, {**names, "torch": torch, "F": F})


def test_linalg_errors_have_their_own_class():
    if not REAL:
        assert torch.linalg.LinAlgError.__name__ == "LinAlgError"
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.inv(torch.zeros(2, 2))
