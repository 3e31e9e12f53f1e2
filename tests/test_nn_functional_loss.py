"""Losses: values, gradients, reductions, weights, kinks, stability, warnings and errors."""

import math

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from nn_oracle import F, check_against_torch, check_differences, numbers, slope_at

REDUCTIONS = ("mean", "sum", "none")
A = numbers(3, 4)
B = numbers(3, 4, seed=1)
P = numbers(3, 4, seed=2, low=0.1, high=0.9)  # probabilities
Q = numbers(3, 4, seed=3, low=0.1, high=0.9)
SIGNS = np.sign(numbers(3, 4, seed=4))
PLACES = np.array([0, 3, 2])
GRID = np.array([[0, 1, 3, 3, 2], [1, 1, 0, 2, 3], [3, 0, 2, 2, 1]])
CUBE = numbers(3, 4, 5, seed=5)
WEIGHT = numbers(4, seed=6, low=0.2, high=1.5)
KINDS = {
    # name: (call, arrays that take gradients, arrays that do not)
    "mse": (lambda G, x, y, **k: G.mse_loss(x, y, **k), (A, B), ()),
    "mse weight": (lambda G, x, y, w, **k: G.mse_loss(x, y, weight=w, **k), (A, B), (P,)),
    "l1": (lambda G, x, y, **k: G.l1_loss(x, y, **k), (A, B), ()),
    "l1 weight": (lambda G, x, y, w, **k: G.l1_loss(x, y, weight=w, **k), (A, B), (P,)),
    "smooth_l1": (lambda G, x, y, **k: G.smooth_l1_loss(x, y, beta=0.7, **k), (A, B), ()),
    "huber": (lambda G, x, y, **k: G.huber_loss(x, y, delta=0.6, **k), (A, B), ()),
    "huber weight": (lambda G, x, y, w, **k: G.huber_loss(x, y, weight=w, **k), (A, B), (P,)),
    "bce": (lambda G, x, y, **k: G.binary_cross_entropy(x, y, **k), (P, Q), ()),
    "bce weight": (lambda G, x, y, w, **k: G.binary_cross_entropy(x, y, w, **k), (P, Q), (P[:, :1],)),
    "logits": (lambda G, x, y, **k: G.binary_cross_entropy_with_logits(x, y, **k), (A, Q), ()),
    "logits weight": (lambda G, x, y, w, **k: G.binary_cross_entropy_with_logits(x, y, w, **k), (A, Q), (P[:, :1],)),
    "logits pos_weight": (lambda G, x, y, w, **k: G.binary_cross_entropy_with_logits(x, y, pos_weight=w, **k), (A, Q), (WEIGHT,)),
    "soft_margin": (lambda G, x, y, **k: G.soft_margin_loss(x, y, **k), (A,), (SIGNS,)),
    "nll": (lambda G, x, t, **k: G.nll_loss(x, t, **k), (A,), (PLACES,)),
    "nll weight": (lambda G, x, t, w, **k: G.nll_loss(x, t, w, ignore_index=3, **k), (A,), (PLACES, WEIGHT)),
    "nll one": (lambda G, x, t, **k: G.nll_loss(x, t, **k), (A[0],), (np.array(2),)),
    "nll 3d": (lambda G, x, t, w, **k: G.nll_loss(x, t, w, ignore_index=1, **k), (CUBE,), (GRID, WEIGHT)),
    "nll 5d": (lambda G, x, t, **k: G.nll_loss(x, t, **k), (CUBE[..., None, None],), (GRID[..., None, None],)),
    "cross_entropy": (lambda G, x, t, **k: G.cross_entropy(x, t, **k), (A,), (PLACES,)),
    "cross_entropy ignore": (lambda G, x, t, **k: G.cross_entropy(x, t, ignore_index=3, **k), (A,), (PLACES,)),
    "cross_entropy weight": (lambda G, x, t, w, **k: G.cross_entropy(x, t, w, **k), (A,), (PLACES, WEIGHT)),
    "cross_entropy one": (lambda G, x, t, **k: G.cross_entropy(x, t, **k), (A[0],), (np.array(2),)),
    "cross_entropy 3d": (lambda G, x, t, **k: G.cross_entropy(x, t, **k), (CUBE,), (GRID,)),
    "cross_entropy smooth": (lambda G, x, t, **k: G.cross_entropy(x, t, label_smoothing=0.2, ignore_index=3, **k), (A,), (PLACES,)),
    "cross_entropy smooth weight": (lambda G, x, t, w, **k: G.cross_entropy(x, t, w, label_smoothing=0.2, ignore_index=3, **k), (CUBE,), (GRID, WEIGHT)),
    "cross_entropy soft": (lambda G, x, y, **k: G.cross_entropy(x, y, **k), (A, P), ()),
    "cross_entropy soft weight": (lambda G, x, y, w, **k: G.cross_entropy(x, y, w, label_smoothing=0.3, **k), (A, P), (WEIGHT,)),
    "kl_div": (lambda G, x, y, **k: G.kl_div(x, y, **k), (A, P), ()),
    "kl_div log": (lambda G, x, y, **k: G.kl_div(x, y, log_target=True, **k), (A, B), ()),
    "poisson": (lambda G, x, y, **k: G.poisson_nll_loss(x, y, full=True, **k), (A, 3 * P), ()),
    "poisson rate": (lambda G, x, y, **k: G.poisson_nll_loss(x, y, log_input=False, **k), (P, 3 * Q), ()),
    "gaussian": (lambda G, x, y, v, **k: G.gaussian_nll_loss(x, y, v, full=True, **k), (A, B, P), ()),
    "gaussian one var": (lambda G, x, y, v, **k: G.gaussian_nll_loss(x, y, v, **k), (A, B, P[:, 0]), ()),
    "hinge_embedding": (lambda G, x, y, **k: G.hinge_embedding_loss(x, y, **k), (A,), (SIGNS,)),
    "margin_ranking": (lambda G, x, y, s, **k: G.margin_ranking_loss(x, y, s, 0.2, **k), (A, B), (SIGNS,)),
    "cosine_embedding": (lambda G, x, y, s, **k: G.cosine_embedding_loss(x, y, s, 0.1, **k), (A, B), (SIGNS[:, 0],)),
    "cosine_embedding one": (lambda G, x, y, s, **k: G.cosine_embedding_loss(x, y, s, **k), (A[0], B[0]), (np.array(-1.0),)),
    "triplet": (lambda G, x, y, z, **k: G.triplet_margin_loss(x, y, z, **k), (A, B, P), ()),
    "triplet swap": (lambda G, x, y, z, **k: G.triplet_margin_loss(x, y, z, p=3, swap=True, **k), (A, B, P), ()),
    "triplet distance": (lambda G, x, y, z, **k: G.triplet_margin_with_distance_loss(x, y, z, distance_function=lambda u, v: ((u - v) ** 2).sum(1), **k), (A, B, P), ()),
    "multilabel_soft_margin": (lambda G, x, y, w, **k: G.multilabel_soft_margin_loss(x, y, w, **k), (A,), ((P > 0.5) * 1.0, WEIGHT)),
    "multi_margin": (lambda G, x, t, w, **k: G.multi_margin_loss(x, t, weight=w, **k), (A,), (PLACES, WEIGHT)),
    "multi_margin squared": (lambda G, x, t, **k: G.multi_margin_loss(x, t, p=2, margin=0.7, **k), (A,), (PLACES,)),
    "multilabel_margin": (lambda G, x, t, **k: G.multilabel_margin_loss(x, t, **k), (A,), (np.array([[0, 2, -1, 1], [3, -1, 0, 0], [-1, 0, 0, 0]]),)),
}  # fmt: skip
NO_SECOND_IN_TORCH = ("multi_margin", "multilabel_margin")
every = pytest.mark.parametrize("label", KINDS)
reductions = pytest.mark.parametrize("reduction", REDUCTIONS)
quiet = pytest.mark.filterwarnings("ignore:reduction:UserWarning")


