"""Normalisation, embedding, dropout, distances, bilinear maps, padding and pixel shuffles."""

import numpy as np
import pytest
from against import REAL, collected_warnings, raises, torch
from nn_oracle import F, check_against_torch, check_differences, numbers, slope_at

X = numbers(6, 4, 5) * 2 + 1
W4, B4 = numbers(4, seed=1), numbers(4, seed=2)
W5, B5 = numbers(5, seed=1), numbers(5, seed=2)
MEAN, VAR = numbers(4, seed=3), numbers(4, seed=4, low=0.5, high=2.0)


def running(T, dtype="f8"):
    return T.tensor(MEAN.astype(dtype)), T.tensor(VAR.astype(dtype))


def dtype_of(x):
    return str(x.dtype).removeprefix("torch.")


CALLS = {
    "layer": (lambda T, x: T.nn.functional.layer_norm(x, (5,)), (X,)),
    "layer affine": (lambda T, x, w, b: T.nn.functional.layer_norm(x, (5,), w, b), (X, W5, B5)),
    "layer weight": (lambda T, x, w: T.nn.functional.layer_norm(x, (5,), w), (X, W5)),
    "layer two dims": (lambda T, x, w, b: T.nn.functional.layer_norm(x, (4, 5), w, b), (X, numbers(4, 5), numbers(4, 5, seed=7))),
    "rms": (lambda T, x, w: T.nn.functional.rms_norm(x, (5,), w), (X, W5)),
    "rms eps": (lambda T, x: T.nn.functional.rms_norm(x, (4, 5), eps=1e-3), (X,)),
    "group": (lambda T, x: T.nn.functional.group_norm(x, 2), (X,)),
    "group affine": (lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), (X, W4, B4)),
    "group of one": (lambda T, x, w, b: T.nn.functional.group_norm(x, 4, w, b), (X[..., None], W4, B4)),
    "batch": (lambda T, x: T.nn.functional.batch_norm(x, None, None, training=True), (X,)),
    "batch affine": (lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, True), (X, W4, B4)),
    "batch rank 2": (lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, True), (X[..., 0], W4, B4)),
    "batch eval": (lambda T, x, w, b: T.nn.functional.batch_norm(x, *running(T, dtype_of(x)), w, b), (X, W4, B4)),
    "batch eval plain": (lambda T, x: T.nn.functional.batch_norm(x, *running(T, dtype_of(x))), (X[..., 0],)),
    "instance": (lambda T, x: T.nn.functional.instance_norm(x), (X,)),
    "instance affine": (lambda T, x, w, b: T.nn.functional.instance_norm(x, None, None, w, b), (X, W4, B4)),
    "instance eval": (lambda T, x, w, b: T.nn.functional.instance_norm(x, *running(T, dtype_of(x)), w, b, use_input_stats=False), (X, W4, B4)),
    "cosine": (lambda T, x, y: T.cosine_similarity(x, y), (X[0], X[1])),
    "cosine broadcast": (lambda T, x, y: T.cosine_similarity(x, y, dim=-1), (X[:, :1], X[0])),
    "pairwise 2": (lambda T, x, y: T.pairwise_distance(x, y), (X[0], X[1])),
    "pairwise 1": (lambda T, x, y: T.pairwise_distance(x, y, p=1, keepdim=True), (X[0], X[1])),
    "pairwise 3": (lambda T, x, y: T.pairwise_distance(x, y, p=3), (X[0], X[1])),
    "normalize": (lambda T, x: T.nn.functional.normalize(x), (X,)),
    "normalize 1": (lambda T, x: T.nn.functional.normalize(x, p=1, dim=-1), (X,)),
    "bilinear": (lambda T, x, y, w, b: T.nn.functional.bilinear(x, y, w, b), (X[0], X[1], numbers(3, 5, 5), numbers(3))),
    "bilinear stacked": (lambda T, x, y, w: T.nn.functional.bilinear(x, y, w), (X[:2], X[2:4, :, :3], numbers(2, 5, 3))),
    "pad": (lambda T, x: T.nn.functional.pad(x, (1, 2, 0, 1), value=2.5), (X,)),
    "pad crop": (lambda T, x: T.nn.functional.pad(x, (-1, 2, 1, -1)), (X,)),
    "pad nothing": (lambda T, x: T.nn.functional.pad(x, (0, 0)), (X,)),
    "pad reflect": (lambda T, x: T.nn.functional.pad(x, (1, 2), mode="reflect"), (X,)),
    "pad reflect 2d": (lambda T, x: T.nn.functional.pad(x, (1, 2, 3, 0), mode="reflect"), (X,)),
    "pad replicate": (lambda T, x: T.nn.functional.pad(x, (3, 1), mode="replicate"), (X[0],)),
    "pad replicate 3d": (lambda T, x: T.nn.functional.pad(x, (1, 1, 2, 0, 0, 1), mode="replicate"), (X[None],)),
    "pad circular": (lambda T, x: T.nn.functional.pad(x, (2, 1), mode="circular"), (X,)),
    "pad circular crop": (lambda T, x: T.nn.functional.pad(x, (-1, 2), mode="circular"), (X,)),
    "pixel_shuffle": (lambda T, x: T.pixel_shuffle(x, 2), (numbers(2, 8, 3, 4),)),
    "pixel_unshuffle": (lambda T, x: T.pixel_unshuffle(x, 2), (numbers(3, 4, 6),)),
    "channel_shuffle": (lambda T, x: T.channel_shuffle(x, 4), (numbers(2, 8, 3),)),
}  # fmt: skip
every = pytest.mark.parametrize("label", CALLS)


