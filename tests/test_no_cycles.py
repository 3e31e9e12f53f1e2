"""No reference cycles: with the collector off, everything dies when its last name goes.

Each case builds something, keeps a weak reference to a tensor of it, drops it, and looks. The collector must
afterwards find nothing that belongs to the library.
"""

from __future__ import annotations

import gc
import warnings
import weakref

import pytest
from against import leaf, torch


@pytest.fixture(autouse=True)
def _collector_off():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def forward():
    x = leaf(3)
    y = (x * 2).exp().sum()
    return x, y


def forward_and_backward():
    x, y = forward()
    y.backward()
    return x, y, x.grad


def retained():
    x, y = forward()
    y.backward(retain_graph=True)
    return x, y


def nodes_looked_at():
    x, y = forward()
    node = y.grad_fn
    while node.next_functions:
        node = node.next_functions[0][0]
    assert node.variable is x
    repr(y)
    return x, y


def saved_values_looked_at():
    x = leaf(3)
    y = x.exp()
    assert y.grad_fn._saved_result is not None
    return x, y


def second_derivative():
    x = leaf(3)
    y = (x**3).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return x, y, g, h


def views_and_writes():
    x = leaf(4)
    base = x * 1
    view = base[1:3]
    view.mul_(2)
    other = base[0]
    base.add_(1)
    (other + view.sum()).backward()
    return x, base, view, other


def write_into_a_constant():
    x = leaf(2)
    base = torch.zeros(4)
    base[1:3] = x * 3
    base.sum().backward()
    return x, base


def broadcast_and_cast():
    x = leaf(3)
    y = (x * torch.ones(2, 3, dtype=torch.float64)).sum()
    y.backward()
    return x, y


def several_outputs():
    x = torch.arange(4.0, requires_grad=True)
    values, indices = x.max(0)
    a, b = x.split(2)
    y = values + a.sum() + b.sum()
    y.backward()
    return x, values, indices, a, b


def hooks():
    x = leaf(3)
    y = x * 2
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g)
    x.register_post_accumulate_grad_hook(lambda t: None)
    y.retain_grad()
    y.sum().backward()
    return x, y, y.grad


def failed_backward():
    x = leaf(3)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    del caught
    return x, y


def detached():
    x = leaf(3)
    y = (x * 2).detach()
    z = (x * 2).detach_()
    return x, y, z, x.data


def no_grad():
    x = leaf(3)
    with torch.no_grad():
        y = x * 2
    return x, y


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def custom_function():
    x = leaf(3)
    y = Square.apply(x * 1)
    y.sum().backward()
    return x, y


def custom_function_not_run():
    x = leaf(3)
    return x, Square.apply(x * 1)


def model_and_optimizer():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
    return next(model.parameters()), loss


def functional():
    x = torch.ones(3)
    return torch.autograd.functional.jacobian(lambda t: t * t, x), x


def transforms():
    f = torch.func
    x = torch.ones(3)

    def loss(t):
        return (t.sin() * t).sum()

    y, pullback = f.vjp(torch.sin, x)
    results = f.grad(loss)(x), f.hessian(loss)(x), f.vmap(f.grad(torch.sin))(x), pullback(x)
    more = f.jvp(f.grad(loss), (x,), (x,)), f.jacrev(torch.sin)(x)
    return x, y, results[0], results[1], results[2], results[3][0], *more[0], more[1]


def linearized():
    x = torch.ones(3)
    y, push = torch.func.linearize(torch.sin, x)
    return x, y, push(x)


def batched_gradients():
    x = leaf(3)
    y = x.sin()
    return x, *torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True)


CASES = {
    case.__name__: case
    for case in (
        forward,
        forward_and_backward,
        retained,
        nodes_looked_at,
        saved_values_looked_at,
        second_derivative,
        views_and_writes,
        write_into_a_constant,
        broadcast_and_cast,
        several_outputs,
        hooks,
        failed_backward,
        detached,
        no_grad,
        custom_function,
        custom_function_not_run,
        model_and_optimizer,
        functional,
        transforms,
        linearized,
        batched_gradients,
    )
}


# PyTorch's own optimizers are in cycles; wengert's are not.
BY_COUNT = [
    pytest.param(name, marks=[pytest.mark.wengert_only] if name == "model_and_optimizer" else [])
    for name in CASES
]


@pytest.mark.parametrize("name", BY_COUNT)
def test_dies_by_reference_count(name):
    made = CASES[name]()
    alive = [weakref.ref(t) for t in made]
    del made
    assert [ref() for ref in alive] == [None] * len(alive)


@pytest.mark.wengert_only
@pytest.mark.parametrize("name", CASES)
def test_the_collector_finds_nothing(name):
    CASES[name]()  # whatever is made once and kept
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        CASES[name]()
        gc.collect()
        found = [
            type(thing).__name__
            for thing in gc.garbage
            if type(thing).__module__.startswith("wengert") or type(thing).__name__ == "ndarray"
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert found == []


def test_backward_with_create_graph_is_the_one_cycle():
    x = torch.tensor([2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x * x).sum().backward(create_graph=True)
    x.grad = None
    alive = weakref.ref(x)
    del x
    assert alive() is None


def test_a_loop_of_training_does_not_grow():
    w = leaf(10)

    def step():
        w.grad = None
        y = w
        for _ in range(20):
            y = (y * 1.01).tanh()
        y.sum().backward()

    step()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        step()
    assert len(gc.get_objects()) - before < 50
