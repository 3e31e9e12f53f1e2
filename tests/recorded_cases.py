"""Small computations whose results were recorded from PyTorch: `case(lib)` returns plain numbers.

`tools/record.py` runs them under PyTorch and writes recorded.json; test_recorded.py runs them here
and compares, so that the comparison also means something where PyTorch is absent.
"""

from __future__ import annotations

import numpy as np

CASES = {}
TOLERANCE = {}


def case(name, tolerance=2e-5):
    """Register a case under a name; `tolerance` is relative and absolute."""

    def register(function):
        CASES[name] = function
        TOLERANCE[name] = tolerance
        return function

    return register


def draw(seed, *shape):
    """The same standard normal numbers for every library."""
    return np.asarray(np.random.RandomState(seed).standard_normal(shape), "f")


def plain(value):
    """Tensors and arrays as nested lists of Python numbers."""
    if hasattr(value, "detach"):
        value = value.detach()
        value = value.resolve_conj() if value.is_complex() else value
        if value.is_complex():
            return [plain(value.real), plain(value.imag)]
        return value.tolist()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


# ------------------------------------------------------------------ optimizers

OPTIMIZERS = """
Adadelta lr=0.5
Adadelta lr=0.5, rho=0.7, eps=0.001, weight_decay=0.1, maximize=True
Adafactor lr=0.05
Adafactor lr=0.05, eps=(0.001, 0.01), d=1.5, weight_decay=0.1, beta2_decay=-0.5, maximize=True
Adamax lr=0.01
Adamax lr=0.01, betas=(0.5, 0.9), eps=0.001, weight_decay=0.1, maximize=True
NAdam lr=0.01
NAdam lr=0.01, momentum_decay=0.1, weight_decay=0.1
NAdam lr=0.01, decoupled_weight_decay=True, weight_decay=0.1, maximize=True
RAdam lr=0.01
RAdam lr=0.01, weight_decay=0.1, betas=(0.8, 0.9)
RAdam lr=0.01, decoupled_weight_decay=True, weight_decay=0.1, maximize=True
Rprop lr=0.01
Rprop lr=0.01, etas=(0.3, 1.5), step_sizes=(0.001, 0.1), maximize=True
ASGD lr=0.05
ASGD lr=0.05, lambd=0.01, alpha=0.5, t0=20, weight_decay=0.1, maximize=True
""".strip().splitlines()


def trajectory(lib, text, shapes=((2, 3), (4,), ()), steps=100, dtype="float32", every=1):
    """Run an optimizer on parameters that start at ones, with the same gradients for everyone."""
    name, _, settings = text.partition(" ")
    params = [lib.nn.Parameter(lib.ones(shape, dtype=getattr(lib, dtype))) for shape in shapes]
    optimizer = getattr(lib.optim, name)(params, **eval(f"dict({settings})"))
    for step in range(steps):
        for k, p in enumerate(params):
            g = draw(10 * step + k, *p.shape)
            if p.is_complex():
                g = g + 1j * draw(10 * step + k + 7, *p.shape)
            p.grad = lib.tensor(g).to(p.dtype)
        optimizer.step()
    return params, optimizer


def _optimizer_case(text):
    def run(lib):
        params, optimizer = trajectory(lib, text)
        state = optimizer.state_dict()["state"][0]
        return {"params": plain(params), "state": plain(state)}

    case(f"optim {text}")(run)


for _text in OPTIMIZERS:
    _optimizer_case(_text)


@case("optim Muon", tolerance=2e-4)  # orthogonalised in bfloat16
def _(lib):
    return [
        plain(trajectory(lib, text, shapes=((3, 4), (8, 5)), steps=30)[0])
        for text in ("Muon lr=0.01", "Muon lr=0.01, nesterov=False, adjust_lr_fn='match_rms_adamw'")
    ]


def rosenbrock(lib, dtype="float64", steps=3, **settings):
    """Minimise Rosenbrock's function of a pair, beside the square of a third parameter, by L-BFGS."""
    dtype = getattr(lib, dtype)
    p = lib.nn.Parameter(lib.tensor([-1.2, 1.0], dtype=dtype))
    q = lib.nn.Parameter(lib.tensor(2.0, dtype=dtype))
    optimizer, losses = lib.optim.LBFGS([p, q], **settings), []

    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 10 * (p[1] - p[0] ** 2) ** 2 + q * q
        loss.backward()
        return loss

    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
    return [p, q], losses, optimizer.state_dict()["state"][0]


LBFGS = {
    "fixed": {"lr": 0.05, "max_iter": 9},
    "wolfe": {"line_search_fn": "strong_wolfe", "max_iter": 5},
    "short memory": {"lr": 0.1, "history_size": 3, "max_iter": 7},
    "half": {"line_search_fn": "strong_wolfe", "lr": 0.5, "max_eval": 7, "history_size": 2},
}
for _name, _settings in LBFGS.items():

    @case(f"optim LBFGS {_name}", tolerance=1e-6)
    def _(lib, settings=_settings):
        params, losses, state = rosenbrock(lib, **settings)
        return {"params": plain(params), "losses": losses, "state": plain(state)}


