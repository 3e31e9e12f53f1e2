"""LU, LDL and Householder factorisations, singular matrices, repeated values, low rank, refusals."""

import numpy as np
import pytest
from against import raises, torch
from oracle import against_torch, numbers

L = torch.linalg
SHAPES = [(4, 4), (5, 3), (3, 5), (2, 40, 40), (2, 3, 33, 70)]


@pytest.mark.parametrize("k", range(len(SHAPES)))
@pytest.mark.parametrize("dtype", ["d", "D"])
def test_lu_multiplies_to_the_matrix(k, dtype):
    a = torch.tensor(numbers(0, *SHAPES[k], dtype=dtype))
    P, low, up = L.lu(a)
    np.testing.assert_allclose((P @ low @ up).numpy(), a.numpy(), rtol=1e-11, atol=1e-12)
    assert torch.equal(low.tril(), low)
    assert torch.equal(up.triu(), up)
    assert (torch.diagonal(low, dim1=-2, dim2=-1) == 1).all()
    assert (low.abs() <= 1 + 1e-12).all() or dtype == "D"
    LU, pivots = L.lu_factor(a)
    assert pivots.dtype is torch.int32
    for mine, theirs in zip(torch.lu_unpack(LU, pivots), (P, low, up)):
        assert torch.equal(mine, theirs)


def test_lu_by_hand():
    LU, pivots, info = L.lu_factor_ex(torch.tensor([[1.0, 2.0], [4.0, 4.0]]))
    assert LU.tolist() == [[4.0, 4.0], [0.25, 1.0]]
    assert pivots.tolist() == [2, 2]
    assert info.item() == 0
    P, low, up = torch.lu_unpack(LU, pivots, unpack_data=False)
    assert P.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert low.shape == up.shape == (0,)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve(left, adjoint):
    a = torch.tensor(numbers(0, 2, 1, 4, 4, dtype="D"))
    b = torch.tensor(numbers(1, 3, 4, 2, dtype="D"))
    b = b if left else b.mT
    x = L.lu_solve(*L.lu_factor(a), b, left=left, adjoint=adjoint)
    m = a.mH if adjoint else a
    np.testing.assert_allclose((m @ x if left else x @ m).numpy(), (b + 0 * x).numpy(), atol=1e-12)


def test_singular_matrices():
    zero, one = torch.zeros(2, 2), torch.eye(2)
    both = torch.stack([one, zero])
    said = "U[1,1] is zero and using it on lu_solve would result in a division by zero"
    with raises(RuntimeError, "torch.linalg.lu_factor: ", said):
        L.lu_factor(zero)
    with raises(RuntimeError, "torch.linalg.lu_factor: (Batch element 1): ", said):
        L.lu_factor(both)
    with raises(RuntimeError, "torch.linalg.lu_factor_ex: ", said):
        L.lu_factor_ex(zero, check_errors=True)
    assert L.lu_factor_ex(both).info.tolist() == [0, 1]
    assert L.inv_ex(both).info.tolist() == [0, 1]
    assert torch.equal(L.inv_ex(both).inverse[0], one)
    assert not L.inv_ex(both).inverse[1].isfinite().any()
    x, info = L.solve_ex(both, torch.ones(2, 2, 1))
    assert info.tolist() == [0, 1]
    assert x[0].tolist() == [[1.0], [1.0]]
    assert not x[1].isfinite().all()
    with raises(RuntimeError, "torch.linalg.solve: (Batch element 1): The solver failed because"):
        L.solve(both, torch.ones(2, 2, 1))
    with raises(RuntimeError, "linalg.inv: (Batch element 1): The diagonal element 1 is zero"):
        L.inv(both)
    # nearly singular is not singular
    near = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 2**-20]])
    assert L.inv_ex(near).info.item() == 0
    assert L.inv_ex(near).inverse[0, 1].item() == -(2.0**20)


def test_gradients_pass_by_singular_matrices():
    a = torch.stack([torch.eye(2), torch.zeros(2, 2)]).requires_grad_()
    L.inv_ex(a).inverse[0].sum().backward()
    assert a.grad[0].tolist() == [[-1.0, -1.0], [-1.0, -1.0]]


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_solve_triangular_reads_one_triangle(upper, unit):
    for n in (3, 70, 150):
        a = numbers(0, 2, n, n) / n + 2 * np.eye(n)
        b = numbers(1, n, 3)
        part = np.triu(a) if upper else np.tril(a)
        if unit:
            part[..., range(n), range(n)] = 1
        x = L.solve_triangular(torch.tensor(a), torch.tensor(b), upper=upper, unitriangular=unit)
        np.testing.assert_allclose(
            part @ x.numpy(), np.broadcast_to(b, x.shape), rtol=1e-9, atol=1e-10
        )
    assert not L.solve_triangular(torch.zeros(2, 2), torch.ones(2, 1), upper=upper).isfinite().any()