def fixed(module, arrays, dtype="f8"):
    """Tensors that take no gradient; floats in the dtype of the inputs."""
    return [
        module.tensor(a.astype(dtype) if a.dtype.kind == "f" else a)
        for a in map(np.asarray, arrays)
    ]


@quiet
@every
@reductions
def test_gradients_are_those_of_finite_differences(label, reduction):
    if REAL and label.startswith(NO_SECOND_IN_TORCH):
        pytest.skip("PyTorch has no second derivative of it")
    f, inputs, constants = KINDS[label]
    check_differences(lambda *xs: f(F, *xs, *fixed(torch, constants), reduction=reduction), *inputs)


@pytest.mark.torch
@every
@reductions
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_against_torch(label, reduction, dtype):
    f, inputs, constants = KINDS[label]
    check_against_torch(
        lambda T, *xs: f(T.nn.functional, *xs, *fixed(T, constants, dtype), reduction=reduction),
        *[a.astype(dtype) for a in inputs], order=1 if label.startswith(NO_SECOND_IN_TORCH) else 2,
    )  # fmt: skip


@pytest.mark.torch
@reductions
@pytest.mark.parametrize("label", ["mse", "l1", "smooth_l1", "huber", "bce", "logits", "soft_margin",
                                   "nll", "cross_entropy", "poisson"])  # fmt: skip