DIFFERENTIABLE = """
SGD lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1
Adam lr=0.1, weight_decay=0.1
Adam lr=0.1, betas=(0.8, 0.9), weight_decay=0.1, decoupled_weight_decay=True
AdamW lr=0.1
RMSprop lr=0.1
Adagrad lr=0.1, lr_decay=0.1, weight_decay=0.1
Adadelta lr=1.0, weight_decay=0.1
NAdam lr=0.1, weight_decay=0.1
RAdam lr=0.1, weight_decay=0.1, betas=(0.8, 0.9)
ASGD lr=0.1, weight_decay=0.1, t0=2
""".strip().splitlines()


def unrolled(lib, text, tensors=(), dtype="float64", steps=4):
    """Differentiate the loss after some steps by the start (and by settings that are tensors)."""
    name, _, settings = text.partition(" ")
    settings, dtype = eval(f"dict({settings})"), getattr(lib, dtype)

    def values(seed, *shape):
        found = draw(seed, *shape).astype("d")
        return found + 1j * draw(seed + 9, *shape) if dtype.is_complex else found

    starts = [
        lib.tensor(values(k, *s)).to(dtype).requires_grad_() for k, s in ((1, (3, 2)), (2, (2,)))
    ]
    x, y = lib.tensor(values(3, 4, 3)).to(dtype), lib.tensor(values(4, 4, 2)).to(dtype)
    leaves = []
    for key in tensors:
        many = settings[key] if isinstance(settings[key], tuple) else (settings[key],)
        made = [lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in many]
        leaves += made
        copies = tuple(v.clone() for v in made)
        settings[key] = copies if isinstance(settings[key], tuple) else copies[0]
    params = [start.clone() for start in starts]
    optimizer = getattr(lib.optim, name)(params, differentiable=True, **settings)
    for _ in range(steps):
        copies = [p.clone() for p in params]  # the step writes into the parameters
        error = x @ copies[0] + copies[1] - y
        loss = (error.abs() ** 2).mean() + (copies[0].abs() ** 4).mean()
        grads = lib.autograd.grad(loss, copies, create_graph=True)
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        optimizer.step()
    final = ((x @ params[0] + params[1] - y).abs() ** 2).mean()
    return [final, *lib.autograd.grad(final, starts + leaves)]


for _text in DIFFERENTIABLE:

    @case(f"differentiable {_text}", tolerance=3e-5)
    def _(lib, text=_text):
        return plain(unrolled(lib, text))


@case("differentiable settings", tolerance=3e-5)
def _(lib):
    return [
        plain(unrolled(lib, DIFFERENTIABLE[0], ("lr", "weight_decay"))),
        plain(unrolled(lib, "Adam lr=0.1, weight_decay=0.1", ("lr", "weight_decay"))),
        plain(unrolled(lib, "AdamW lr=0.1, betas=(0.8, 0.9)", ("lr", "betas"))),
    ]


# ------------------------------------------------------------------ schedules and averages

SCHEDULES = """
CyclicLR(o, 0.01, 0.1, step_size_up=4)
CyclicLR(o, 0.01, 0.1, step_size_up=3, step_size_down=5, mode='triangular2')
CyclicLR(o, 0.01, 0.1, step_size_up=4, mode='exp_range', gamma=0.9, base_momentum=0.5)
CyclicLR(o, 0.01, 0.1, step_size_up=4, scale_fn=lambda x: 1 / x)
CyclicLR(o, 0.01, 0.1, 4, scale_fn=lambda x: 0.5**x, scale_mode='iterations', cycle_momentum=False)
ChainedScheduler([ExponentialLR(o, 0.9), StepLR(o, 3, 0.5)])
ChainedScheduler([ConstantLR(o, 0.1, 3), CosineAnnealingLR(o, 5)])
SWALR(o, 0.05, anneal_epochs=5)
SWALR(o, 0.05, anneal_epochs=5, anneal_strategy='linear')
SWALR(o, 0.05, anneal_epochs=0)
""".strip().splitlines()


def schedule(lib, text, optimizer="SGD", steps=12):
    """The rates and momenta that a schedule sets."""
    settings = {"momentum": 0.9} if optimizer == "SGD" else {}
    o = getattr(lib.optim, optimizer)([lib.nn.Parameter(lib.zeros(1))], lr=0.2, **settings)
    names = {**vars(lib.optim.lr_scheduler), "SWALR": lib.optim.swa_utils.SWALR, "o": o}
    made = eval(text, names)
    rates, momenta = [made.get_last_lr()[0]], []
    group = o.param_groups[0]
    for _ in range(steps):
        o.step()
        made.step()
        rates.append(group["lr"])
        momenta.append(group["momentum"] if optimizer == "SGD" else group["betas"][0])
    return rates, momenta, made


