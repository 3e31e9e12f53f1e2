"""Rows of the LU and related factorisations, and of what solves with them."""

from op_rows_linalg import row, well

S = (3, 3)
SEEDED = dict.fromkeys(("memory_layouts", "single_precision", "vmap", "vmap_of_grad", "grad_of_vmap"),
                       "the random basis depends on dtype and batch, as in PyTorch")  # fmt: skip


def triangle(T, x):
    """A triangular matrix with a diagonal away from zero."""
    return T.tril(x) + 2 * T.eye(x.shape[-1], dtype=x.dtype)


def symmetric(T, x):
    """A symmetric matrix with well separated eigenvalues."""
    n = x.shape[-1]
    return 0.2 * (x + x.mT) + T.diag(3.0 * T.arange(n, dtype=x.dtype))


def reflectors(T, x):
    """The shape of what geqrf returns, made of any matrix."""
    return T.linalg.householder_product(x, 0.3 * x[..., 0, :])


def seeded(f):
    """A call that starts from seed 0 every time."""

    def call(T, *xs):
        T.manual_seed(0)
        return f(T, *xs)

    return call


ROWS = [
    row("lu_factor", lambda T, x: T.linalg.lu_factor(x)[0], S, complex=True),
    row("lu_factor_tall", lambda T, x: T.linalg.lu_factor(x)[0], (2, 4, 3), complex=True),
    row("lu_factor_wide", lambda T, x: T.linalg.lu_factor(x)[0], (3, 5), complex=True),
    row("lu_factor_ex", lambda T, x: T.linalg.lu_factor_ex(x)[0], S, complex=True),
    row("lu", lambda T, x: T.linalg.lu(x)[1:], (2, 3, 3), complex=True),
    row("lu_tall", lambda T, x: T.linalg.lu(x)[1:], (4, 3), complex=True),
    row("lu_wide", lambda T, x: T.linalg.lu(x)[1:], (3, 4), complex=True),
    row("lu_unpack", lambda T, x: T.lu_unpack(*T.linalg.lu_factor(x))[1:], (4, 3), complex=True),
    row("lu_solve", lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x), y), S, (3, 2), complex=True),
    row("lu_solve_adjoint",
        lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x), y, adjoint=True), S, (2, 3, 2)),
    row("lu_solve_right",
        lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x), y, left=False), S, (2, 3), complex=True),
    row("solve_ex", lambda T, x, y: T.linalg.solve_ex(well(T, x), y)[0], S, (3, 2)),
    row("inv_ex", lambda T, x: T.linalg.inv_ex(well(T, x))[0], S),
    row("cholesky_ex", lambda T, x: T.linalg.cholesky_ex(well(T, x))[0], S),
    row("cholesky_solve", lambda T, x, y: T.cholesky_solve(y, triangle(T, x)), S, (3, 2), complex=True),
    row("cholesky_inverse", lambda T, x: T.cholesky_inverse(triangle(T, x)), S),
    *[row(f"solve_triangular_{'upper' if up else 'lower'}{'_unit' if unit else ''}",
          lambda T, x, y, up=up, unit=unit:
          T.linalg.solve_triangular(x.mT if up else x, y, upper=up, unitriangular=unit), S, (3, 2),
          complex=True)
      for up in (False, True) for unit in (False, True)],
    row("solve_triangular_right",
        lambda T, x, y: T.linalg.solve_triangular(x, y, upper=True, left=False), S, (2, 2, 3), complex=True),
    row("triangular_solve", lambda T, x, y: T.triangular_solve(y, x, transpose=True)[0], S, (3, 2), complex=True),
    row("householder_product", reflectors, (4, 3), complex=True),
    row("ormqr", lambda T, x, y: T.ormqr(x, 0.3 * x[..., 0, :], y), (4, 3), (4, 2), complex=True),
    row("ormqr_right", lambda T, x, y: T.ormqr(x, 0.3 * x[..., 0, :], y, False, True), (4, 3), (2, 4), complex=True),
    row("linalg_diagonal", lambda T, x: T.linalg.diagonal(x, offset=1) * 1, (2, 3, 4), complex=True),
    row("frobenius_norm", lambda T, x: T.frobenius_norm(x, (0, 1)), (3, 4), complex=True),
    row("torch_nuclear_norm", lambda T, x: T.nuclear_norm(x), (3, 4), complex=True),
    row("svd_full", lambda T, x: T.linalg.svd(x)[1], (3, 4)),
    row("svd_product", lambda T, x: (lambda f: f[0] @ (f[1].log()[:, None] * f[2]))(T.linalg.svd(x, False)),
        (4, 3)),
    row("qr_wide", lambda T, x: T.linalg.qr(x), (3, 5), complex=True),
    row("eig_vectors", lambda T, x: T.linalg.eig(symmetric(T, x))[1].abs(), S),
    row("lobpcg", lambda T, x: T.lobpcg(symmetric(T, x), 1, tol=1e-12)[0], S, torch_tolerance=1e-6),
    row("svd_lowrank", seeded(lambda T, x: T.svd_lowrank(x, 2)[1]), (4, 3), gaps=SEEDED),
    row("pca_lowrank", seeded(lambda T, x: T.pca_lowrank(x, 2)[1]), (4, 3), gaps=SEEDED),
    row("tensorsolve", lambda T, x, y: T.linalg.tensorsolve(well(T, x).reshape(2, 2, 4), y), (4, 4), (2, 2)),
    row("tensorinv", lambda T, x: T.linalg.tensorinv(well(T, x).reshape(4, 2, 2), 1), (4, 4)),
    row("matrix_power_negative", lambda T, x: T.linalg.matrix_power(well(T, x), -2), S),
    row("linalg_vander", lambda T, x: T.linalg.vander(x, N=4), (2, 3), complex=True),
    row("matrix_norm_nuc", lambda T, x: T.linalg.matrix_norm(x, "nuc"), (2, 3, 4)),
    row("matrix_norm_2", lambda T, x: T.linalg.matrix_norm(x, 2), (3, 4)),
]  # fmt: skip