@every
def test_gradients_are_those_of_finite_differences(label):
    f, inputs = CALLS[label]
    check_differences(lambda *xs: f(torch, *xs), *inputs)


@pytest.mark.torch
@every
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_against_torch(label, dtype):
    f, inputs = CALLS[label]
    # second derivatives of a norm over two elements cancel to noise in float32
    check_against_torch(f, *[a.astype(dtype) for a in inputs], rtol=1e-4 if dtype == "f4" else None)


@pytest.mark.torch
@pytest.mark.parametrize("label", ["layer affine", "rms", "group affine", "normalize", "pad"])
def test_half_precision_against_torch(label):
    f, inputs = CALLS[label]
    check_against_torch(f, *[a.astype("f2") for a in inputs], order=1, rtol=2e-2)


# ---------------------------------------------------------------- normalisation
@pytest.mark.torch
def test_large_layer_norm_in_blocks():
    x, w, b = numbers(300, 400, dtype="f4"), numbers(400, dtype="f4"), numbers(400, dtype="f4")
    check_against_torch(
        lambda T, x, w, b: T.nn.functional.layer_norm(x, (400,), w, b), x, w, b, order=1, rtol=1e-4
    )


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="both sides would be PyTorch")
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_are_those_of_torch(name):
    real = pytest.importorskip("torch")
    found = []
    for T in (torch, real):
        mean, var = running(T, "f4")
        getattr(T.nn.functional, name)(
            T.tensor(X.astype("f4")), mean, var, None, None, True, momentum=0.3
        )
        found.append((mean.tolist(), var.tolist()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


def test_running_statistics_written_between_forward_and_backward():
    mean, var = torch.zeros(3), torch.ones(3)
    x = torch.ones(2, 3, requires_grad=True)
    out = F.batch_norm(x, mean, var)
    F.batch_norm(torch.tensor([[1.0, 2.0, 3.0], [9.0, 9.0, 9.0]]), mean, var, training=True)
    out.sum().backward()
    if not REAL:  # PyTorch divides by the new variance here
        assert x.grad.tolist() == [[pytest.approx(1.0, rel=1e-4)] * 3] * 2


def test_running_statistics_are_written_in_place_and_not_recorded():
    mean, var = torch.zeros(4), torch.ones(4)
    x = torch.tensor(X, dtype=torch.float32, requires_grad=True)
    F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad
    assert mean.numpy() == pytest.approx(0.1 * X.mean((0, 2)), rel=1e-5)
    assert var.numpy() == pytest.approx(0.9 + 0.1 * X.var((0, 2), ddof=1), rel=1e-5)
    before = mean.tolist()
    F.batch_norm(x, mean, var)
    assert mean.tolist() == before


def test_constant_input_has_zero_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    out = F.layer_norm(x, (3,))
    out.sum().backward()
    assert out.tolist() == [[0.0] * 3] * 2
    assert x.grad.tolist() == [[0.0] * 3] * 2


def test_empty_batch():
    assert F.layer_norm(torch.zeros(0, 3), (3,)).shape == (0, 3)
    mean = torch.zeros(3)
    assert F.batch_norm(torch.zeros(0, 3), mean, torch.ones(3), training=True).shape == (0, 3)
    assert mean.tolist() == [0.0] * 3


def test_torch_namespace_forms():
    x = torch.tensor(X)
    assert torch.equal(torch.layer_norm(x, [5]), F.layer_norm(x, (5,)))
    assert torch.equal(torch.group_norm(x, 2), F.group_norm(x, 2))
    assert torch.equal(torch.rms_norm(x, (5,)), F.rms_norm(x, (5,)))
    mean, var = running(torch)
    out = torch.batch_norm(x, None, None, mean, var, False, 0.1, 1e-5, True)
    assert torch.equal(out, F.batch_norm(x, mean, var))


def test_parameters_saved_for_backward():
    node = F.layer_norm(torch.ones(2, 3, requires_grad=True), (3,)).grad_fn
    assert type(node).__name__ == "NativeLayerNormBackward0"
    assert node._saved_input.shape == (2, 3)
    assert node._saved_weight is None


R, S = torch.ones(2, 3), torch.ones(2, 4, 5)
LONGS = torch.ones(2, 3, dtype=torch.int64)
NORM_ERRORS = [
    (lambda: F.layer_norm(R, (4,)), RuntimeError, "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 3]"),
    (lambda: F.layer_norm(R, ()), RuntimeError, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []"),
    (lambda: F.layer_norm(R, 3), TypeError, "layer_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, not int"),
    (lambda: F.layer_norm(R, (3,), torch.ones(2)), RuntimeError, "Expected weight to be of same shape as normalized_shape, but got weight of shape [2] and normalized_shape = [3]"),
    (lambda: F.layer_norm(LONGS, (3,)), NotImplementedError, "\"LayerNormKernelImpl\" not implemented for 'Long'"),
    (lambda: F.layer_norm(R, (3,), torch.ones(3).double()), RuntimeError, "mixed dtype (CPU): expect parameter to have scalar type of Float"),
    (lambda: F.rms_norm(R, (4,)), RuntimeError, "Given normalized_shape=[4], expected input with shape [*4], but got input of size[2, 3]"),
    (lambda: F.group_norm(S, 3), RuntimeError, "Expected number of channels in input to be divisible by num_groups, but got input of shape [2, 4, 5] and num_groups=3"),
    (lambda: F.group_norm(R[0], 1), RuntimeError, "Expected at least 2 dimensions for input tensor but received 1"),
    (lambda: F.group_norm(S, 2, torch.ones(3)), RuntimeError, "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape [3] and input of shape [2, 4, 5]"),
    (lambda: F.group_norm(torch.ones(1, 2), 2), ValueError, "Expected more than 1 value per channel when training, got input size [1, 2]"),
    (lambda: F.batch_norm(R, None, None), RuntimeError, "running_mean must be defined in evaluation mode"),
    (lambda: F.batch_norm(R, torch.zeros(3), None), RuntimeError, "running_var must be defined in evaluation mode"),
    (lambda: F.batch_norm(R[:1], None, None, training=True), ValueError, "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])"),
    (lambda: F.batch_norm(R, torch.zeros(2), torch.ones(2), training=True), RuntimeError, "running_mean should contain 3 elements not 2"),
    (lambda: F.batch_norm(R, torch.zeros(3), torch.ones(3), torch.ones(2), training=True), RuntimeError, "weight should contain 3 elements not 2"),
    (lambda: F.batch_norm(LONGS, torch.zeros(3), torch.ones(3)), NotImplementedError, "not implemented for 'Long'"),
    (lambda: F.batch_norm(R, torch.zeros(3, requires_grad=True), torch.ones(3), training=True), RuntimeError, "is not differentiable with respect to argument 'running_mean'. This input cannot have requires_grad True."),
    (lambda: F.instance_norm(R), ValueError, "Expected more than 1 spatial element when training, got input size torch.Size([2, 3])"),
    (lambda: F.instance_norm(S, use_input_stats=False), RuntimeError, "Expected running_mean and running_var to be defined when use_input_stats is false"),
]  # fmt: skip

TABLE = torch.ones(5, 3)
OTHER_ERRORS = [
    (lambda: F.embedding(torch.tensor([0, 5]), TABLE), IndexError, "index out of range in self"),
    (lambda: F.embedding(torch.tensor([0, -1]), TABLE), IndexError, "index out of range in self"),
    (lambda: F.embedding(torch.tensor([0.0]), TABLE), RuntimeError, "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.FloatTensor instead (while checking arguments for embedding)"),
    (lambda: F.embedding(torch.tensor([0]), TABLE, padding_idx=5), AssertionError, "Padding_idx must be within num_embeddings"),
    (lambda: F.embedding(torch.tensor([0]), TABLE[0]), RuntimeError, "'weight' must be 2-D"),
    (lambda: F.one_hot(torch.tensor([0, 2]), 2), RuntimeError, "Class values must be smaller than num_classes."),
    (lambda: F.one_hot(torch.tensor([0, -1])), RuntimeError, "Class values must be non-negative."),
    (lambda: F.one_hot(torch.tensor([0.0])), RuntimeError, "one_hot is only applicable to index tensor of type LongTensor."),
    (lambda: F.one_hot(torch.tensor([], dtype=torch.int64)), RuntimeError, "Can not infer total number of classes from empty tensor."),
    (lambda: F.dropout(R, 2), ValueError, "dropout probability has to be between 0 and 1, but got 2"),
    (lambda: torch.dropout(R, 2, True), RuntimeError, "dropout probability has to be between 0 and 1, but got 2"),
    (lambda: F.dropout1d(R[0]), RuntimeError, "dropout1d: Expected 2D or 3D input, but received a 1D input."),
    (lambda: F.feature_alpha_dropout(R[0], 0.5, True), RuntimeError, "Feature dropout requires at least 2 dimensions in the input"),
    (lambda: F.dropout(LONGS), RuntimeError, "result type Float can't be cast to the desired output type Long"),
    (lambda: torch.cosine_similarity(LONGS, LONGS), RuntimeError, "expected common dtype to be floating point, yet common dtype is Long"),
    (lambda: torch.cdist(R, S), RuntimeError, "X1 and X2 must have the same number of columns. X1: 3 X2: 5"),
    (lambda: torch.cdist(R[0], R), RuntimeError, "cdist only supports at least 2D tensors, X1 got: 1D"),
    (lambda: torch.cdist(R, R, p=-1), RuntimeError, "cdist only supports non-negative p values"),
    (lambda: torch.cdist(LONGS, LONGS), RuntimeError, "cdist only supports floating-point dtypes, X1 got: Long"),
    (lambda: F.pdist(R[0]), RuntimeError, "pdist only supports 2D tensors, got: 1D"),
    (lambda: F.bilinear(R, R, torch.ones(4, 3, 2)), RuntimeError, "bilinear(): input2 size does not match weight size: got 3 but expected 2"),
    (lambda: F.bilinear(R, R[:1], torch.ones(4, 3, 3)), RuntimeError, "bilinear(): input batch dimensions do not match at dim 0: got 2 and 1"),
    (lambda: F.pad(R, (1,)), RuntimeError, "Padding length must be divisible by 2"),
    (lambda: F.pad(R, (1,) * 6), RuntimeError, "Padding length should be less than or equal to two times the input dimension but got padding length 6 and input of dimension 2"),
    (lambda: F.pad(R, (1, 1), mode="foo"), NotImplementedError, "Unrecognised padding mode foo"),
    (lambda: F.pad(R, (3, 3), mode="reflect"), RuntimeError, "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding (3, 3) at dimension 1 of input [2, 3]"),
    (lambda: F.pad(R, (4, 4), mode="circular"), RuntimeError, "Padding value causes wrapping around more than once."),
    (lambda: F.pad(R, (1, 1), "reflect", 1.0), RuntimeError, "Padding mode \"reflect\" doesn't take in value argument"),
    (lambda: F.pad(R, (1, 1, 1, 1), "reflect"), NotImplementedError, "Padding size 4 is not supported for 2D input tensor."),
    (lambda: F.pad(R, (-2, -2)), RuntimeError, "narrow(): length must be non-negative."),
    (lambda: F.pixel_shuffle(R, 2), RuntimeError, "pixel_shuffle expects input to have at least 3 dimensions, but got input with 2 dimension(s)"),
    (lambda: F.pixel_shuffle(S[..., None], 3), RuntimeError, "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=4 is not divisible by 9"),
    (lambda: F.pixel_unshuffle(S, 3), RuntimeError, "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=4 is not divisible by 3"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "kind", "text"), NORM_ERRORS, ids=range(len(NORM_ERRORS)))
def test_normalisation_errors(f, kind, text):
    with raises(kind, text):
        f()


@pytest.mark.parametrize(("f", "kind", "text"), OTHER_ERRORS, ids=range(len(OTHER_ERRORS)))
def test_other_errors(f, kind, text):
    with raises(kind, text):
        f()


# ---------------------------------------------------------------- embedding
INDEX = np.array([[0, 2, 2], [5, 0, 0]])


@pytest.mark.torch
@pytest.mark.parametrize("kw", [{}, {"padding_idx": -4}, {"scale_grad_by_freq": True, "padding_idx": 5}], ids=str)
@pytest.mark.parametrize("index", [INDEX, np.array(3), np.zeros((0, 2), int), INDEX.astype("i4")], ids=["grid", "one", "none", "int32"])
def test_embedding_against_torch(kw, index):
    check_against_torch(
        lambda T, w: T.nn.functional.embedding(T.tensor(index), w, **kw), numbers(6, 3)
    )


def test_embedding_gradient_adds_up():
    w = torch.zeros(6, 2, requires_grad=True)
    F.embedding(torch.tensor(INDEX), w, padding_idx=5).sum().backward()
    assert w.grad[:, 0].tolist() == [3.0, 0.0, 2.0, 0.0, 0.0, 0.0]
    many = torch.tensor(np.random.default_rng(0).integers(0, 40, 3000))
    v = torch.zeros(40, 3, requires_grad=True)
    (F.embedding(many, v) * torch.arange(3000.0)[:, None]).sum().backward()
    want = np.bincount(many.numpy(), np.arange(3000.0), 40)
    assert v.grad[:, 1].numpy() == pytest.approx(want, rel=1e-6)


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="both sides would be PyTorch")
@pytest.mark.parametrize("norm", [1.0, 2.0, float("inf")])
def test_embedding_max_norm(norm):
    real = pytest.importorskip("torch")
    tables = [T.tensor(numbers(6, 3, dtype="f4"), requires_grad=True) for T in (torch, real)]
    for T, w in zip((torch, real), tables):
        T.nn.functional.embedding(T.tensor(INDEX), w, max_norm=1.0, norm_type=norm)
    assert tables[0]._version > 0
    np.testing.assert_allclose(*[w.detach().numpy() for w in tables], rtol=1e-6)


def test_one_hot():
    assert F.one_hot(torch.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(torch.tensor(1)).tolist() == [0, 1]
    assert F.one_hot(torch.tensor([1]), 4).dtype is torch.int64
    assert F.one_hot(torch.zeros(0, dtype=torch.int64), 3).shape == (0, 3)


# ---------------------------------------------------------------- dropout
RANDOM = {
    "dropout": ({"p": 0.3}, (50,)),
    "dropout large": ({"p": 0.3}, (300, 200)),
    "alpha_dropout": ({"p": 0.3, "training": True}, (50,)),
    "feature_alpha_dropout": ({"p": 0.5, "training": True}, (3, 4, 5)),
    "dropout1d": ({"p": 0.5}, (3, 4, 5)),
    "dropout1d one": ({"p": 0.5}, (4, 5)),
    "dropout2d": ({"p": 0.5}, (3, 4, 5, 6)),
    "dropout3d": ({"p": 0.5}, (2, 3, 2, 2, 2)),
    "dropout3d one": ({"p": 0.5}, (3, 2, 2, 2)),
    "gumbel_softmax": ({"tau": 0.5}, (4, 6)),
    "rrelu": ({"training": True}, (4, 6)),
}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("label", "dtype"),  # PyTorch has no float16 kernel for rrelu
    [(n, d) for n in RANDOM for d in ("f8", "f4", "f2") if (n, d) != ("rrelu", "f2")],
)
def test_random_numbers_are_those_of_torch(label, dtype):
    kw, shape = RANDOM[label]

    def f(T, x):
        T.manual_seed(3)
        return getattr(T.nn.functional, label.split()[0])(x, **kw)

    check_against_torch(f, numbers(*shape, dtype=dtype), order=1)


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "dropout1d", "feature_alpha_dropout"])
def test_dropout_is_the_identity_when_it_should_be(name):
    f = getattr(F, name)
    x = torch.ones(2, 3, 4)
    assert f(x, 0.5, False) is x
    assert f(x, 0.0, True) is x
    assert f(x, 1.0, True).tolist() == torch.zeros(2, 3, 4).tolist()


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "dropout1d", "dropout2d", "dropout3d",
                                  "feature_alpha_dropout"])  # fmt: skip
