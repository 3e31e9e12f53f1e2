"""Rows of draws by rejection, made repeatable by a generator that every call seeds anew."""

from wengert.testing.grid import Input, Row

A = (2, 3)
ZERO = dict.fromkeys(
    ("first_order", "second_order", "forward_mode", "forward_over_reverse"),
    "PyTorch defines the derivative as zero, although the value moves with the parameter",
)
# the derivative of the derivative is refused, as in PyTorch; the values of implicit derivatives are
# compared with differences at a fixed quantile in tests/test_sampling.py
IMPLICIT = dict.fromkeys(
    ("first_order", "forward_mode", "second_order", "forward_over_reverse"),
    "the derivative is that at a fixed quantile, not that of the rejection method; tests/test_sampling.py",
)
EXAMPLES = dict.fromkeys(
    ("vmap", "vmap_of_grad", "grad_of_vmap"),
    "examples draw from one stream; tests/test_sampling.py",
)


def seeded(T):
    return T.Generator().manual_seed(1)


def constant(domain, shape=A):
    """An input that is not differentiated: that is refused, as in PyTorch."""
    return Input(shape, domain, grad=False)


ROWS = [
    Row(
        "_standard_gamma",
        lambda T, x: T._standard_gamma(x, seeded(T)),
        [Input(A, "positive")],
        gaps=IMPLICIT | EXAMPLES,
        torch_tolerance=2e-3,
    ),
    Row(
        "_sample_dirichlet",
        lambda T, x: T._sample_dirichlet(x, seeded(T)),
        [Input(A, "positive")],
        gaps=IMPLICIT | EXAMPLES,
        torch=False,
    ),
    Row(
        "poisson",
        lambda T, x: T.poisson(x, seeded(T)),
        [Input(A, "positive")],
        gaps=ZERO | EXAMPLES,
    ),
    Row(
        "binomial",
        lambda T, x, y: T.binomial(x, y, seeded(T)),
        [constant("positive"), constant("open")],
        gaps=EXAMPLES,
    ),
    Row(
        "_standard_gamma_grad",
        lambda T, x, y: T._standard_gamma_grad(x, y),
        [constant("positive"), constant("positive", (3,))],
        torch_tolerance=2e-3,
    ),
    Row(
        "_dirichlet_grad",
        lambda T, x, y, z: T._dirichlet_grad(x, y, y + z),
        [constant("open"), constant("positive"), constant("positive", (3,))],
        torch_tolerance=2e-3,
    ),
]