def test_ldl():
    for herm in (False, True):
        for seed in range(4):
            a = numbers(seed, 2, 6, 6, dtype="D")
            a = a + (np.conj(a) if herm else a).swapaxes(-1, -2)
            a[..., range(6), range(6)] *= 0.01  # asks for 2 x 2 blocks
            b = numbers(9, 6, 2, dtype="D")
            LD, pivots = L.ldl_factor(torch.tensor(a), hermitian=herm)
            assert (pivots < 0).any()
            x = L.ldl_solve(LD, pivots, torch.tensor(np.stack([b, b])), hermitian=herm)
            np.testing.assert_allclose(a @ x.numpy(), np.stack([b, b]), atol=1e-11)
    assert L.ldl_factor_ex(torch.zeros(2, 2)).info.item() == 1


def test_householder():
    a = torch.tensor(numbers(0, 5, 3))
    h, tau = torch.geqrf(a)
    Q = L.householder_product(h, tau)
    np.testing.assert_allclose((Q @ h[:3].triu()).numpy(), a.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((Q.mT @ Q).numpy(), np.eye(3), atol=1e-14)
    assert torch.equal(torch.orgqr(h, tau), Q)
    c = torch.tensor(numbers(1, 5, 2))
    both = torch.ormqr(h, tau, torch.ormqr(h, tau, c), transpose=True)
    np.testing.assert_allclose(both.numpy(), c.numpy(), rtol=1e-12, atol=1e-13)
    right = torch.ormqr(h, tau, c.mT.contiguous(), left=False, transpose=True)
    np.testing.assert_allclose(
        right.mT.numpy(), torch.ormqr(h, tau, c).numpy(), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("geqrf", lambda a: torch.geqrf(a)[0]),
        ("linalg_ldl_factor", lambda a: L.ldl_factor(a + a.mT)[0]),
        (
            "linalg_ldl_solve",
            lambda a: L.ldl_solve(torch.eye(3), torch.ones(3, dtype=torch.int32), a),
        ),
    ],
)
def test_what_has_no_derivative(name, call):
    a = torch.eye(3, requires_grad=True)
    with raises((RuntimeError, NotImplementedError), "derivative for", name, "is not implemented"):
        call(a).sum().backward()


@pytest.mark.parametrize("name", ["svdvals", "eigvalsh", "nuclear", "largest"])
def test_repeated_values_have_gradients_without_vectors(name):
    call = {
        "svdvals": lambda x: L.svdvals(x).sum(), "eigvalsh": lambda x: L.eigvalsh(x).sum(),
        "nuclear": lambda x: L.matrix_norm(x, "nuc"), "largest": lambda x: L.matrix_norm(x, 2) * 3,
    }[name]  # fmt: skip
    x = torch.eye(3, dtype=torch.float64, requires_grad=True)
    call(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3), atol=1e-12)


def test_repeated_values_have_no_gradients_of_vectors():
    for f in (lambda x: L.svd(x)[0].sum(), lambda x: L.eigh(x)[1].sum()):
        x = torch.eye(3, dtype=torch.float64, requires_grad=True)
        f(x).backward()
        assert not x.grad.isfinite().any()


def test_full_singular_vectors_forward():
    fwd = torch.autograd.forward_ad
    for shape in ((5, 3), (3, 5)):
        a, t = (torch.tensor(numbers(k, *shape)) for k in (0, 1))
        with fwd.dual_level():
            full = [fwd.unpack_dual(v).tangent for v in L.svd(fwd.make_dual(a, t))]
            thin = [
                fwd.unpack_dual(v).tangent for v in L.svd(fwd.make_dual(a, t), full_matrices=False)
            ]
        assert full[0].shape == (shape[0],) * 2
        assert full[2].shape == (shape[1],) * 2
        np.testing.assert_allclose(full[0][:, :3].numpy(), thin[0].numpy(), atol=1e-12)
        np.testing.assert_allclose(full[2][:3].numpy(), thin[2].numpy(), atol=1e-12)
        assert not full[0][:, 3:].any()


def test_cholesky_ex_counts_minors():
    a = torch.diag(torch.tensor([1.0, 2.0, -1.0, 3.0]))
    assert L.cholesky_ex(torch.stack([a, torch.eye(4)])).info.tolist() == [3, 0]
    with raises(
        RuntimeError, "(Batch element 0)", "the leading minor of order 3 is not positive-definite"
    ):
        L.cholesky(torch.stack([a, torch.eye(4)]))


def test_low_rank():
    torch.manual_seed(0)
    u, s, v = torch.svd_lowrank(torch.tensor(numbers(0, 30, 4) @ numbers(1, 4, 20)), q=4)
    np.testing.assert_allclose(
        (u * s @ v.mT).numpy(), numbers(0, 30, 4) @ numbers(1, 4, 20), atol=1e-10
    )
    x = torch.tensor(numbers(2, 50, 3)) * torch.tensor([10.0, 1.0, 0.1], dtype=torch.float64)
    u, s, v = torch.pca_lowrank(x, q=2)
    assert u.shape == (50, 2)
    assert abs(v[0, 0].item()) > 0.99
    with raises(ValueError, "q(=9) must be non-negative integer and not greater than min(m, n)=3"):
        torch.pca_lowrank(x, q=9)


