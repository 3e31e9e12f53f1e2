"""Transforms, constraints and the registry: against PyTorch, and by what they promise."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from against import raises, torch

import wengert

D = torch.distributions
C = D.constraints
f64 = torch.float64
R = np.random.default_rng(3)
VECTORS, MATRICES, SIXES = R.normal(size=(4, 3)), R.normal(size=(2, 3, 3)), R.normal(size=(2, 6))
POSITIVE = R.random((4, 3)) + 0.2

# name -> (how to make it, inputs)
MADE = {
    "exp": (lambda T, D: D.ExpTransform(), VECTORS),
    "power": (lambda T, D: D.PowerTransform(T.tensor([2.0, -1.0, 0.5], dtype=T.float64)), POSITIVE),
    "sigmoid": (lambda T, D: D.SigmoidTransform(), VECTORS * 5),
    "softplus": (lambda T, D: D.SoftplusTransform(), VECTORS),
    "tanh": (lambda T, D: D.TanhTransform(), VECTORS),
    "affine": (lambda T, D: D.AffineTransform(T.tensor([1.0, 2.0, 3.0], dtype=T.float64), -2.0), VECTORS),
    "affine of vectors": (
        lambda T, D: D.AffineTransform(0.0, T.tensor([1.0, -2.0, 3.0], dtype=T.float64), event_dim=1), VECTORS),
    "cdf": (lambda T, D: D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)), VECTORS),
    "identity": (lambda T, D: D.identity_transform, VECTORS),
    "stick breaking": (lambda T, D: D.StickBreakingTransform(), VECTORS),
    "correlations": (lambda T, D: D.CorrCholeskyTransform(), SIXES),
    "one correlation": (lambda T, D: D.CorrCholeskyTransform(), SIXES[:, :1]),
    "composed": (
        lambda T, D: D.ComposeTransform([D.AffineTransform(1.0, 2.0), D.StickBreakingTransform()]), VECTORS),
    "independent": (lambda T, D: D.IndependentTransform(D.ExpTransform(), 1), VECTORS),
    "reshape": (lambda T, D: D.ReshapeTransform((6,), (2, 3)), SIXES),
    "cat": (
        lambda T, D: D.CatTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)], dim=1, lengths=[1, 2]), VECTORS),
    "stack": (
        lambda T, D: D.StackTransform(
            [D.ExpTransform(), D.TanhTransform(), D.AffineTransform(0.0, 1.0)], dim=-1), VECTORS),
    "inverse": (lambda T, D: D.ExpTransform().inv, POSITIVE),
    "inverse of composed": (
        lambda T, D: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0.0, -2.0)]).inv, -POSITIVE),
    "abs": (lambda T, D: D.AbsTransform(), VECTORS),
    "softmax": (lambda T, D: D.SoftmaxTransform(), VECTORS),
    "lower cholesky": (lambda T, D: D.LowerCholeskyTransform(), MATRICES),
    "positive definite": (lambda T, D: D.PositiveDefiniteTransform(), MATRICES),
}  # fmt: skip
BIJECTIVE = [n for n, (make, _) in MADE.items() if make(torch, D).bijective]


def attempt(f):
    try:
        return f()
    except Exception as error:
        return type(error).__name__


def told(T, name):
    """All that a transform says: values, shapes, facts and texts."""
    make, x = MADE[name]
    t = make(T, T.distributions)
    x = T.tensor(x, requires_grad=True)
    y = t(x)
    numbers = [
        y,
        attempt(lambda: t.inv(y)),
        attempt(lambda: t.log_abs_det_jacobian(x, y)),
        attempt(lambda: T.autograd.grad(t.log_abs_det_jacobian(x, y).sum() + (y**2).sum(), x)[0]),
    ]
    facts = [
        attempt(lambda: tuple(t.forward_shape(tuple(x.shape)))),
        attempt(lambda: tuple(t.inverse_shape(tuple(y.shape)))),
        attempt(lambda: np.asarray(t.sign).tolist()),
        attempt(lambda: t.event_dim),
        attempt(lambda: t.with_cache(1)._cache_size),
        (t.bijective, repr(t), repr(t.inv), repr(t.domain), repr(t.codomain), repr(t.inv.domain)),
    ]
    return [n.detach().numpy() if hasattr(n, "detach") else n for n in numbers], facts


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("name", MADE)
def test_against_torch(name):
    oracle = pytest.importorskip("torch")
    (ours, facts), (theirs, their_facts) = told(wengert, name), told(oracle, name)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, str) or isinstance(b, str):
            assert a == b
        else:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    assert facts == their_facts


@pytest.mark.parametrize("name", BIJECTIVE)
def test_the_inverse_inverts(name):
    make, x = MADE[name]
    t, x = make(torch, D), torch.tensor(x)
    y = t(x)
    np.testing.assert_allclose(t.inv(y).numpy(), x.numpy(), rtol=1e-8, atol=1e-9)
    assert t.inv.inv is t
    assert t.codomain.check(y).all()
    assert t.domain.check(x).all()
    if name != "cat":  # its shapes are those of any vector
        assert tuple(t.forward_shape(tuple(x.shape))) == tuple(y.shape)
        assert tuple(t.inverse_shape(tuple(y.shape))) == tuple(x.shape)


# for each kind of event: how many numbers of the result to leave out for a square Jacobian
@pytest.mark.parametrize(
    "name", [n for n in BIJECTIVE if n not in ("one correlation", "reshape", "stack", "cat")]
)
def test_the_determinant_is_that_of_the_jacobian(name):
    make, x = MADE[name]
    t, x = make(torch, D), torch.tensor(x[0])
    y = t(x)

    def flat(x):
        y = t(x)
        if name in ("stick breaking", "composed"):
            return y[:-1]  # the last share follows from the others
        if name == "correlations":
            return torch.stack([y[i, j] for i in range(4) for j in range(i)])
        return y.flatten()

    jacobian = torch.autograd.functional.jacobian(flat, x)
    want = torch.linalg.slogdet(jacobian).logabsdet.item()
    found = t.log_abs_det_jacobian(x, y).sum().item()
    assert found == pytest.approx(want, rel=1e-8, abs=1e-9)
    assert t.inv.log_abs_det_jacobian(y, x).sum().item() == pytest.approx(-found)


@pytest.mark.parametrize("make", [
    lambda: D.ExpTransform(cache_size=1),
    lambda: D.AffineTransform(1.0, 2.0, cache_size=1),
    lambda: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0.0, 2.0)]).with_cache(1),
    lambda: D.IndependentTransform(D.TanhTransform(), 1).with_cache(1),
    lambda: D.TanhTransform().with_cache(1),
],
    ids=["exp", "affine", "composed", "independent", "tanh"],
)  # fmt: skip
def test_a_cached_value_inverts_to_itself(make):
    t = make()
    x = torch.tensor([20.0, 0.5])
    y = t(x)
    assert t.inv(y) is x
    assert t(x) is y
    assert t.inv(y.clone()) is not x
    plain = D.ExpTransform()
    assert plain.inv(plain(x)) is not x


def test_equality():
    assert D.ExpTransform() == D.ExpTransform()
    assert D.ExpTransform() != D.TanhTransform()
    assert D.ExpTransform().inv == D.ExpTransform().inv
    assert D.ExpTransform().inv != D.ExpTransform()
    assert D.AffineTransform(0.0, 1.0) == D.AffineTransform(0.0, torch.tensor(1.0))
    assert D.AffineTransform(0.0, 1.0) != D.AffineTransform(0.0, 2.0)
    assert D.ComposeTransform([D.ExpTransform()]) == D.ComposeTransform([D.ExpTransform()])
    assert D.PowerTransform(torch.tensor(2.0)) == D.PowerTransform(torch.tensor(2.0))


def test_copies():
    t = D.ComposeTransform([D.AffineTransform(1.0, 2.0), D.ExpTransform()])
    assert t.inv is not None
    x = torch.tensor(0.3)
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert torch.equal(other(x), t(x))


def test_refusals():
    with raises(ValueError, "cache_size must be 0 or 1"):
        D.ExpTransform(cache_size=2)
    with raises(ValueError, "in_shape, out_shape have different numbers of elements"):
        D.ReshapeTransform((2,), (3,))
    with raises(ValueError, "Shape mismatch"):
        D.ReshapeTransform((2,), (2, 1)).forward_shape((3,))
    with raises(ValueError, "Input is not a flattened lower-diagonal number"):
        D.CorrCholeskyTransform().forward_shape((2,))
    with raises(ValueError, "Too few dimensions on input"):
        D.IndependentTransform(D.ExpTransform(), 1)(torch.tensor(1.0))
    with raises(ValueError, "Please use either .domain.event_dim or .codomain.event_dim"):
        _ = D.ReshapeTransform((2,), (2, 1)).event_dim
    with pytest.raises(AssertionError):
        D.CatTransform([D.ExpTransform()])(torch.zeros(2))
    with pytest.raises(NotImplementedError):
        _ = D.SoftmaxTransform().sign


# ------------------------------------------------------------------- constraints
SETS = {
    "real": lambda C: C.real, "positive": lambda C: C.positive, "nonnegative": lambda C: C.nonnegative,
    "greater": lambda C: C.greater_than(2.0), "greater or equal": lambda C: C.greater_than_eq(2.0),
    "less": lambda C: C.less_than(2.0), "unit": lambda C: C.unit_interval,
    "interval": lambda C: C.interval(-1.0, 3.0), "half open": lambda C: C.half_open_interval(0.0, 1.0),
    "simplex": lambda C: C.simplex, "lower cholesky": lambda C: C.lower_cholesky,
    "positive definite": lambda C: C.positive_definite, "semidefinite": lambda C: C.positive_semidefinite,
    "correlations": lambda C: C.corr_cholesky, "independent": lambda C: C.independent(C.positive, 1),
    "vector": lambda C: C.real_vector,
    "cat": lambda C: C.cat([C.positive, C.unit_interval], dim=-1, lengths=[1, 2]),
    "stack": lambda C: C.stack([C.positive, C.real, C.less_than(1.0)], dim=-1),
}  # fmt: skip


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", SETS)
def test_the_registry_leads_into_the_set(name, registry):
    constraint = SETS[name](C)
    try:
        t = getattr(D, registry)(constraint)
    except NotImplementedError:
        assert registry == "biject_to"
        assert name in ("lower cholesky", "positive definite", "semidefinite")
        return
    square = name in ("lower cholesky", "positive definite", "semidefinite")
    x = MATRICES if square else SIXES if name == "correlations" else VECTORS
    y = t(torch.tensor(x))
    assert constraint.check(y).all()
    if registry == "biject_to":
        assert t.bijective
        np.testing.assert_allclose(t.inv(y).numpy(), x, rtol=1e-7, atol=1e-8)


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", SETS)
def test_the_registry_against_torch(name, registry):
    oracle = pytest.importorskip("torch")
    made = [
        attempt(
            lambda T=T: repr(
                getattr(T.distributions, registry)(SETS[name](T.distributions.constraints))
            )
        )
        for T in (wengert, oracle)
    ]
    assert made[0] == made[1]


VALUES = [
    np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf]),
    np.array([[0.2, 0.8], [0.5, 0.6], [1.0, 0.0]]),
    np.array([[[1.0, 0], [0.5, 2]], [[1, 0.5], [0.5, 1]], [[1, 0], [0.6, 0.8]], [[-1, 0], [0, 1]]]),
    np.array([[0.0, 1, 0], [1, 1, 0]]),
]
EXTRA = {
    "boolean": lambda C: C.boolean, "one hot": lambda C: C.one_hot, "counts": lambda C: C.nonnegative_integer,
    "from one": lambda C: C.positive_integer, "integers": lambda C: C.integer_interval(0, 1),
    "multinomial": lambda C: C.multinomial(1), "square": lambda C: C.square, "symmetric": lambda C: C.symmetric,
    "lower triangular": lambda C: C.lower_triangular,
    "mixture": lambda C: C.MixtureSameFamilyConstraint(C.positive),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.wengert_only
@pytest.mark.parametrize("name", {**SETS, **EXTRA})
def test_constraints_against_torch(name):
    oracle = pytest.importorskip("torch")
    make = {**SETS, **EXTRA}[name]
    ours, theirs = make(C), make(oracle.distributions.constraints)
    assert repr(ours) == repr(theirs)
    assert (ours.event_dim, ours.is_discrete) == (theirs.event_dim, theirs.is_discrete)
    for v in VALUES:
        want = attempt(lambda v=v: theirs.check(oracle.tensor(v)).tolist())
        if not isinstance(want, str):
            assert ours.check(torch.tensor(v)).tolist() == want


def test_dependent_constraints():
    assert C.is_dependent(D.Uniform.support)
    assert not C.is_dependent(D.Normal.support)
    assert D.Uniform.support.event_dim == 0
    assert D.Independent.support is not None
    with raises(ValueError, "Cannot determine validity of dependent constraint"):
        C.dependent.check(torch.ones(1))
    with raises(NotImplementedError, ".event_dim cannot be determined statically"):
        _ = C.dependent.event_dim
    known = C.dependent(event_dim=2, is_discrete=True)
    assert (known.event_dim, known.is_discrete) == (2, True)
    with raises(ValueError, "Expected value.dim() >= 2 but got 1"):
        C.independent(C.real, 2).check(torch.ones(3))


def test_a_constraint_of_ones_own():
    class Even(C.Constraint):
        is_discrete = True

        def check(self, value):
            return value % 2 == 0

    with raises(NotImplementedError, "Cannot transform Even constraints"):
        D.biject_to(Even())
    registry = D.constraint_registry.ConstraintRegistry()

    @registry.register(Even)
    def double(constraint):
        return D.AffineTransform(0, 2)

    y = registry(Even())(torch.arange(3))
    assert Even().check(y).all()


def test_triangles_and_vectors():
    utils = D.utils
    m = torch.arange(9.0).view(3, 3)
    for diag in (-1, 0, 1):
        v = utils.tril_matrix_to_vec(m, diag)
        assert torch.equal(utils.vec_to_tril_matrix(v, diag), m.tril(diag))
    with raises(ValueError, "is outside [-3, 2]"):
        utils.tril_matrix_to_vec(m, 5)
