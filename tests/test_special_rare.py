"""Bessel, Airy, incomplete gamma functions and polynomials: values, ends of the domain, refusals."""

import math

import numpy as np
import pytest
from against import raises, torch
from oracle import against_torch

S = torch.special
BESSEL = {
    "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1",
    "modified_bessel_k0": "k0", "modified_bessel_k1": "k1", "scaled_modified_bessel_k0": "k0e",
    "scaled_modified_bessel_k1": "k1e",
}  # fmt: skip
POLYNOMIALS = {
    "chebyshev_polynomial_t": lambda n, x: math.cos(n * math.acos(x)),
    "chebyshev_polynomial_u": lambda n, x: math.sin((n + 1) * math.acos(x)) / math.sqrt(1 - x * x),
    "chebyshev_polynomial_v": lambda n, x: math.cos((n + 0.5) * math.acos(x)) / math.cos(math.acos(x) / 2),
    "chebyshev_polynomial_w": lambda n, x: math.sin((n + 0.5) * math.acos(x)) / math.sin(math.acos(x) / 2),
}  # fmt: skip


def of(f, x):
    """A function of a float64 tensor, as an array."""
    return f(torch.tensor(x, dtype=torch.float64)).numpy()


@pytest.mark.wengert_only
def test_bessel_functions_solve_their_equations():
    """Wronskians: J1 Y0 - J0 Y1 = 2 / (pi x), I0 K1 + I1 K0 = 1 / x (DLMF 10.5.2, 10.28.2)."""
    x = np.concatenate([np.geomspace(1e-6, 300, 200), [2.0, 25.0, np.nextafter(25, 26)]])
    j0, j1, y0, y1 = (of(getattr(S, n), x) for n in list(BESSEL)[:4])
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * math.pi * x / 2, 1, rtol=2e-13)
    i0e, i1e = of(S.i0e, x), of(S.i1e, x)
    k0e, k1e = of(S.scaled_modified_bessel_k0, x), of(S.scaled_modified_bessel_k1, x)
    np.testing.assert_allclose((i0e * k1e + i1e * k0e) * x, 1, rtol=1e-12)


def test_bessel_functions_at_known_points():
    assert S.bessel_j0(
        torch.tensor(2.404825557695773, dtype=torch.float64)
    ).item() == pytest.approx(0, abs=1e-15)
    known = {"bessel_j0": 0.7651976865579666, "bessel_j1": 0.44005058574493355, "bessel_y0": 0.08825696421567697,
             "bessel_y1": -0.7812128213002887, "modified_bessel_k0": 0.42102443824070834,
             "modified_bessel_k1": 0.6019072301972346}  # fmt: skip
    for name, value in known.items():
        assert of(getattr(S, name), 1.0).item() == pytest.approx(value, rel=1e-14), name


def test_ends_of_the_domain():
    for name in ("bessel_y0", "bessel_y1"):
        np.testing.assert_array_equal(of(getattr(S, name), [0.0, -1.0]), [-np.inf, np.nan])
    for name in list(BESSEL)[4:]:
        np.testing.assert_array_equal(of(getattr(S, name), [0.0, -1.0]), [np.inf, np.nan])
    a, x = (
        torch.tensor(v, dtype=torch.float64)
        for v in ([0, 0, 1, 1, -1, 1, math.inf], [0, 1, 0, math.inf, 1, -1, 1])
    )
    np.testing.assert_array_equal(S.gammainc(a, x).numpy(), [np.nan, 1, 0, 1, np.nan, np.nan, 0])
    np.testing.assert_array_equal(S.gammaincc(a, x).numpy(), [np.nan, 0, 1, 0, np.nan, np.nan, 1])


@pytest.mark.wengert_only
def test_incomplete_gamma_of_integers():
    """Q(n, x) is the chance of fewer than n Poisson events of mean x."""
    for n, x in ((1, 0.5), (4, 3.0), (30, 41.0), (80, 60.0)):
        want = sum(math.exp(k * math.log(x) - x - math.lgamma(k + 1)) for k in range(n))
        q = S.gammaincc(
            torch.tensor(float(n), dtype=torch.float64), torch.tensor(x, dtype=torch.float64)
        )
        assert q.item() == pytest.approx(want, rel=1e-12)
        p = S.gammainc(
            torch.tensor(float(n), dtype=torch.float64), torch.tensor(x, dtype=torch.float64)
        )
        assert p.item() == pytest.approx(1 - want, rel=1e-9, abs=1e-15)


def test_incomplete_gamma_has_no_derivative_in_its_order():
    a = torch.tensor([1.5], requires_grad=True)
    for f in (torch.igamma, torch.igammac):
        with raises(NotImplementedError, "the derivative for '", "input' is not implemented"):
            f(a, torch.tensor([2.0])).backward()


