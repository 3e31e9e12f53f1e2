"""Rows of reductions, scans, norms, sorting and products of matrices."""

from wengert.testing.grid import Input, Row

A = (2, 3, 4)
D = Input((3, 4), "distinct")


def row(name, f, *shapes, inplace=None, **kw):
    """One row; a shape alone means real numbers of that shape."""
    inputs = [s if isinstance(s, Input) else Input(s) for s in shapes]
    return Row(name, f, inputs, inplace=inplace, **kw)


def both(name, *shapes, **kw):
    """A reduction over everything, over a dim, and over a kept dim."""
    return [
        row(name, lambda T, x: getattr(T, name)(x), A, **kw),
        row(f"{name}_dim", lambda T, x: getattr(T, name)(x, 1), A, **kw),
        row(f"{name}_keepdim", lambda T, x: getattr(T, name)(x, -1, keepdim=True), A, **kw),
        row(f"{name}_0d", lambda T, x: getattr(T, name)(x), (), **kw),
    ]


def picked(name):
    """A reduction that picks elements and also returns where they were."""
    return [
        row(name, lambda T, x: getattr(T, name)(x), D),
        row(f"{name}_dim", lambda T, x: getattr(T, name)(x, 1)[0], D),
        row(f"{name}_keepdim", lambda T, x: getattr(T, name)(x, 0, keepdim=True)[0], D),
    ]


