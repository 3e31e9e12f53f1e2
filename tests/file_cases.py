"""What the recorded checkpoints hold: each case is a function of the library that makes the object.

`tools/record_files.py` lets PyTorch write them into tests/recorded_files.tar.xz; the tests make the same
objects here and compare. `REFUSED` are files that must not load, with a phrase of the refusal.
"""

from __future__ import annotations

import warnings
from collections import Counter, OrderedDict, defaultdict

import numpy as np

LAYERS = {
    "Linear": "nn.Linear(2, 3)",
    "no bias": "nn.Linear(2, 1, bias=False)",
    "Bilinear": "nn.Bilinear(1, 2, 2)",
    "Conv1d": "nn.Conv1d(2, 2, 2, groups=2)",
    "Conv2d": "nn.Conv2d(1, 2, 2)",
    "Conv3d": "nn.Conv3d(1, 1, (1, 2, 2))",
    "ConvTranspose1d": "nn.ConvTranspose1d(1, 2, 2)",
    "ConvTranspose2d": "nn.ConvTranspose2d(2, 1, 2, bias=False)",
    "ConvTranspose3d": "nn.ConvTranspose3d(1, 1, (1, 1, 2))",
    "BatchNorm1d": "nn.BatchNorm1d(2)",
    "BatchNorm2d": "nn.BatchNorm2d(2, affine=False)",
    "BatchNorm3d": "nn.BatchNorm3d(2, track_running_stats=False)",
    "InstanceNorm1d": "nn.InstanceNorm1d(2, affine=True, track_running_stats=True)",
    "GroupNorm": "nn.GroupNorm(1, 2)",
    "LayerNorm": "nn.LayerNorm((1, 2))",
    "RMSNorm": "nn.RMSNorm(2)",
    "RNN": "nn.RNN(1, 2)",
    "LSTM": "nn.LSTM(1, 2, num_layers=2, bidirectional=True)",
    "LSTM projected": "nn.LSTM(1, 2, proj_size=1)",
    "GRU": "nn.GRU(1, 1, bias=False)",
    "RNNCell": "nn.RNNCell(1, 2)",
    "LSTMCell": "nn.LSTMCell(1, 1)",
    "GRUCell": "nn.GRUCell(1, 1)",
    "Embedding": "nn.Embedding(3, 2, padding_idx=0)",
    "EmbeddingBag": "nn.EmbeddingBag(2, 2)",
    "PReLU": "nn.PReLU(2)",
    "MultiheadAttention": "nn.MultiheadAttention(2, 1)",
    "TransformerEncoder": "nn.TransformerEncoder(nn.TransformerEncoderLayer(2, 1, 1), 1,"
    " enable_nested_tensor=False)",
    "TransformerDecoderLayer": "nn.TransformerDecoderLayer(2, 1, 1)",
    "weight norm": "nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))",
    "old weight norm": "nn.utils.weight_norm(nn.Linear(2, 1))",
    "spectral norm": "nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))",
    "containers": "nn.ModuleDict({'a': nn.ModuleList([nn.Linear(1, 1)]), 'b': nn.Sequential()})",
    "parameters": "nn.ParameterDict({'x': nn.Parameter(torch.ones(2)), 'y': nn.Parameter(torch.ones(()))})",
}

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.1},
    "Adam amsgrad": {"lr": 0.1, "amsgrad": True, "betas": (0.8, 0.99)},
    "AdamW": {"lr": 0.1},
    "Adamax": {"lr": 0.1},
    "NAdam": {"lr": 0.1},
    "RAdam": {"lr": 0.1},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1},
    "Adadelta": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.1},
    "ASGD": {"lr": 0.1},
    "LBFGS": {"lr": 0.5, "max_iter": 3, "history_size": 2},
    "Adafactor": {"lr": 0.1},
    "Muon": {"lr": 0.1},
}

SCHEDULERS = {
    "StepLR": "StepLR(o, 2)",
    "MultiStepLR": "MultiStepLR(o, [1, 3])",
    "ExponentialLR": "ExponentialLR(o, 0.9)",
    "CosineAnnealingLR": "CosineAnnealingLR(o, 5)",
    "OneCycleLR": "OneCycleLR(o, 0.3, total_steps=9)",
    "ReduceLROnPlateau": "ReduceLROnPlateau(o)",
    "LambdaLR": "LambdaLR(o, lambda k: 0.9**k)",
}