def test_lobpcg():
    a = numbers(0, 12, 12)
    a = torch.tensor(a @ a.T)
    b = torch.diag(torch.linspace(1, 2, 12, dtype=torch.float64))
    values, vectors = torch.lobpcg(a, k=2, B=b, niter=-1)
    np.testing.assert_allclose((a @ vectors).numpy(), (b @ vectors * values).numpy(), atol=1e-4)
    assert values[0] > values[1]
    smallest = torch.lobpcg(a, k=1, largest=False, niter=-1)[0]
    np.testing.assert_allclose(smallest.numpy(), np.linalg.eigvalsh(a.numpy())[:1], atol=1e-5)
    with raises(ValueError, "LOBPCG algorithm is not applicable when the number of A rows (=12)"):
        torch.lobpcg(a, k=5)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_old_names():
    x = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    assert torch.frobenius_norm(x, (0, 1)).item() == 5.0
    assert torch.nuclear_norm(x).item() == 7.0
    assert L.diagonal(x).tolist() == [3.0, 4.0]
    solution, copy = torch.triangular_solve(torch.ones(2, 1), x)
    assert solution.tolist() == [[pytest.approx(1 / 3)], [0.25]]
    assert torch.equal(copy, x)
    with pytest.warns(UserWarning, match="torch.lu is deprecated"):
        assert len(torch.lu(x, get_infos=True)) == 3
    for name in ("eig", "symeig", "solve", "lstsq"):
        with raises(
            RuntimeError, "This function was deprecated since version 1.9 and is now removed"
        ):
            getattr(x, name)(*() if "eig" in name else (x,))


REFUSED = [
    (lambda a: L.lu(a, pivot=False), "LU without pivoting is not implemented on the CPU"),
    (lambda a: L.lu_factor(a[0]), "Expected tensor with 2 or more dimensions. Got size: [3] instead"),
    (lambda a: L.lu_solve(a, torch.ones(3), a), "pivots should be a Tensor of scalar type torch.int32"),
    (lambda a: L.lu_solve(a, torch.ones(3, dtype=torch.int32), a[:2]), "Incompatible shapes of A and B for the equation AX = B"),
    (lambda a: L.solve_triangular(a, a[:2], upper=True), "Incompatible shapes of A and B for the equation AX = B (3x3 and 2x3)"),
    (lambda a: L.householder_product(a[:2], a[0]), "input.shape[-2] must be greater than or equal to input.shape[-1]"),
    (lambda a: torch.ormqr(a, a[0], a[:2]), "torch.ormqr: other.shape[-2] must be"),
    (lambda a: L.ldl_factor(a[:2]), "must be batches of square matrices"),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(REFUSED)))
def test_refusals(k):
    call, said = REFUSED[k]
    with raises(RuntimeError, said):
        call(torch.ones(3, 3))


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_out_and_methods():
    a = torch.eye(3)
    out = torch.empty(3, 3)
    assert L.inv(a, out=out) is out
    LU, pivots = torch.empty(0), torch.empty(0, dtype=torch.int32)
    L.lu_factor(a, out=(LU, pivots))
    assert torch.equal(LU, a)
    assert torch.equal(a.lu_solve(LU, pivots), a)
    assert torch.equal(a.geqrf().a.triu().abs(), a)


def test_empty_matrices():
    assert L.lu(torch.ones(0, 3, 3)).U.shape == (0, 3, 3)
    assert L.lu_factor(torch.ones(0, 3)).pivots.shape == (0,)
    assert L.solve_triangular(torch.ones(2, 0, 0), torch.ones(2, 0, 3), upper=True).shape == (
        2,
        0,
        3,
    )


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["d", "D", "f"])
def test_against_torch(dtype):
    tolerance = 2e-3 if dtype == "f" else None
    for shape in ((4, 4), (5, 3), (3, 5), (2, 4, 4)):
        a = numbers(0, *shape, dtype=dtype)
        against_torch(lambda T, x: T.linalg.lu_factor(x), a, tolerance=tolerance)
        against_torch(lambda T, x: T.linalg.lu(x)[1:], a, names=False, tolerance=tolerance)
        against_torch(lambda T, x: T.geqrf(x.detach()), a, orders=0, tolerance=tolerance)
        against_torch(lambda T, x: T.linalg.qr(x), a, names=False, tolerance=tolerance)


@pytest.mark.torch
def test_same_random_basis_as_torch():
    def call(T, x):
        T.manual_seed(3)
        return [t.abs() for t in T.svd_lowrank(x, 2)] + [t.abs() for t in T.pca_lowrank(x, 2)]

    against_torch(call, numbers(0, 7, 5), orders=1, names=False)
