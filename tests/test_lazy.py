"""Lazy modules and uninitialized tensors; factory_kwargs, SyncBatchNorm, DataParallel."""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest
from against import NAME, raises, torch

nn = torch.nn
parameter = importlib.import_module(f"{NAME}.nn.parameter")
lazy = importlib.import_module(f"{NAME}.nn.modules.lazy")


def test_an_uninitialized_parameter():
    p = nn.UninitializedParameter(dtype=torch.float64)
    assert isinstance(p, nn.Parameter)
    assert parameter.is_lazy(p)
    assert not parameter.is_lazy(nn.Parameter(torch.ones(1)))
    assert repr(p) == "<UninitializedParameter>"
    assert p.requires_grad
    assert p.is_leaf
    assert p.grad is None
    assert p.dtype is torch.float64
    assert p.device == torch.device("cpu")
    assert p.is_floating_point()
    p.materialize((2, 3))
    assert type(p) is nn.Parameter
    assert p.shape == (2, 3)
    assert p.dtype is torch.float64
    p.data.fill_(2.0)
    (p * p).sum().backward()
    assert p.grad.tolist() == [[4.0] * 3] * 2


def test_an_uninitialized_buffer():
    b = nn.UninitializedBuffer()
    assert repr(b) == "<UninitializedBuffer>"
    assert not b.requires_grad
    b.materialize((2,), dtype=torch.float64)
    assert type(b) is torch.Tensor
    assert b.dtype is torch.float64


@pytest.mark.parametrize(
    "use",
    [
        "p + 1",
        "torch.add(p, 1)",
        "p.sum()",
        "p[0]",
        "-p",
        "len(p)",
        "p.numel()",
        "p.dim()",
        "p.clone()",
        "p.tolist()",
        "p.zero_()",
        "p == 1",
        "p.backward()",
        "p.contiguous()",
        "nn.functional.linear(torch.ones(2), p)",
        "nn.init.zeros_(p)",
        "nn.utils.parameters_to_vector([p])",
        "torch.stack([p, p])",
    ],
)
def test_it_can_not_be_used(use):
    with raises(
        ValueError,
        "Attempted to use an uninitialized parameter",
        "Call `forward`" if NAME == "torch" else "call `forward`",
    ):
        eval(use, {"p": nn.UninitializedParameter(), "nn": nn, "torch": torch})


def test_it_has_no_shape():
    with raises(RuntimeError, "Can't access the shape of an uninitialized parameter or buffer."):
        _ = nn.UninitializedParameter().shape


def test_a_lazy_layer_becomes_an_ordinary_one():
    layer = nn.LazyLinear(3)
    assert repr(layer) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert layer.has_uninitialized_params()
    weight = layer.weight
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    torch.manual_seed(0)
    out = layer(torch.ones(2, 5))
    torch.manual_seed(0)
    assert torch.equal(nn.Linear(5, 3).weight, layer.weight)
    assert out.shape == (2, 3)
    assert type(layer) is nn.Linear
    assert repr(layer) == "Linear(in_features=5, out_features=3, bias=True)"
    assert layer.weight is weight
    assert not layer._forward_pre_hooks
    assert not layer._load_state_dict_pre_hooks
    before = weight.detach().clone()
    out.sum().backward()
    optimizer.step()
    assert not torch.equal(weight, before)
    layer(torch.ones(5))


