"""X-126, X-023, X-051: gradients for nested containers; X-115: errors that name the input; X-100: the line."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import pytest
from against import leaf, raises, torch

pytestmark = pytest.mark.wengert_only

grad, F = torch.autograd.grad, torch.autograd.functional
Pair = namedtuple("Pair", "w b")
OUTER = leaf(2)


def number(x):
    return torch.tensor(x, requires_grad=True)


def weights():
    return {"layers": [Pair(number(2.0), number(1.0)), (number(3.0),)], "scale": number(10.0)}


def loss(p, x=1.0):
    pair, (other,) = p["layers"]
    return p["scale"] * (pair.w * x + pair.b) * other**2


GRADIENT = {"layers": [Pair(90.0, 90.0), (180.0,)], "scale": 27.0}


def numbers(tree):
    """A tree of 0-dim tensors as one of floats."""
    if isinstance(tree, torch.Tensor):
        return tree.item()
    if isinstance(tree, dict):
        return {k: numbers(v) for k, v in tree.items()}
    values = [numbers(v) for v in tree]
    return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)


# ------------------------------------------------------------------- autograd.grad and backward
def test_X_126_gradients_have_the_structure_of_the_inputs():
    p = weights()
    assert numbers(grad(loss(p), p)) == GRADIENT
    assert numbers(grad(loss(p), p["layers"])) == GRADIENT["layers"]
    found = grad(loss(p), p["layers"][0])
    assert type(found) is Pair
    assert numbers(found) == Pair(90.0, 90.0)
    ordered = OrderedDict(b=p["scale"], a=[p["layers"][0].w])
    found = grad(loss(p), ordered)
    assert type(found) is OrderedDict
    assert numbers(found) == OrderedDict(b=27.0, a=[90.0])


def test_flat_sequences_give_tuples_as_in_pytorch():
    p = weights()
    w, b = p["layers"][0]
    for inputs in ([w, b], (w, b)):
        found = grad(loss(p), inputs)
        assert type(found) is tuple
        assert numbers(found) == (90.0, 90.0)
    assert numbers(grad(loss(p), w)) == (90.0,)
    model = torch.nn.Linear(2, 1)
    assert [tuple(g.shape) for g in grad(model(torch.ones(2)), model.parameters())] == [
        (1, 2),
        (1,),
    ]
    edge = torch.autograd.graph.get_gradient_edge(w)
    assert numbers(grad(loss(p), [edge, b])) == (90.0, 90.0)
    assert numbers(grad(loss(p), {"edge": edge, "more": [edge]})) == {"edge": 90.0, "more": [90.0]}


def test_higher_orders_unused_and_batched():
    p = weights()
    g = grad(loss(p), p, create_graph=True)
    second = grad(g["layers"][0].w, p, allow_unused=True)
    assert second["layers"][0] == Pair(None, None)
    assert numbers(second["scale"]) == 9.0
    second = grad(grad(loss(p), p, create_graph=True)["scale"], p, materialize_grads=True)
    assert numbers(second) == {"layers": [Pair(9.0, 9.0), (18.0,)], "scale": 0.0}
    x = leaf(2)
    found = grad(x * 2, {"x": [x]}, torch.eye(2), is_grads_batched=True)
    assert found["x"][0].tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_outputs_may_be_nested_too():
    x = leaf(2)
    outputs = {"a": x * 2, "b": [(x**2).sum()]}
    (g,) = grad(outputs, x, {"a": torch.ones(2), "b": [None]}, retain_graph=True)
    assert g.tolist() == [4.0, 4.0]
    torch.autograd.backward(outputs, {"a": torch.ones(2), "b": [torch.tensor(3.0)]})
    assert x.grad.tolist() == [8.0, 8.0]
    with raises(RuntimeError, "the outputs and their gradients must be nested alike"):
        grad({"a": x * 2, "b": x}, x, {"a": torch.ones(2)})


def test_backward_into_a_tree():
    p = weights()
    loss(p).backward(inputs={"some": [p["scale"], p["layers"][1]]})
    assert p["scale"].grad == 27
    assert p["layers"][1][0].grad == 180
    assert p["layers"][0].w.grad is None


def test_what_is_no_tensor_is_named():
    x = leaf(2)
    with raises(TypeError, "inputs must be Tensors, but inputs['a'][1] is int"):
        grad(x.sum(), {"a": [x, 3]})
    for empty in ({}, [], {"a": []}):
        with raises(RuntimeError, "`inputs` argument to `grad()` cannot be empty."):
            grad(x.sum(), empty)


# -------------------------------------------------------------------
def test_X_115_every_unused_input_is_named_as_the_caller_does():
    x, second, third = leaf(2), leaf(3), number(1.0)
    p = {"w": [leaf(1)], "x": x}
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    inputs = [x, second, third, p["w"][0], model[0].bias, OUTER, leaf(4)]
    with raises(
        RuntimeError,
        "The differentiated Tensor at index 1 appears to not have been used in the graph. Set "
        "allow_unused=True if this is the desired behavior.",
        "No output depends on inputs[1] (second, a float32 tensor of shape [3]); inputs[2] (third,",
        "inputs[3] (p['w'][0],",
        "inputs[4] (model.0.bias,",
        "inputs[5] (OUTER,",
        "inputs[6] (a float32 tensor of shape [4])",
        "allow_unused=True gives None for it, materialize_grads=True gives zeros",
    ):
        grad(x.sum(), inputs)
    with raises(
        RuntimeError,
        "No output depends on inputs['w'][0] (p['w'][0], a float32 tensor of shape [1]):",
    ):
        grad(x.sum(), p)


def test_X_115_so_is_one_that_does_not_require_grad():
    x, constant = leaf(2), torch.ones(3)
    with raises(
        RuntimeError,
        "One of the differentiated Tensors does not require grad: inputs[1] (constant, a float32 "
        "tensor of shape [3]); call requires_grad_() on it before it is used",
    ):
        grad(x.sum(), [x, constant])


def test_X_115_in_the_functional_api():
    def f(weight, unused):
        return (weight["a"] ** 2).sum()

    inputs = ({"a": torch.ones(2), "b": [torch.ones(1)]}, torch.ones(3))
    with raises(
        RuntimeError,
        "is independent of input 1. This is not allowed",
        "Input 1 is \"weight['b'][0]\"",
    ):
        F.vjp(f, inputs, strict=True)
    with raises(RuntimeError, "is independent of input 1.", "Input 1 is 'unused'"):
        F.jacobian(f, ({"a": torch.ones(2)}, torch.ones(3)), strict=True)
    with raises(RuntimeError, "with respect to input 1 is independent", "Input 1 is 'unused'"):
        F.hessian(f, ({"a": torch.ones(2)}, torch.ones(3)), strict=True)


# ------------------------------------------------------------------- functional
def test_functional_products_over_trees():
    p = {"a": torch.tensor([1.0, 2.0]), "b": [torch.tensor(3.0)]}
    v = {"a": torch.ones(2), "b": [torch.tensor(0.0)]}

    def f(p):
        return (p["a"] ** 2).sum() * p["b"][0]

    value, found = F.vjp(f, p)
    assert value == 15
    assert found["a"].tolist() == [6.0, 12.0]
    assert found["b"][0] == 5
    assert [t.item() for t in F.jvp(f, p, v)] == [15.0, 18.0]
    for product in (F.hvp, F.vhp):
        found = product(f, p, v)[1]
        assert found["a"].tolist() == [6.0, 6.0]
        assert found["b"][0] == 6
    with raises(RuntimeError, "v must be nested like what it goes with"):
        F.jvp(f, p, {"a": torch.ones(2)})
    with raises(
        TypeError,
        "nested tuples, lists and dicts of Tensors but inputs['a'] has type <class 'float'>",
    ):
        F.jvp(f, {"a": 1.0})


def test_functional_matrices_over_trees():
    x = torch.ones(2)
    p = {"a": torch.tensor([1.0, 2.0]), "b": [torch.tensor(3.0)]}

    def f(x, p):
        return {"s": x * p["a"], "t": (p["b"][0] ** 2,)}

    found = F.jacobian(f, (x, p))
    assert found["s"][0].tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert found["s"][1]["a"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert found["t"][0][1]["b"][0] == 6
    for options in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
        again = F.jacobian(f, (x, p), **options)
        assert again["s"][1]["a"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert F.jacobian(lambda x: {"y": 2 * x}, x)["y"].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    first, second = F.jacobian(lambda x, p: (2 * x, p["a"]), (x, p))
    assert first[0].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert second[1]["a"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert F.jacobian(lambda p: p["a"] * p["b"][0], p)["b"][0].tolist() == [1.0, 2.0]

    found = F.hessian(lambda p: (p["a"] ** 2).sum() * p["b"][0], p)
    assert found["a"]["a"].tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert found["a"]["b"][0].tolist() == [2.0, 4.0]
    assert found["b"][0]["b"][0] == 0


def test_functional_create_graph_over_trees():
    p = {"a": leaf(2)}
    jac = F.jacobian(lambda p: p["a"] ** 3, p, create_graph=True)["a"]
    assert grad(jac.sum(), p["a"])[0].tolist() == [6.0, 6.0]


# ------------------------------------------------------------------- transforms
def test_X_051_gradients_by_name():
    def f(w, b=1.0, *, x):
        return (w["a"] * x + b).sum()

    w, b, x = {"a": torch.ones(2)}, torch.tensor(1.0), torch.tensor([3.0, 4.0])
    assert torch.func.grad(f, argnums="w")(w, b, x=x)["a"].tolist() == [3.0, 4.0]
    g_x, g_b = torch.func.grad(f, argnums=("x", "b"))(w, b=b, x=x)
    assert g_x.tolist() == [1.0, 1.0]
    assert g_b == 2


# -------------------------------------------------------------------
def test_X_100_the_line_that_wrote_is_named_without_any_mode():
    y = leaf(3) * 2
    z = y.exp()
    w = z * y
    z.add_(1)
    with raises(
        RuntimeError,
        "is at version 1; expected version 0 instead",
        "It was last changed in place at",
        "test_nested_gradients.py:",
        "in test_X_100_the_line_that_wrote_is_named_without_any_mode (`z.add_(1)`)",
    ):
        w.sum().backward()


@pytest.mark.parametrize("way", ["view", "no_grad", "index", "out", "optimizer"])
def test_X_100_whatever_wrote_it(way):
    y = leaf(3)
    w = y * y

    def write():
        with torch.no_grad():
            if way == "view":
                y[:2].mul_(2)  # here: view
            elif way == "no_grad":
                y.copy_(torch.zeros(3))  # here: no_grad
            elif way == "index":
                y[1] = 5.0  # here: index
            elif way == "out":
                torch.mul(w, 2, out=y)  # here: out
            else:
                optimizer.step()  # here: optimizer

    optimizer = torch.optim.SGD([y], lr=0.1)
    y.grad = torch.ones(3)
    write()
    with raises(RuntimeError, "It was last changed in place at", "in write (`", f"# here: {way}`)"):
        w.sum().backward()
