"""Rows of linear algebra, and of the layers that draw random numbers."""

from wengert.testing.grid import Input, Row

S = (3, 3)
DRAWN = dict.fromkeys(
    ("memory_layouts", "single_precision"),
    "the numbers drawn depend on memory layout and dtype, as in PyTorch",
)


def row(name, f, *shapes, inplace=None, **kw):
    """One row; a shape alone means real numbers of that shape."""
    inputs = [s if isinstance(s, Input) else Input(s) for s in shapes]
    return Row(name, f, inputs, inplace=inplace, **kw)


def well(T, x):
    """A well-conditioned matrix made of any square one."""
    return x @ x.mT + 2 * T.eye(x.shape[-1], dtype=x.dtype)


def symmetric(x):
    """A symmetric matrix with distinct eigenvalues, almost surely."""
    return x + x.mT


def seeded(f):
    """A call that starts from seed 0 every time."""

    def call(T, *xs):
        T.manual_seed(0)
        return f(T, *xs)

    return call


ROWS = [
    row("inv", lambda T, x: T.linalg.inv(well(T, x)), (2, 3, 3)), row("det", lambda T, x: T.linalg.det(x), S),
    row("slogdet", lambda T, x: T.linalg.slogdet(well(T, x))[1], S), row("logdet", lambda T, x: T.logdet(well(T, x)), S),
    row("solve", lambda T, x, y: T.linalg.solve(well(T, x), y), S, (3, 2)),
    row("solve_vector", lambda T, x, y: T.linalg.solve(well(T, x), y), S, (3,)),
    row("cholesky", lambda T, x: T.linalg.cholesky(well(T, x)), S),
    row("qr", lambda T, x: T.linalg.qr(well(T, x)), S),
    row("eigh", lambda T, x: T.linalg.eigh(symmetric(x))[0], S),
    row("eigh_vectors", lambda T, x: T.linalg.eigh(symmetric(x))[1].abs(), S),
    row("eigvalsh", lambda T, x: T.linalg.eigvalsh(symmetric(x)), S),
    row("svd", lambda T, x: T.linalg.svd(x, full_matrices=False)[1], (3, 4)),
    row("svdvals", lambda T, x: T.linalg.svdvals(x), (4, 3)),
    row("pinv", lambda T, x: T.linalg.pinv(x), (3, 2), torch_tolerance=1e-9),
    row("matrix_exp", lambda T, x: T.linalg.matrix_exp(x), S),
    row("eigvals", lambda T, x: T.linalg.eigvals(well(T, x)).real.sort()[0], S),
    row("lstsq", lambda T, x, y: T.linalg.lstsq(x, y)[0], (4, 2), (4, 3)),
    row("mm_of_transposed_stack", lambda T, x, y: x @ y.mT, (2, 3, 4), (5, 4)),
    row("rrelu_training", seeded(lambda T, x: T.nn.functional.rrelu(x, training=True)), (2, 3),
        gaps=dict.fromkeys(("vmap", "vmap_of_grad", "grad_of_vmap"), "under vmap numbers are also drawn where x > 0")),
    row("dropout", seeded(lambda T, x: T.nn.functional.dropout(x, 0.4)), (4, 5), gaps=DRAWN),
]  # fmt: skip