CASES = [
    (lambda: nn.LazyLinear(2, bias=False), (4, 3), "Linear(in_features=3, out_features=2, bias=False)"),
    (lambda: nn.LazyConv1d(4, 3), (2, 3, 8), "Conv1d(3, 4, kernel_size=(3,), stride=(1,))"),
    (lambda: nn.LazyConv2d(4, 3, groups=2), (2, 6, 8, 8), "Conv2d(6, 4, kernel_size=(3, 3), stride=(1, 1), groups=2)"),
    (lambda: nn.LazyConv2d(4, 3, bias=False), (6, 8, 8), "Conv2d(6, 4, kernel_size=(3, 3), stride=(1, 1), bias=False)"),
    (lambda: nn.LazyConv3d(2, 1), (1, 2, 3, 3, 3), "Conv3d(2, 2, kernel_size=(1, 1, 1), stride=(1, 1, 1))"),
    (lambda: nn.LazyConvTranspose1d(4, 3, 2, 1, 1), (2, 6, 8), "ConvTranspose1d(6, 4, kernel_size=(3,), stride=(2,), padding=(1,), output_padding=(1,))"),
    (lambda: nn.LazyConvTranspose2d(4, 3, groups=2), (2, 6, 4, 4), "ConvTranspose2d(6, 4, kernel_size=(3, 3), stride=(1, 1), groups=2)"),
    (lambda: nn.LazyConvTranspose3d(1, 2), (1, 2, 2, 2, 2), "ConvTranspose3d(2, 1, kernel_size=(2, 2, 2), stride=(1, 1, 1))"),
    (lambda: nn.LazyBatchNorm1d(), (4, 3), "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"),
    (lambda: nn.LazyBatchNorm2d(affine=False), (4, 3, 2, 2), "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)"),
    (lambda: nn.LazyBatchNorm3d(track_running_stats=False), (4, 3, 2, 2, 2), "BatchNorm3d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=False)"),
    (lambda: nn.LazyInstanceNorm1d(), (4, 3, 5), "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"),
    (lambda: nn.LazyInstanceNorm2d(momentum=0.2), (4, 3, 5, 5), "InstanceNorm2d(3, eps=1e-05, momentum=0.2, affine=True, bias=True, track_running_stats=True)"),
    (lambda: nn.LazyInstanceNorm3d(bias=False), (4, 3, 2, 2, 2), "InstanceNorm3d(3, eps=1e-05, momentum=0.1, affine=True, bias=False, track_running_stats=True)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "text"), CASES, ids=[text for _, _, text in CASES])
def test_all_lazy_layers(make, shape, text):
    layer = make()
    assert type(layer).__name__.startswith("Lazy")
    assert layer.has_uninitialized_params()
    state_of_another = make()
    x = torch.ones(shape)
    out = layer(x)
    assert repr(layer) == text
    assert torch.equal(layer.eval()(x), layer(x))
    if NAME == "torch" and "InstanceNorm" in text:
        return  # num_features stays 0 there
    # the state gives another one its shapes
    state_of_another.load_state_dict(layer.state_dict())
    assert not state_of_another.has_uninitialized_params()
    np.testing.assert_array_equal(
        state_of_another.eval()(x).detach().numpy(), layer(x).detach().numpy()
    )
    assert out.shape == layer(x).shape


def test_states():
    uninitialized, ordinary = nn.LazyLinear(3), nn.Linear(2, 3)
    assert list(uninitialized.state_dict()) == ["weight", "bias"]
    assert parameter.is_lazy(uninitialized.state_dict()["weight"])
    assert str(nn.LazyLinear(3).load_state_dict(uninitialized.state_dict())) == (
        "<All keys matched successfully>"
    )
    with raises(RuntimeError, "Can't access the shape of an uninitialized parameter or buffer."):
        ordinary.load_state_dict(uninitialized.state_dict())
    uninitialized.load_state_dict(ordinary.state_dict())
    assert torch.equal(uninitialized.weight, ordinary.weight)
    assert type(uninitialized) is nn.LazyLinear
    x = torch.ones(1, 2)
    assert torch.equal(uninitialized(x), ordinary(x))
    assert type(uninitialized) is nn.Linear
    assert uninitialized.in_features == 2


@pytest.mark.wengert_only
def test_a_partial_state():
    layer = nn.LazyLinear(3)
    layer.load_state_dict({"weight": torch.ones(3, 2)}, strict=False)
    assert parameter.is_lazy(layer.bias)
    assert layer(torch.ones(2)).shape == (3,)
    assert layer.bias.shape == (3,)


def test_copies_and_casts():
    layer = nn.LazyLinear(2)
    twin = copy.deepcopy(layer)
    assert twin.weight is not layer.weight
    twin(torch.ones(3))
    twin(torch.ones(3))
    assert layer.has_uninitialized_params()
    assert layer.double() is layer
    assert layer.weight.dtype is torch.float64
    layer(torch.ones(4, dtype=torch.float64))
    assert layer.weight.shape == (2, 4)
    assert layer.weight.dtype is torch.float64
    again = pickle.loads(pickle.dumps(nn.LazyLinear(2)))
    assert again(torch.ones(5)).shape == (2,)


def test_networks():
    net = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    )
    assert net(torch.randn(3, 1, 6, 6)).shape == (3, 2)
    assert [type(m).__name__ for m in net] == ["Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]
    assert sum(p.numel() for p in net.parameters()) == 4 * 9 + 4 + 8 + 2 * 64 + 2


def test_errors():
    with raises(
        RuntimeError,
        "Expected 3D (unbatched) or 4D (batched) input to LazyConv2d, but got input of size: torch.Size([2, 3])",
    ):
        nn.LazyConv2d(4, 3)(torch.ones(2, 3))
    with raises(ValueError, "in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 3, groups=2)(torch.ones(1, 3, 4, 4))

    class Unfinished(nn.LazyLinear):
        def initialize_parameters(self, input):
            pass

    with raises(RuntimeError, "module Unfinished has not been fully initialized"):
        Unfinished(2)(torch.ones(2))


def test_a_lazy_module_of_ones_own():
    class Scale(lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.UninitializedParameter()

        def initialize_parameters(self, x, *, start):
            if self.has_uninitialized_params():
                with torch.no_grad():
                    self.factor.materialize(x.shape[-1:])
                    self.factor.fill_(start)

        def forward(self, x, *, start):
            return x * self.factor

    module = Scale()
    assert module(torch.ones(2, 3), start=4.0).tolist() == [[4.0] * 3] * 2
    assert module(torch.ones(3), start=9.0).tolist() == [4.0] * 3
    assert type(module) is Scale

    class Nothing(lazy.LazyModuleMixin, nn.Module):
        pass

    with raises(NotImplementedError, "initialize_parameters is not implemented for Nothing"):
        Nothing()(1)


# ------------------------------------------------------------------ beside them


def test_factory_kwargs():
    assert nn.factory_kwargs(None) == {}
    assert nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"device": 2}}) == {
        "dtype": 1,
        "device": 2,
    }
    with raises(TypeError, "unexpected kwargs {'x'}"):
        nn.factory_kwargs({"x": 1})
    with raises(TypeError, "dtype specified twice, in **kwargs and in factory_kwargs"):
        nn.factory_kwargs({"factory_kwargs": {"dtype": 1}, "dtype": 2})


def test_sync_batch_norm_in_one_process():
    plain, norm = nn.BatchNorm2d(3), nn.SyncBatchNorm(3)
    x = torch.randn(4, 3, 2, 2)
    np.testing.assert_array_equal(norm(x).detach().numpy(), plain(x).detach().numpy())
    assert torch.equal(norm.running_var, plain.running_var)
    assert norm(torch.randn(4, 3)).shape == (4, 3)
    with raises(ValueError, "expected at least 2D input (got 1D input)"):
        norm(torch.ones(3))
    net = nn.Sequential(
        nn.BatchNorm1d(2, momentum=0.3).eval(),
        nn.ReLU(),
        nn.Sequential(nn.BatchNorm2d(3, affine=False)),
    )
    first = net[0]
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert made is net
    assert [type(m).__name__ for m in made.modules()] == [
        "Sequential", "SyncBatchNorm", "ReLU", "Sequential", "SyncBatchNorm"
    ]  # fmt: skip
    assert made[0].weight is first.weight
    assert made[0].momentum == 0.3
    assert not made[0].training


def test_data_parallel_calls_the_module():
    layer = nn.Linear(2, 2)
    model = nn.DataParallel(layer)
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    x = torch.ones(3, 2)
    assert torch.equal(model(x), layer(x))
    assert model.module is layer
    if NAME == "wengert":
        assert torch.equal(nn.parallel.data_parallel(layer, x), layer(x))


def test_container():
    with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
        container = nn.Container(a=nn.ReLU())
    assert repr(container) == "Container(\n  (a): ReLU()\n)"
