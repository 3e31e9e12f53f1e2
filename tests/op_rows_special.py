"""Rows of the rarer special functions; PyTorch does not differentiate them (`torch=False`)."""

from wengert.testing.grid import Input, Row

A = (2, 3)


def row(name, f, *inputs, **kw):
    """One row; a domain alone means numbers of it in a small matrix."""
    return Row(name, f, [i if isinstance(i, Input) else Input(A, i) for i in inputs], **kw)


def special(name, domain, **kw):
    """The row of a function of one argument."""
    return row(f"special_{name}", lambda T, x: getattr(T.special, name)(x), domain, **kw)


def polynomial(name, n):
    """The row of a polynomial of degree n."""
    return row(f"special_{name}_{n}", lambda T, x: getattr(T.special, name)(x, n), "real", torch=False)


ROWS = [
    *[special(name, "real", torch=False) for name in ("bessel_j0", "bessel_j1", "airy_ai", "spherical_bessel_j0")],
    *[special(name, "positive", torch=False) for name in (
        "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
        "scaled_modified_bessel_k0", "scaled_modified_bessel_k1")],
    *[special(name, "real", torch=False) for name in ("modified_bessel_i0", "modified_bessel_i1")],
    *[special(name, "real") for name in ("exp2", "expm1", "sinc")],
    special("log1p", "positive"),
    row("igamma", lambda T, a, x: T.igamma(a, x), Input(A, "big", grad=False), "positive"),
    row("igammac", lambda T, a, x: T.igammac(a, x), Input(A, "positive", grad=False), "big"),
    row("gammaincc_broadcast", lambda T, a, x: T.special.gammaincc(a, x), Input((3,), "big", grad=False),
        Input((2, 1), "positive")),
    *[polynomial(name, n) for n in (0, 1, 2, 5) for name in (
        "chebyshev_polynomial_t", "chebyshev_polynomial_u", "hermite_polynomial_h",
        "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p")],
    *[polynomial(name, 3) for name in (
        "chebyshev_polynomial_v", "chebyshev_polynomial_w", "shifted_chebyshev_polynomial_t",
        "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w")],
    row("polynomial_degrees", lambda T, x, n: T.special.legendre_polynomial_p(x, n), "real", Input(A, ("int", 6)),
        torch=False),
]  # fmt: skip
