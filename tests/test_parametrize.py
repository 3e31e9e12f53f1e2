"""nn.utils.parametrize and the ready parametrizations; the old weight and spectral norms; fusion.

Recorded trainings of all of them are in recorded_cases.py.
"""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest
from against import NAME, raises, torch

nn, utils = torch.nn, torch.nn.utils
parametrize = importlib.import_module(f"{NAME}.nn.utils.parametrize")
ready = importlib.import_module(f"{NAME}.nn.utils.parametrizations")


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, a):
        return a.triu()


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


class Sum(nn.Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, w):
        return w * 0.25, w * 0.75


def square(n=3):
    return nn.Linear(n, n)


def test_registering_and_removing():
    layer = square()
    before, parameter = layer.weight.detach().clone(), layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert torch.equal(layer.weight, before.triu() + before.triu(1).T)
    assert layer.parametrizations.weight.original is parameter  # optimizers keep it
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert not parametrize.is_parametrized(nn.ReLU())
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=3, out_features=3, bias=True\n"
        "  (parametrizations): ModuleDict(\n    (weight): ParametrizationList(\n"
        "      (0): Symmetric()\n    )\n  )\n)"
    )
    now = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert torch.equal(layer.weight, now)
    assert layer.weight is parameter
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_gradients_reach_the_original():
    layer = square(2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    x = torch.tensor([[1.0, 2.0]])
    layer(x).sum().backward()
    assert layer.parametrizations.weight.original.grad.tolist() == [[2.0, 4.0], [2.0, 4.0]]


def test_assignment_goes_through_the_inverse():
    layer = square(2)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    goal = torch.tensor([[1.0, 2.0], [2.0, 3.0]])
    layer.weight = goal
    assert torch.equal(layer.weight, goal)
    assert layer.parametrizations.weight.original.tolist() == [[1.0, 2.0], [0.0, 3.0]]
    parametrize.register_parametrization(layer, "bias", Doubled())
    with raises(RuntimeError, "parametrization Doubled does not implement right_inverse."):
        layer.bias = torch.ones(2)


def test_one_after_the_other():
    layer = square(2)
    layer.weight.data.fill_(1.0)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert layer.weight.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert len(layer.parametrizations.weight) == 2
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_several_originals():
    layer = square()
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Sum())
    assert list(layer.state_dict())[1:] == [
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-6)
    assert isinstance(layer.parametrizations.weight.original1, nn.Parameter)
    with raises(ValueError, "Cannot leave unparametrized (`leave_parametrized=False`)"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    layer.weight = torch.full((3, 3), 8.0)
    assert layer.parametrizations.weight.original0[0, 0].item() == 2
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight.tolist() == [[8.0] * 3] * 3


def test_buffers_too():
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(3.0)
    parametrize.register_parametrization(norm, "running_mean", Doubled())
    assert norm.running_mean.tolist() == [6.0, 6.0]
    assert "parametrizations.running_mean.original" in dict(norm.named_buffers())


def test_cached():
    class Counted(nn.Module):
        calls = 0

        def forward(self, x):
            Counted.calls += 1
            return x * 2

    layer = square()
    parametrize.register_parametrization(layer, "weight", Counted())
    Counted.calls = 0
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert Counted.calls == 1
    assert layer.weight is not layer.weight


def test_copies_states_and_pickles():
    layer = square()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    twin = copy.deepcopy(layer)
    assert type(twin) is type(layer)
    assert torch.equal(twin.weight, layer.weight)
    twin.parametrizations.weight.original.data.zero_()
    assert not torch.equal(twin.weight, layer.weight)
    twin.load_state_dict(layer.state_dict())
    assert torch.equal(twin.weight, layer.weight)
    with raises(RuntimeError, "Serialization of parametrized modules is only supported through"):
        pickle.dumps(layer)


def test_training_mode_and_casts_reach_the_parametrization():
    layer = ready.spectral_norm(square())
    layer.eval()
    assert not layer.parametrizations.weight[0].training
    assert layer.double().weight.dtype is torch.float64


def test_transfer():
    source, target = square(2), square(2)
    parametrize.register_parametrization(source, "weight", Symmetric())
    parametrize.transfer_parametrizations_and_params(source, target)
    assert torch.equal(source.weight, target.weight)
    assert target.parametrizations.weight.original is source.parametrizations.weight.original
    assert parametrize.transfer_parametrizations_and_params(square(), nn.ReLU()) is not None


class Bad(nn.Module):
    """A parametrization that does one thing wrong."""

    def __init__(self, forward=None, inverse=None):
        super().__init__()
        self.does = forward or (lambda x: x)
        if inverse is not None:
            self.right_inverse = inverse

    def forward(self, x):
        return self.does(x)


@pytest.mark.parametrize(
    ("bad", "first", "second"),
    [
        ({"forward": lambda x: x[:1]}, "may not change the shape of the tensor", "may not change the shape"),
        ({"forward": lambda x: x.double()}, "may not change the dtype of the tensor", "may not change the dtype"),
        ({"forward": lambda x: [x]}, "A parametrization must return a tensor. Got list.", "must return a tensor. Got list."),
        ({"inverse": lambda x: x[:1]}, "may not change the shape of the tensor", "right_inverse must have the same shape"),
        ({"inverse": lambda x: 3}, "'right_inverse' must return a Tensor or a Sequence", "right_inverse must return a tensor. Got: int"),
        ({"inverse": lambda x: x.double()}, "it may not change the dtype.", "right_inverse must have the same dtype"),
    ],
)  # fmt: skip
def test_refused_parametrizations(bad, first, second):
    layer = square()
    before = layer.weight.detach().clone()
    with raises(ValueError, first):
        parametrize.register_parametrization(layer, "weight", Bad(**bad))
    assert type(layer) is nn.Linear
    if NAME == "wengert":
        assert torch.equal(layer.weight, before)
    layer = square()
    parametrize.register_parametrization(layer, "weight", Doubled())
    with raises(ValueError, second):
        parametrize.register_parametrization(layer, "weight", Bad(**bad))


def test_errors():
    layer = square()
    with raises(
        ValueError, "does not have a parameter, a buffer, or a parametrized element with name 'w'"
    ):
        parametrize.register_parametrization(layer, "w", Doubled())
    with raises(ValueError, "does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")
    with raises(ValueError, "orthogonal_map has to be one of", "Got: polar"):
        ready.orthogonal(layer, orthogonal_map="polar")
    with raises(
        ValueError, "Expected a matrix or batch of matrices. Got a tensor of 1 dimensions."
    ):
        ready.orthogonal(layer, "bias")
    with raises(ValueError, "has no parameter or buffer with name 'w'"):
        ready.orthogonal(layer, "w")
    with raises(
        ValueError, "Expected n_power_iterations to be positive, but got n_power_iterations=0"
    ):
        ready.spectral_norm(layer, n_power_iterations=0)
    with raises(
        IndexError, "Dimension out of range (expected to be in range of [-2, 1] but got 5)"
    ):
        ready.spectral_norm(layer, dim=5)
    made = ready.orthogonal(square(), orthogonal_map="cayley")
    with raises(ValueError, "Expected a matrix or batch of matrices of shape torch.Size([3, 3])."):
        made.weight = torch.ones(2, 2)
    plain = ready.orthogonal(square(), orthogonal_map="cayley", use_trivialization=False)
    with raises(NotImplementedError, "when use_trivialization=False"):
        plain.weight = torch.eye(3)


# ------------------------------------------------------------------ what the ready ones mean


def test_weight_norm_separates_length_and_direction():
    layer = ready.weight_norm(nn.Linear(3, 2))
    g = layer.parametrizations.weight.original0
    norms = torch.linalg.vector_norm(layer.weight, dim=1, keepdim=True)
    np.testing.assert_allclose(norms.detach().numpy(), g.detach().numpy(), rtol=1e-6)
    with torch.no_grad():
        g.mul_(3)
        layer.parametrizations.weight.original1.mul_(7)
    after = torch.linalg.vector_norm(layer.weight, dim=1, keepdim=True)
    np.testing.assert_allclose(after.detach().numpy(), 3 * norms.detach().numpy(), rtol=1e-6)


def test_weight_norm_reads_states_of_the_old_one():
    old, new = nn.Linear(3, 2), ready.weight_norm(nn.Linear(3, 2))
    with pytest.warns(FutureWarning, match="is deprecated in favor of"):
        utils.weight_norm(old)
    new.load_state_dict(old.state_dict())
    np.testing.assert_allclose(new.weight.detach().numpy(), old.weight.detach().numpy(), rtol=1e-6)


def test_spectral_norm_has_largest_singular_value_one():
    for shape, dim in (((3, 4, 2), None), ((5, 3), 1)):
        module = nn.Module()
        module.weight = nn.Parameter(torch.randn(*shape))
        ready.spectral_norm(module, n_power_iterations=100, dim=dim)
        matrix = module.weight if dim is None else module.weight.T
        matrix = matrix.detach().reshape(matrix.shape[0], -1).numpy()
        assert np.linalg.svd(matrix)[1][0] == pytest.approx(1, rel=1e-4)
    module.eval()
    u = module.parametrizations.weight[0]._u.clone()
    _ = module.weight
    assert torch.equal(module.parametrizations.weight[0]._u, u)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_orthogonal_stays_so_in_training(shape, map, trivial):
    module = nn.Module()
    module.weight = nn.Parameter(torch.randn(*shape, dtype=torch.float64))
    ready.orthogonal(module, orthogonal_map=map, use_trivialization=trivial)
    goal = torch.randn(*shape, dtype=torch.float64)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ((module.weight - goal) ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        w = module.weight.detach().numpy()
        w = np.swapaxes(w, -1, -2) if shape[-2] < shape[-1] else w
        np.testing.assert_allclose(np.swapaxes(w, -1, -2) @ w - np.eye(w.shape[-1]), 0, atol=1e-10)
    assert losses[-1] < losses[0]


def test_orthogonal_starts_from_an_orthogonal_matrix_as_it_is():
    q = np.linalg.qr(np.random.RandomState(0).standard_normal((4, 4)))[0]
    module = nn.Module()
    module.weight = nn.Parameter(torch.tensor(q))
    ready.orthogonal(module)
    np.testing.assert_allclose(module.weight.detach().numpy(), q, atol=1e-12)
    with torch.no_grad():
        module.weight = torch.tensor(-q)
    np.testing.assert_allclose(module.weight.detach().numpy(), -q, atol=1e-12)


def test_orthogonal_complex_is_unitary():
    module = nn.Module()
    module.weight = nn.Parameter(torch.randn(3, 3, dtype=torch.complex128))
    ready.orthogonal(module, orthogonal_map="matrix_exp")
    w = module.weight.detach().numpy()
    np.testing.assert_allclose(w.conj().T @ w, np.eye(3), atol=1e-10)
    module.other = nn.Parameter(torch.randn(3, 3, dtype=torch.complex64))
    with raises(ValueError, "The householder parametrization does not support complex tensors."):
        ready.orthogonal(module, "other", orthogonal_map="householder")


# ------------------------------------------------------------------ the old norms


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_old_norms_come_and_go(name):
    apply, remove = getattr(utils, name), getattr(utils, f"remove_{name}")
    layer = nn.Linear(3, 2)
    assert apply(layer) is layer
    parts = {
        "weight_norm": ["weight_g", "weight_v"],
        "spectral_norm": ["weight_orig", "weight_u", "weight_v"],
    }
    assert list(layer.state_dict()) == ["bias", *parts[name]]
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.get_parameter(parts[name][0]).grad is not None
    with raises(RuntimeError, f"Cannot register two {name} hooks on the same parameter weight"):
        apply(layer)
    other = apply(nn.Linear(3, 2))
    other.load_state_dict(layer.state_dict())
    layer.eval(), other.eval()
    assert torch.equal(layer(torch.ones(1, 3)), other(torch.ones(1, 3)))
    now = layer.weight.detach().clone()
    remove(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), now.numpy(), rtol=1e-6)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert "weight" in dict(layer.named_parameters())
    with raises(ValueError, f"{name} of 'weight' not found in Linear"):
        remove(layer)


def test_old_spectral_norm_reads_states_without_v():
    layer = utils.spectral_norm(nn.Linear(3, 2))
    layer.eval()
    state = layer.state_dict()
    weight = layer.weight.detach().clone()
    v = state.pop("weight_v")
    state["weight"] = weight
    state._metadata[""].pop("spectral_norm")
    other = utils.spectral_norm(nn.Linear(3, 2))
    other.load_state_dict(state)
    other.eval()
    other(torch.ones(1, 3))
    np.testing.assert_allclose(other.weight.detach().numpy(), weight.numpy(), rtol=1e-4)
    assert other.weight_v.shape == v.shape
    assert layer.state_dict()._metadata[""]["spectral_norm"] == {"weight.version": 1}


# ------------------------------------------------------------------ other helpers


def test_fused_linear_and_batch_norm():
    linear, norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
    with torch.no_grad():
        norm(torch.randn(20, 4) * 3 + 1)
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
    with pytest.raises(AssertionError):
        utils.fuse_linear_bn_eval(linear, norm)
    linear.eval(), norm.eval()
    fused = utils.fuse_linear_bn_eval(linear, norm)
    x = torch.randn(5, 3)
    np.testing.assert_allclose(
        fused(x).detach().numpy(), norm(linear(x)).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    assert fused is not linear
    w, b = utils.fuse_conv_bn_weights(
        torch.ones(2, 1, 3), None, torch.tensor([1.0, 0.0]), torch.tensor([4.0, 1.0]), 0.0,
        torch.tensor([2.0, 3.0]), torch.tensor([0.5, 0.0]),
    )  # fmt: skip
    assert w[:, 0, 0].tolist() == [1.0, 3.0]
    assert b.tolist() == [-0.5, 0.0]
    w, _ = utils.fuse_conv_bn_weights(
        torch.ones(1, 2, 3), None, torch.zeros(2), torch.ones(2), 0.0, torch.tensor([2.0, 3.0]),
        None, transpose=True,
    )  # fmt: skip
    assert w[0, :, 0].tolist() == [2.0, 3.0]


def test_skip_init():
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    layer = utils.skip_init(nn.Linear, 2, 3, dtype=torch.float64)
    assert torch.equal(torch.rand(1), before)
    assert layer.weight.shape == (3, 2)
    assert layer.weight.dtype is torch.float64
    with raises(RuntimeError, "Module must support a 'device' arg to skip initialization"):
        utils.skip_init(nn.ReLU)


def test_norm_except_dim():
    v = np.random.RandomState(0).standard_normal((2, 3, 4))
    for dim in (0, 1, 2):
        others = tuple(d for d in range(3) if d != dim)
        np.testing.assert_allclose(
            torch.norm_except_dim(torch.tensor(v), 2, dim).numpy(),
            np.sqrt((v**2).sum(others, keepdims=True)),
        )
    assert torch.norm_except_dim(torch.tensor(v), 2, -1).shape == ()
    assert torch.norm_except_dim(torch.tensor(v), 1, 0).shape == (2, 1, 1)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_functional_call():
    stateless = importlib.import_module(f"{NAME}.nn.utils.stateless")
    layer = nn.Linear(2, 1)
    before = layer.weight
    out = stateless.functional_call(
        layer, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, torch.tensor([3.0, 4.0])
    )
    assert out.item() == 7
    assert layer.weight is before
    with raises(RuntimeError, "Missing key(s): 'bias'."):
        stateless.functional_call(layer, {"weight": before}, torch.ones(2), strict=True)


def test_functional_call_of_a_parametrized_module():
    stateless = importlib.import_module(f"{NAME}.nn.utils.stateless")
    layer = nn.Linear(2, 1, bias=False)
    parametrize.register_parametrization(layer, "weight", Doubled())
    with pytest.warns(FutureWarning, match="drop-in replacement"):
        out = stateless.functional_call(
            layer, {"parametrizations.weight.original": torch.ones(1, 2)}, torch.ones(2)
        )
    assert out.item() == 4


def test_convolutions():
    """The rows of a transposed convolution's matrix are along its second dim."""
    for make, shape in ((nn.Conv2d, (1, 3, 5, 5)), (nn.ConvTranspose2d, (1, 3, 5, 5))):
        layer = ready.spectral_norm(make(3, 4, 2), n_power_iterations=50)
        matrix = layer.weight.detach()
        matrix = matrix.transpose(0, 1) if make is nn.ConvTranspose2d else matrix
        assert matrix.shape[0] == 4
        values = np.linalg.svd(matrix.reshape(4, -1).numpy())[1]
        assert values[0] == pytest.approx(1, rel=1e-4)
        assert layer(torch.ones(shape)).shape[1] == 4
        both = ready.weight_norm(make(3, 4, 2), dim=1)
        assert both.parametrizations.weight.original0.numel() == both.weight.shape[1]
        old = utils.spectral_norm(make(3, 4, 2))
        assert old.weight_u.shape == (4,)


def test_memory_formats():
    net = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Conv1d(3, 4, 2), nn.Conv3d(3, 4, 2))
    weight, before = net[0].weight, net[0].weight.detach().clone()
    assert utils.convert_conv2d_weight_memory_format(net, torch.channels_last) is net
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert net[0].weight is weight
    assert torch.equal(weight, before)
    assert net[2].weight.is_contiguous()
    utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d)
    assert net[2].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert net[1].weight.is_contiguous()


def test_fused_convolutions():
    for make, transpose in ((nn.Conv2d, False), (nn.ConvTranspose2d, True)):
        conv, norm = make(3, 4, 2, bias=transpose).eval(), nn.BatchNorm2d(4)
        with torch.no_grad():
            norm(torch.randn(5, 4, 3, 3) * 2 + 1)
            norm.weight.uniform_(0.5, 2)
        norm.eval()
        fused = utils.fuse_conv_bn_eval(conv, norm, transpose)
        x = torch.randn(2, 3, 5, 5)
        np.testing.assert_allclose(
            fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-5
        )