def test_dropout_in_place(name):
    shape = {"dropout2d": (3, 4, 2, 2), "dropout3d": (2, 4, 2, 2, 2)}.get(name, (3, 4, 2))
    x = torch.ones(*shape)
    torch.manual_seed(1)
    want = getattr(F, name)(x, 0.5, True)
    torch.manual_seed(1)
    assert getattr(F, name)(x, 0.5, True, True) is x
    assert torch.equal(x, want)
    y = torch.ones(*shape, requires_grad=True)
    z = y * 1
    getattr(F, name)(z, 0.5, True, True).sum().backward()
    kept = 0.8864 if "alpha" in name else 2.0
    assert {round(v, 3) for v in y.grad.reshape(-1).tolist()} <= {0.0, round(kept, 3)}


def test_channel_dropout_drops_channels():
    torch.manual_seed(0)
    kept = F.dropout2d(torch.ones(20, 10, 3, 3)).reshape(200, 9)
    assert all(len(set(row)) == 1 for row in kept.tolist())
    assert {row[0] for row in kept.tolist()} == {0.0, 2.0}


def test_dropout_warnings():
    with collected_warnings() as caught:
        F.dropout2d(torch.ones(2, 3))
    assert "dropout2d: Received a 2-D input to dropout2d, which is deprecated" in str(caught[0].message)
    with collected_warnings() as caught:
        F.dropout2d(torch.ones(2, 3, 4))
    assert "assuming that channel-wise 1D dropout behavior is desired" in str(caught[0].message)


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(0)
    x = torch.randn(200_000, dtype=torch.float64)
    y = F.alpha_dropout(x, 0.2, True)
    assert y.mean().item() == pytest.approx(0, abs=0.01)
    assert y.std().item() == pytest.approx(1, abs=0.01)