def layer(lib, name):
    lib.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(LAYERS[name], {"nn": lib.nn, "torch": lib})


def layers(lib):
    return {name: layer(lib, name).state_dict() for name in LAYERS}


def optimizer(lib, name):
    """An optimiser with two groups, and its parameters."""
    weight = lib.nn.Parameter(lib.tensor([[0.5, -1.0], [2.0, 0.25]]))
    other = lib.nn.Parameter(lib.tensor([[1.0, 3.0]]))
    kind = getattr(lib.optim, name.split()[0])
    # L-BFGS takes one group only
    groups = (
        [weight, other] if kind is lib.optim.LBFGS else [{"params": [weight]}, {"params": [other]}]
    )
    return kind(groups, **OPTIMIZERS[name]), weight, other


def steps(made, n=3):
    """Walks downhill, and returns where that leads."""
    o, weight, other = made

    def closure():
        o.zero_grad()
        loss = (weight**2).sum() + (weight.sum() - other.sum()) ** 2 / 4
        loss.backward()
        return loss

    for _ in range(n):
        o.step(closure)
    return [weight.tolist(), other.tolist()]


def optimizers(lib):
    found = {}
    for name in OPTIMIZERS:
        made = optimizer(lib, name)
        steps(made)
        found[name] = {"params": list(made[1:]), "state": made[0].state_dict()}
    return found


def schedulers(lib):
    found = {}
    for name, text in SCHEDULERS.items():
        o = lib.optim.SGD([lib.nn.Parameter(lib.ones(1))], lr=0.1, momentum=0.9)
        s = eval("s." + text, {"s": lib.optim.lr_scheduler, "o": o})
        for _ in range(2):
            o.step()
            s.step(*[1.0] * (name == "ReduceLROnPlateau"))
        found[name] = s.state_dict()
    return found


FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool")


def tensors(lib):
    base = lib.arange(12.0)
    z = lib.tensor([[1 + 2j, 3 - 1j]])
    image = lib.arange(8.0).reshape(1, 2, 2, 2)
    noted = lib.ones(2)
    noted.note = "kept"
    named = lib.nn.Parameter(lib.ones(2))
    named.note = ["kept", lib.zeros(1)]
    return {
        "floats": [lib.tensor([0.0, 1.5, -2.0], dtype=getattr(lib, n)) for n in FLOATS],
        "integers": [lib.tensor([0, 1, 1], dtype=getattr(lib, n)) for n in INTEGERS],
        "extreme": [lib.tensor([float("inf"), -0.0, 1e-45]), lib.tensor([-(2**63), 2**63 - 1])],
        "scalar": lib.tensor(3.5), "empty": lib.zeros(0), "no rows": lib.zeros(0, 3, dtype=lib.int64),
        "base": base, "slice": base[2:5], "every third": base[1::3], "transposed": base.reshape(3, 4).t(),
        "windows": base.as_strided((3, 4), (2, 1), 1), "expanded": lib.ones(1, 2).expand(3, 2),
        "diagonal": lib.eye(3).diagonal(), "channels last": image.contiguous(memory_format=lib.channels_last),
        "complex": z, "transposed complex": z.t(), "conjugate": z.conj(), "imaginary": lib.tensor([1 + 2j, 3j]).imag,
        "negative": lib.tensor([1 + 2j, 3j]).conj().imag, "double": lib.tensor([0.1, 0.2], dtype=lib.float64),
        "parameter": lib.nn.Parameter(lib.ones(2)), "frozen": lib.nn.Parameter(lib.ones(2), False),
        "leaf": lib.ones(2, requires_grad=True), "buffer": lib.nn.Buffer(lib.ones(1)), "noted": noted,
        "named": named,
    }  # fmt: skip