for _text in SCHEDULES:

    @case(f"schedule {_text}", tolerance=1e-8)
    def _(lib, text=_text):
        return [schedule(lib, text, name)[:2] for name in ("SGD", "Adam")]


AVERAGES = {
    "mean": {},
    "ema": {"avg_fn": "get_ema_avg_fn"},
    "ema of lists": {"multi_avg_fn": "get_ema_multi_avg_fn", "use_buffers": True},
    "mean with buffers": {"use_buffers": True},
}


def averaged(lib, settings):
    """Train a little network and average it on the way."""
    tools = lib.optim.swa_utils
    settings = {k: getattr(tools, v)() if isinstance(v, str) else v for k, v in settings.items()}
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 1))
    with lib.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(lib.tensor(draw(k, *p.shape)))
    average = tools.AveragedModel(model, **settings)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
    batches = [lib.tensor(draw(20 + k, 6, 3)) for k in range(5)]
    for batch in batches:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
        average.update_parameters(model)
    return model, average, batches


for _name, _settings in AVERAGES.items():

    @case(f"average {_name}")
    def _(lib, settings=_settings):
        _, average, batches = averaged(lib, settings)
        before = plain(average.state_dict())
        average.eval()
        lib.optim.swa_utils.update_bn([(batch, 1) for batch in batches[:3]], average)
        assert not average.training
        return [before, plain(average.state_dict())]


# ------------------------------------------------------------------ reparametrised and pruned layers


def trained(lib, make, steps=4, shape=(5, 4)):
    """The weight and the state of a layer after some steps of SGD; `make` gets layer and library."""
    lib.manual_seed(1)
    layer = make(lib.nn.Linear(shape[1], shape[0]))
    optimizer = lib.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    x = lib.tensor(draw(5, 6, shape[1]))
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(x) ** 2).mean().backward()
        optimizer.step()
    return [plain(layer.weight), plain(layer.state_dict()), plain(layer(x))]


def _parametrizations(lib):
    return lib.nn.utils.parametrizations


REPARAMETRISED = {
    "weight_norm": lambda lib: lambda layer: _parametrizations(lib).weight_norm(layer),
    "weight_norm along 1": lambda lib: (
        lambda layer: _parametrizations(lib).weight_norm(layer, dim=1)
    ),
    "weight_norm of all": lambda lib: lambda layer: lib.nn.utils.weight_norm(layer, dim=None),
    "old weight_norm": lambda lib: lambda layer: lib.nn.utils.weight_norm(layer),
    "spectral_norm": lambda lib: lambda layer: _parametrizations(lib).spectral_norm(layer),
    "spectral_norm of a vector": lambda lib: (
        lambda layer: _parametrizations(lib).spectral_norm(layer, "bias")
    ),
    "old spectral_norm": lambda lib: lambda layer: lib.nn.utils.spectral_norm(layer, dim=1),
    "both": lambda lib: (
        lambda layer: _parametrizations(lib).spectral_norm(
            _parametrizations(lib).weight_norm(layer)
        )
    ),
}
for _name, _make in REPARAMETRISED.items():

    @case(f"layer {_name}", tolerance=1e-4)
    def _(lib, make=_make):
        return trained(lib, make(lib))


for _map in ("matrix_exp", "cayley", "householder"):

    @case(f"layer orthogonal {_map}", tolerance=2e-4)
    def _(lib, map=_map):
        return [
            trained(
                lib,
                lambda layer: _parametrizations(lib).orthogonal(
                    layer, orthogonal_map=map, use_trivialization=trivial
                ),
                shape=shape,
            )
            for shape in ((4, 4), (5, 3), (3, 5))
            for trivial in (True, False)
            if trivial or map != "householder"  # its signs of zero are free
        ]


PRUNED = """
random_unstructured(layer, 'weight', 0.3)
l1_unstructured(layer, 'weight', 7)
l1_unstructured(layer, 'bias', 0.5)
random_structured(layer, 'weight', 2, 1)
ln_structured(layer, 'weight', 0.4, 2, 0)
ln_structured(layer, 'weight', 1, float('-inf'), -1)
l1_unstructured(ln_structured(random_unstructured(layer, 'weight', 3), 'weight', 1, 1, 0), 'weight', 0.5)
""".strip().splitlines()
for _text in PRUNED:

    @case(f"layer {_text}")
    def _(lib, text=_text):
        import importlib

        prune = importlib.import_module(f"{lib.__name__}.nn.utils.prune")
        return trained(lib, lambda layer: eval(text, {**vars(prune), "layer": layer}))


@case("layer lazy")
def _(lib):
    lib.manual_seed(4)
    nn = lib.nn
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(2))
    x = lib.tensor(draw(5, 6, 3))
    return [plain(net(x)), plain(net.state_dict()), str(net)]