# ---------------------------------------------------------------- distances
@pytest.mark.torch
@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, float("inf")])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_cdist_and_pdist_against_torch(p, dtype):
    x, y = numbers(3, 4, dtype=dtype), numbers(5, 4, seed=1, dtype=dtype)
    y[0] = x[0]  # a distance of 0 has gradient 0
    check_against_torch(lambda T, a, b: T.cdist(a, b, p=p), x, y, order=1)
    check_against_torch(lambda T, a: T.nn.functional.pdist(a, p), x, order=1)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 4), (1, 5, 4)), ((30, 4), (50, 4)), ((0, 3), (2, 3)), ((2, 0), (3, 0))], ids=str
)
def test_cdist_shapes_against_torch(left, right):
    check_against_torch(lambda T, a, b: T.cdist(a, b), numbers(*left), numbers(*right, seed=1), order=1)


@pytest.mark.skipif(REAL, reason="PyTorch has no second derivative of cdist")
@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_cdist_differentiates_twice(p):
    check_differences(lambda a, b: torch.cdist(a, b, p=p), numbers(3, 4), numbers(2, 4, seed=1))


def test_many_rows_do_not_need_all_differences_at_once():
    x = torch.tensor(numbers(300, 20), requires_grad=True)
    d = torch.cdist(x, x, p=1.0)
    d.sum().backward()
    want = np.abs(x.detach().numpy()[:, None] - x.detach().numpy()).sum(-1)
    np.testing.assert_allclose(d.detach().numpy(), want, rtol=1e-12)
    near = torch.cdist(x.detach(), x.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    assert near.diagonal().abs().max().item() == 0


def test_distances_at_zero():
    zero = torch.zeros(2, dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    assert slope_at(lambda x: F.pairwise_distance(x, zero), 0.0, 0.0) == pytest.approx([0.70710678] * 2)
    assert slope_at(lambda x: F.normalize(x, dim=0), 0.0, 0.0) == pytest.approx([1e12] * 2)
    assert slope_at(lambda x: F.cosine_similarity(x, one, dim=0), 0.0, 0.0) == pytest.approx([7.0710678e7] * 2)