def test_half_precision_against_torch(label, reduction):
    f, inputs, constants = KINDS[label]
    check_against_torch(
        lambda T, *xs: f(T.nn.functional, *xs, *fixed(T, constants, "f2"), reduction=reduction),
        *[a.astype("f2") for a in inputs], order=1,
    )  # fmt: skip


@pytest.mark.torch
@reductions
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div",
                                  "binary_cross_entropy_with_logits"])  # fmt: skip
@pytest.mark.parametrize("shape", [(), (0,), (40, 900)], ids=str)
def test_sizes_against_torch(name, reduction, shape):
    check_against_torch(
        lambda T, x, y: getattr(T.nn.functional, name)(x, y, reduction=reduction),
        numbers(*shape), numbers(*shape, seed=1, low=0.1, high=0.9),
    )  # fmt: skip


# ---------------------------------------------------------------- kinks and extremes
def test_gradients_at_kinks():
    zero = torch.zeros(1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    assert slope_at(lambda x: F.l1_loss(x, zero), 0.0) == [0.0]
    assert slope_at(lambda x: F.smooth_l1_loss(x, zero), 1.0) == [1.0]
    assert slope_at(lambda x: F.smooth_l1_loss(x, zero), -1.0) == [-1.0]
    assert slope_at(lambda x: F.huber_loss(x, zero), 1.0) == [1.0]
    assert slope_at(lambda x: F.hinge_embedding_loss(x, -one), 1.0) == [-1.0]
    assert slope_at(lambda x: F.margin_ranking_loss(x, zero, one), 0.0) == [-1.0]
    assert slope_at(lambda x: F.binary_cross_entropy(x, one), 0.0) == pytest.approx([-1e12])


def test_cross_entropy_with_everything_ignored():
    x = torch.ones(2, 3, requires_grad=True)
    loss = F.cross_entropy(x, torch.tensor([-100, -100]))
    loss.backward()
    assert loss.isnan()
    assert x.grad.tolist() == [[0.0] * 3] * 2
    assert F.cross_entropy(x, torch.tensor([-100, -100]), reduction="sum").item() == 0


def test_ignored_samples_may_be_infinite():
    x = torch.tensor([[0.0, float("-inf")], [0.0, 0.0]], requires_grad=True)
    loss = F.nll_loss(x, torch.tensor([1, 0]), ignore_index=1)
    loss.backward()
    assert loss.item() == 0
    assert x.grad.tolist() == [[0.0, 0.0], [-1.0, 0.0]]


def test_logits_far_out():
    x = torch.tensor([1000.0, 1000.0, -1000.0, -1000.0], requires_grad=True)
    y = torch.tensor([1.0, 0.0, 1.0, 0.0])
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [0.0, 1000.0, 1000.0, 0.0]
    assert x.grad.tolist() == [0.0, 1.0, -1.0, 0.0]
    small = F.binary_cross_entropy_with_logits(torch.tensor([20.0]), torch.tensor([1.0]))
    assert small.item() == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-6)


def test_probabilities_at_the_ends():
    x = torch.tensor([0.0, 1.0])
    assert F.binary_cross_entropy(x, torch.tensor([1.0, 0.0])).item() == 100
    with raises(RuntimeError, "all elements of input should be between 0 and 1"):
        F.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))


# ---------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    ("kw", "reduction"),
    [({"size_average": False}, "sum"), ({"size_average": True}, "mean"), ({"reduce": False}, "none"),
     ({"reduce": True}, "mean"), ({"size_average": False, "reduce": False}, "none")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "soft_margin_loss",
                                  "binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss"])  # fmt: skip
def test_deprecated_arguments(name, kw, reduction):
    x, y = torch.tensor(A), torch.tensor(P)
    with collected_warnings() as caught:
        out = getattr(F, name)(x, y, **kw)
    assert str(caught[0].message) == (
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead."
    )
    with collected_warnings():
        assert torch.equal(out, getattr(F, name)(x, y, reduction=reduction))