M = (3, 4)
ROWS = [
    *both("sum", complex=True), *both("mean", complex=True), *both("nansum"), *both("nanmean"),
    row("sum_dims", lambda T, x: T.sum(x, (0, 2)), A),
    row("sum_empty", lambda T, x: T.sum(x, 0), (0, 3)),
    *both("prod"), row("prod_zeros", lambda T, x: T.prod(x * T.tensor([0.0, 1.0, 1.0], dtype=x.dtype), 1), (2, 3)),
    *picked("max"), *picked("min"), *picked("median"), *picked("nanmedian"),
    row("mode", lambda T, x: T.mode(x, 1)[0], D), row("kthvalue", lambda T, x: T.kthvalue(x, 2, 1)[0], D),
    row("amax", lambda T, x: T.amax(x, (0, 1)), D), row("amin", lambda T, x: T.amin(x, 1), D),
    row("aminmax", lambda T, x: T.aminmax(x, dim=1), D),
    row("quantile", lambda T, x: T.quantile(x, 0.3, 1), D),
    row("nanquantile", lambda T, x: T.nanquantile(x, 0.3), D),
    row("sort", lambda T, x: T.sort(x, 1)[0], D), row("sort_descending", lambda T, x: T.sort(x, 0, descending=True)[0], D),
    row("sort_stable", lambda T, x: T.sort(x, dim=0, stable=True)[0], D),
    row("msort", lambda T, x: T.msort(x), D), row("topk", lambda T, x: T.topk(x, 2, 1)[0], D),
    row("cumsum", lambda T, x: T.cumsum(x, 1), A, complex=True, inplace=lambda T, x: x.cumsum_(1)),
    row("cumprod", lambda T, x: T.cumprod(x, 1), A), row("cummax", lambda T, x: T.cummax(x, 1)[0], D),
    row("cummin", lambda T, x: T.cummin(x, 1)[0], D), row("logcumsumexp", lambda T, x: T.logcumsumexp(x, 1), A),
    row("diff", lambda T, x: T.diff(x, dim=1), A), row("trapezoid", lambda T, x, y: T.trapezoid(x, y), (5,), (5,)),
    row("trapezoid_dx", lambda T, x: T.trapezoid(x, dx=0.5, dim=0), M), row("trapezoid_even", lambda T, x: T.trapezoid(x, dim=0), M),
    row("cumulative_trapezoid", lambda T, x: T.cumulative_trapezoid(x), (5,)),
    row("var", lambda T, x: T.var(x), A), row("var_dim", lambda T, x: T.var(x, 1, correction=0), A),
    row("std", lambda T, x: T.std(x), A), row("std_dim", lambda T, x: T.std(x, (0, 2), keepdim=True), A),
    row("var_mean", lambda T, x: T.var_mean(x, 1), A), row("std_mean", lambda T, x: T.std_mean(x, 1), A),
    row("norm", lambda T, x: T.norm(x), A), row("norm_1", lambda T, x: T.norm(x, 1), A),
    row("norm_inf", lambda T, x: T.norm(x, float("inf")), D), row("norm_3_dim", lambda T, x: T.norm(x, 3, 1), A),
    row("norm_half", lambda T, x: T.norm(x, 0.5), Input((4,), "positive")),
    row("vector_norm", lambda T, x: T.linalg.vector_norm(x, 2, dim=(0, 1), keepdim=True), A),
    row("matrix_norm", lambda T, x: T.linalg.matrix_norm(x), A),
    row("nuclear_norm", lambda T, x: T.linalg.matrix_norm(x, "nuc"), M),
    row("dist", lambda T, x, y: T.dist(x, y, 3), M, M), row("logsumexp", lambda T, x: T.logsumexp(x, 1), A, complex=True),
    row("cov", lambda T, x: T.cov(x), M), row("corrcoef", lambda T, x: T.corrcoef(x), M),
    row("trace", lambda T, x: T.trace(x), M),
    # products
    row("mm", lambda T, x, y: T.mm(x, y), (2, 3), (3, 4), complex=True),
    row("mm_transposed", lambda T, x, y: x.t() @ y.t(), (3, 2), (4, 3)),
    row("bmm", lambda T, x, y: T.bmm(x, y), (2, 3, 4), (2, 4, 2), complex=True),
    row("mv", lambda T, x, y: T.mv(x, y), M, (4,)), row("dot", lambda T, x, y: T.dot(x, y), (4,), (4,), complex=True),
    row("vdot", lambda T, x, y: T.vdot(x, y), (4,), (4,), complex=True),
    row("inner", lambda T, x, y: T.inner(x, y), (2, 4), (3, 4)), row("outer", lambda T, x, y: T.outer(x, y), (2,), (3,)),
    row("matmul_vm", lambda T, x, y: x @ y, (3,), M), row("matmul_bm", lambda T, x, y: x @ y, A, (4, 5)),
    row("matmul_bb", lambda T, x, y: x @ y, (2, 1, 3, 4), (5, 4, 2)), row("matmul_bv", lambda T, x, y: x @ y, A, (4,)),
    row("matmul_vb", lambda T, x, y: x @ y, (3,), A), row("matmul_mb", lambda T, x, y: x @ y, (2, 3), A),
    row("addmm", lambda T, b, x, y: T.addmm(b, x, y, beta=0.5, alpha=2), (4,), (2, 3), (3, 4)),
    row("addmv", lambda T, b, x, y: T.addmv(b, x, y), (3,), M, (4,)),
    row("addr", lambda T, b, x, y: T.addr(b, x, y), M, (3,), (4,)),
    row("addbmm", lambda T, b, x, y: T.addbmm(b, x, y), (3, 2), (2, 3, 4), (2, 4, 2)),
    row("baddbmm", lambda T, b, x, y: T.baddbmm(b, x, y, beta=2), (3, 2), (2, 3, 4), (2, 4, 2)),
    row("einsum_mm", lambda T, x, y: T.einsum("ij,jk->ik", x, y), (2, 3), (3, 4), complex=True),
    row("einsum_three", lambda T, x, y, z: T.einsum("ij,jk,kl->il", x, y, z), (2, 3), (3, 4), (4, 2)),
    row("einsum_trace", lambda T, x: T.einsum("ii", x), (3, 3)), row("einsum_diagonal", lambda T, x: T.einsum("...ii->...i", x), (2, 3, 3)),
    row("einsum_batch", lambda T, x, y: T.einsum("bij,bjk->bik", x, y), (2, 3, 4), (2, 4, 2)),
    row("einsum_outer", lambda T, x, y: T.einsum("i,j->ji", x, y), (2,), (3,)),
    row("tensordot", lambda T, x, y: T.tensordot(x, y, 2), A, (3, 4, 2)), row("kron", lambda T, x, y: T.kron(x, y), (2, 2), (2, 3)),
    row("cross", lambda T, x, y: T.linalg.cross(x, y), (2, 3), (2, 3)),
    row("vecdot", lambda T, x, y: T.linalg.vecdot(x, y), M, M), row("multi_dot", lambda T, x, y, z: T.linalg.multi_dot([x, y, z]), (2, 3), (3, 4), (4, 2)),
    row("matrix_power", lambda T, x: T.matrix_power(x, 3), (3, 3)),
    row("linear", lambda T, x, w, b: T.nn.functional.linear(x, w, b), (2, 3), (4, 3), (4,), complex=True),
    row("linear_3d", lambda T, x, w, b: T.nn.functional.linear(x, w, b), A, (5, 4), (5,)),
    row("linear_3d_no_bias", lambda T, x, w: T.nn.functional.linear(x, w), A, (5, 4), complex=True),
    row("linear_1d", lambda T, x, w: T.nn.functional.linear(x, w), (3,), (4, 3)),
    row("bilinear", lambda T, x, y, w, b: T.nn.functional.bilinear(x, y, w, b), (2, 3), (2, 4), (5, 3, 4), (5,)),
]  # fmt: skip