def containers(lib):
    shared = [1, "one"]
    ordered = OrderedDict([("b", 1), ("a", OrderedDict(x=lib.ones(1)))])
    value = {
        "none": None, "flags": (True, False), "integers": [0, 255, 256, -1, 2**31, 2**70, -(2**63)],
        "floats": [0.1, -0.0, 1e300, float("inf")], "complex": 1 - 2j, "text": ["", "\u00e9\u4e2d", "x" * 300],
        "bytes": [b"a", b"\x00\xff"], "array": bytearray(b"ab"), "set": {1, 2}, "ordered": ordered,
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, (2, (3, [4])))), "count": Counter("aab"),
        "keys": {1: 2, 1.5: 3, None: 4, (1, "a"): 5, b"k": 6, False: 7}, "size": lib.Size([2, 3]),
        "dtypes": [lib.float32, lib.bfloat16, lib.bool, lib.complex128, lib.uint16],
        "devices": [lib.device("cpu"), lib.device("cuda", 1)], "layout": lib.strided,
        "shared": [shared, shared, (shared,)], "nested": {"a": [{"b": {"c": [lib.zeros(1)]}}]},
        "lists": [[], [[]], [[[]]]],
    }  # fmt: skip
    value["cycle"] = value["lists"]
    value["lists"].append(value["lists"])
    return value


def generator(lib):
    lib.manual_seed(7)
    lib.rand(3)
    return lib.get_rng_state()


def one_tensor(lib):
    return lib.arange(3)


def network(lib):
    nn = lib.nn
    return nn.Sequential(
        nn.Conv1d(1, 2, 2, bias=False), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 1)
    )


def brain_floats(lib):
    """Alone, because NumPy has the dtype only with the package ml_dtypes."""
    base = lib.tensor([0.0, 1.5, -2.0, 3.0], dtype=lib.bfloat16)
    return [base, base[1:3], lib.nn.Parameter(base[:2].clone())]


def training(lib):
    """What training scripts save: model, optimiser, scheduler, epoch."""
    lib.manual_seed(0)
    model = network(lib)
    o = lib.optim.AdamW(model.parameters(), lr=0.01)
    s = lib.optim.lr_scheduler.CosineAnnealingLR(o, 10)
    model(lib.arange(15.0).sin().reshape(5, 1, 3)).pow(2).mean().backward()
    o.step()
    s.step()
    return {
        "epoch": 1, "model": model.state_dict(), "optimizer": o.state_dict(),
        "scheduler": s.state_dict(), "best": float("inf"), "args": {"lr": 0.01, "name": "run"},
    }  # fmt: skip


# Cases that PyTorch itself reads with weights_only=True.
CASES = {
    "layers.pt": layers, "optimizers.pt": optimizers, "schedulers.pth": schedulers, "tensors.pt": tensors,
    "containers.pth": containers, "generator.pt": generator, "tensor.pt": one_tensor, "training.tar": training, "bfloat16.pt": brain_floats,
}  # fmt: skip


def plain_numpy(lib):
    """PyTorch reads these only with weights_only=False, or with NumPy's names allowed."""
    return {
        "scalars": [np.float64(1.5), np.int32(-3), np.bool_(True), np.complex64(1j), np.float16(2)],
        "arrays": [np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(4.0).reshape(2, 2)), np.zeros((0, 2))],
        "text": np.array(["ab", "c"]), "other order": np.arange(3, dtype=">i4"), "dtype": np.dtype("f4"),
    }  # fmt: skip


def other_containers(lib):
    return {"default": defaultdict(list, {1: [2]}), "frozen": frozenset({1, 2})}


UNSAFE_CASES = {"numpy.pt": plain_numpy, "other_containers.pt": other_containers}

# name: what PyTorch saves, and a phrase of the refusal
REFUSED = {
    "module.pt": (
        lambda lib: lib.nn.Sequential(lib.nn.Linear(1, 1)),
        "refusing to load global torch.nn.modules.container.Sequential",
    ),
    "optimizer.pt": (
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=1.0),
        "refusing to load global torch.optim.sgd.SGD",
    ),
    "lazy.pt": (lambda lib: lib.nn.LazyLinear(1).state_dict(), "run it once before it is saved"),
    "function.pt": (lambda lib: lib.sin, "refusing to load global __builtin__.getattr"),
    "class.pt": (lambda lib: dict, "holds a constructor, not a value"),
    "sparse.pt": (lambda lib: lib.eye(2).to_sparse(), "nly dense tensors can be loaded"),
    "storage.pt": (lambda lib: lib.ones(1).untyped_storage(), "holds a storage, not a value"),
    "float8.pt": (lambda lib: lib.ones(1).to(lib.float8_e4m3fn), "engert has no such dtype"),
    "objects.pt": (lambda lib: np.array([None]), "names the NumPy dtype 'O8'"),
}
LEGACY = {"legacy.pt": "before PyTorch 1.6", "legacy_module.pt": "before PyTorch 1.6"}