def test_kl_div_reductions():
    x, y = torch.tensor(A), torch.tensor(P)
    with collected_warnings() as caught:
        F.kl_div(x, y)
    assert "'batchmean' divides only by the batch size" in str(caught[0].message)
    with collected_warnings() as caught:
        total = F.kl_div(x, y, reduction="batchmean")
    assert not caught
    assert torch.allclose(total, F.kl_div(x, y, reduction="sum") / 3)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_sizes_that_differ_warn(name):
    x, y = torch.ones(3, 2, requires_grad=True), torch.zeros(2, requires_grad=True)
    with collected_warnings() as caught:
        loss = getattr(F, name)(x, y)
    assert str(caught[0].message) == (
        "Using a target size (torch.Size([2])) that is different to the input size (torch.Size([3, 2]))."
        " This will likely lead to incorrect results due to broadcasting. Please ensure they have the "
        "same size."
    )
    loss.backward()
    assert y.grad.shape == (2,)
    assert x.grad.shape == (3, 2)


def test_mixed_dtypes():
    x, y = torch.ones(2), torch.zeros(2, dtype=torch.float64)
    assert F.mse_loss(x, y).dtype is torch.float64
    assert F.binary_cross_entropy_with_logits(x, y).dtype is torch.float64
    assert F.mse_loss(x, torch.tensor([1, 2])).dtype is torch.float32
    with raises(RuntimeError, "Found dtype Double but expected Float"):
        F.binary_cross_entropy(x, y)


def test_classes_as_bytes():
    x = torch.tensor(A)
    as_bytes = F.cross_entropy(x, torch.tensor(PLACES, dtype=torch.uint8))
    assert torch.equal(as_bytes, F.cross_entropy(x, torch.tensor(PLACES)))


X, L = torch.ones(2, 3), torch.tensor([0, 2])
ERRORS = [
    (lambda: F.mse_loss(X, X, reduction="foo"), ValueError, "foo is not a valid value for reduction"),
    (lambda: F.cross_entropy(X, L, reduction="foo"), ValueError, "foo is not a valid value for reduction"),
    (lambda: F.mse_loss(L, L), NotImplementedError, "\"mse_cpu\" not implemented for 'Long'"),
    (lambda: F.smooth_l1_loss(L, L), NotImplementedError, "\"smooth_l1_cpu\" not implemented for 'Long'"),
    (lambda: F.huber_loss(L, L), NotImplementedError, "\"huber_cpu\" not implemented for 'Long'"),
    (lambda: F.smooth_l1_loss(X, X, beta=-1), RuntimeError, "smooth_l1_loss does not support negative values for beta."),
    (lambda: F.huber_loss(X, X, delta=0), RuntimeError, "huber_loss does not support non-positive values for delta."),
    (lambda: F.mse_loss(X, X, weight=X[:1]), ValueError, "Weights and input must have the same size."),
    (lambda: F.binary_cross_entropy_with_logits(X, X[:1]), ValueError, "Target size (torch.Size([1, 3])) must be the same as input size (torch.Size([2, 3]))"),
    (lambda: F.binary_cross_entropy(X, X[:1]), ValueError, "Using a target size (torch.Size([1, 3])) that is different to the input size (torch.Size([2, 3])) is deprecated. Please ensure they have the same size."),
    (lambda: F.nll_loss(X, L[:1]), ValueError, "Expected input batch_size (2) to match target batch_size (1)."),
    (lambda: F.nll_loss(X, torch.tensor([0, 3])), IndexError, "Target 3 is out of bounds."),
    (lambda: F.nll_loss(X, torch.tensor([0, -1])), IndexError, "Target -1 is out of bounds."),
    (lambda: F.nll_loss(X, L.int()), RuntimeError, "expected target dtype to be Long or Byte, but got Int"),
    (lambda: F.nll_loss(X, X), RuntimeError, "0D or 1D target tensor expected, multi-target not supported"),
    (lambda: F.nll_loss(torch.ones(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)), RuntimeError, "Expected target size [2, 4], got [2, 3]"),
    (lambda: F.nll_loss(torch.tensor(1.0), torch.tensor(0)), ValueError, "Expected 1 or more dimensions (got 0)"),
    (lambda: F.nll_loss(X, L, weight=torch.ones(2)), RuntimeError, "weight tensor should be defined either for all 3 classes or no classes but got weight tensor of shape: [2]"),
    (lambda: F.cross_entropy(X, L, label_smoothing=2), RuntimeError, "label_smoothing must be between 0.0 and 1.0. Got: 2"),
    (lambda: F.cross_entropy(X, X, ignore_index=1), RuntimeError, "ignore_index is not supported for floating point target"),
    (lambda: F.cross_entropy(X, L.float()), RuntimeError, "expected target dtype to be Long or Byte, but got Float"),
    (lambda: F.cross_entropy(X, X, weight=torch.ones(2)), RuntimeError, "cross_entropy: weight tensor should be defined either for all 3 classes or no classes but got weight tensor of shape: [2]"),
    (lambda: F.kl_div(L, L, reduction="sum"), RuntimeError, "kl_div: Integral inputs not supported."),
    (lambda: F.gaussian_nll_loss(X, X, -X), ValueError, "var has negative entry/entries"),
    (lambda: F.gaussian_nll_loss(X, X, torch.ones(2, 2)), ValueError, "var is of incorrect size"),
    (lambda: F.gaussian_nll_loss(X, X, X, reduction="foo"), ValueError, "foo is not valid"),
    (lambda: F.margin_ranking_loss(X, X, X[0]), RuntimeError, "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: torch.Size([2, 3]), input2: torch.Size([2, 3]), target: torch.Size([3])"),
    (lambda: F.triplet_margin_loss(X, X, X[0]), RuntimeError, "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor 2D, positive 2D, and negative 1D inputs"),
    (lambda: F.triplet_margin_loss(X, X, X, margin=-1), ValueError, "margin must be greater than 0, got -1"),
    (lambda: F.cosine_embedding_loss(X, X, torch.tensor(1)), RuntimeError, "0D target tensor expects 1D input tensors, but found inputs with sizes [2, 3] and [2, 3]."),
    (lambda: F.multi_margin_loss(X, L, p=3), ValueError, "only p == 1 and p == 2 supported"),
    (lambda: F.multi_margin_loss(X, torch.tensor([0, 3])), RuntimeError, "target out of range"),
    (lambda: F.soft_margin_loss(X, torch.ones(2, 3, requires_grad=True)), RuntimeError, "The function 'soft_margin_loss' is not differentiable with respect to argument 'target'. This input cannot have requires_grad True."),
]  # fmt: skip