@pytest.mark.wengert_only
def test_airy_satisfies_its_equation_at_known_points():
    known = {0.0: 0.3550280538878172, 1.0: 0.13529241631288141, -2.338107410459767: 0.0, -7.5: 0.32177571638064793,
             5.0: 1.0834442813607441e-04, -20.0: -0.17640612707798467}  # fmt: skip
    for x, value in known.items():
        assert of(S.airy_ai, x).item() == pytest.approx(value, rel=1e-12, abs=1e-15)


@pytest.mark.wengert_only
def test_airy_equation():
    x = torch.linspace(-30, 8, 400, dtype=torch.float64, requires_grad=True)
    y = S.airy_ai(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(bend.numpy(), (x * y).detach().numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_chebyshev_polynomials_in_closed_form(name):
    x = [-0.9, -0.2, 0.3, 0.99]
    for n in (0, 1, 2, 7, 40):
        want = [POLYNOMIALS[name](n, v) for v in x]
        np.testing.assert_allclose(
            of(lambda t, n=n: getattr(S, name)(t, n), x), want, rtol=1e-10, atol=1e-11
        )
        shifted = getattr(S, "shifted_" + name)
        moved = [(v + 1) / 2 for v in x]
        np.testing.assert_allclose(
            of(lambda t, n=n: shifted(t, n), moved), want, rtol=1e-9, atol=1e-10
        )


def test_polynomials_by_hand():
    x = torch.tensor([0.5, 2.0], dtype=torch.float64)
    assert S.hermite_polynomial_h(x, 3).tolist() == [8 * v**3 - 12 * v for v in (0.5, 2.0)]
    assert S.hermite_polynomial_he(x, 3).tolist() == [v**3 - 3 * v for v in (0.5, 2.0)]
    assert S.laguerre_polynomial_l(x, 2).tolist() == [0.5 * (v * v - 4 * v + 2) for v in (0.5, 2.0)]
    assert S.legendre_polynomial_p(x, 2).tolist() == [0.5 * (3 * v * v - 1) for v in (0.5, 2.0)]
    assert S.legendre_polynomial_p(x, -1).tolist() == [0.0, 0.0]
    assert S.legendre_polynomial_p(x, torch.tensor([0, 1])).tolist() == [1.0, 2.0]
    assert S.chebyshev_polynomial_t(2, torch.tensor([3])).tolist() == [26.0]


def test_names_shared_with_torch():
    x = torch.tensor([0.25, 1.5])
    for name in ("exp2", "expm1", "log1p", "sinc", "round"):
        assert torch.equal(getattr(S, name)(x), getattr(torch, name)(x))
    assert S.round(x, decimals=1).tolist() == pytest.approx([0.2, 1.5])
    a = torch.tensor([2.0, 3.0])
    assert torch.equal(a.igamma(x), S.gammainc(a, x))
    assert torch.equal(a.clone().igammac_(x), S.gammaincc(a, x))
    out = torch.empty(2)
    assert torch.igamma(a, x, out=out) is out


@pytest.mark.torch
@pytest.mark.parametrize(
    "name", [*BESSEL, "airy_ai", "modified_bessel_i0", "modified_bessel_i1", "spherical_bessel_j0"]
)
def test_values_against_torch(name):
    x = np.random.default_rng(0).uniform(0.05, 40, 60)
    for a in (x, x.astype("f4")):
        # PyTorch's own J and Y are good to 1e-6 beyond 5
        tolerance = 2e-6 if name in list(BESSEL)[:4] and a.dtype == np.float64 else None
        against_torch(
            lambda T, t: getattr(T.special, name)(t.detach()),
            a,
            orders=0,
            names=False,
            tolerance=tolerance,
        )


@pytest.mark.torch
def test_incomplete_gamma_against_torch():
    r = np.random.default_rng(0)
    a, x = r.uniform(0.1, 15, 40), r.uniform(0, 30, 40)
    for name in ("igamma", "igammac"):
        against_torch(lambda T, a, x, f=name: getattr(T, f)(a.detach(), x), a, x)


@pytest.mark.torch
@pytest.mark.parametrize(
    "name",
    [
        *POLYNOMIALS, *["shifted_" + name for name in POLYNOMIALS], "hermite_polynomial_h",
        "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    ],
)  # fmt: skip
def test_polynomials_against_torch(name):
    x, n = np.random.default_rng(0).uniform(-1.2, 1.2, 40), np.arange(40) % 9
    against_torch(
        lambda T, x, n: getattr(T.special, name)(x.detach(), n), x, n, orders=0, names=False
    )


@pytest.mark.parametrize(
    "name",
    [
        "lgamma",
        "i0",
        "special.bessel_j0",
        "special.airy_ai",
        "special.gammainc",
        "special.legendre_polynomial_p",
    ],
)
def test_complex_numbers_are_refused(name):
    f = (
        getattr(S, name.removeprefix("special."))
        if name.startswith("special.")
        else getattr(torch, name)
    )
    z = torch.tensor([1j])
    more = {"special.gammainc": (z,), "special.legendre_polynomial_p": (2,)}.get(name, ())
    with raises(NotImplementedError, "_cpu\" not implemented for 'ComplexFloat'"):
        f(z, *more)