@pytest.mark.parametrize(("f", "kind", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(f, kind, text):
    with raises(kind, text):
        f()


# ---------------------------------------------------------------- the graph
def names(t, depth=9):
    """The node names from a result towards its inputs, first inputs only."""
    out, node = [], t.grad_fn
    while node is not None and len(out) < depth and "Accumulate" not in type(node).__name__:
        out.append(type(node).__name__.removesuffix("Backward0"))
        node = node.next_functions[0][0] if node.next_functions else None
    return out


def test_node_names():
    x = torch.ones(2, 3, requires_grad=True)
    y = torch.ones(2, 3)
    assert names(F.mse_loss(x, y)) == ["MseLoss"]
    assert names(F.mse_loss(x, y, reduction="none")) == ["MseLoss"]
    assert names(F.l1_loss(x, y)) == ["Mean", "Abs", "Sub"]
    assert names(F.smooth_l1_loss(x, y)) == ["SmoothL1Loss"]
    assert names(F.huber_loss(x, y)) == ["HuberLoss"]
    assert names(F.binary_cross_entropy(torch.sigmoid(x), y)) == ["BinaryCrossEntropy", "Sigmoid"]
    assert names(F.binary_cross_entropy_with_logits(x, y)) == ["BinaryCrossEntropyWithLogits"]
    assert names(F.binary_cross_entropy_with_logits(x, y, y)) == ["BinaryCrossEntropyWithLogits"]
    assert names(F.cross_entropy(x, L)) == ["NllLoss", "LogSoftmax"]
    assert names(F.cross_entropy(x, y)) == ["DivBackward1", "Neg", "Sum", "Mul", "LogSoftmax"]
    assert names(F.soft_margin_loss(x, y)) == ["SoftMarginLoss"]
    assert names(F.multi_margin_loss(x, L)) == ["MultiMarginLoss"]
    assert names(F.poisson_nll_loss(x, y)) == ["Mean", "Sub", "Exp"]
    assert names(F.margin_ranking_loss(x, y, y))[:2] == ["Mean", "ClampMin"]


def test_a_step_down_the_gradient():
    torch.manual_seed(0)
    w = torch.zeros(4, 3, requires_grad=True)
    x, t = torch.randn(32, 4), torch.randint(0, 3, (32,))
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(x @ w, t)
        (g,) = torch.autograd.grad(loss, w)
        w = (w - 0.5 * g).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(3))
    assert losses == sorted(losses, reverse=True)
