"""X-010, X-101: debug_nans stops at the first call that makes a NaN or Inf and names its line."""

from __future__ import annotations

import linecache
import warnings

import pytest
from against import raises, torch

pytestmark = pytest.mark.wengert_only

autograd = torch.autograd
debug_nans = getattr(autograd, "debug_nans", None)  # PyTorch has none
NAN, INF = float("nan"), float("inf")


def zero(n=2, dtype=None):
    return torch.zeros(n, requires_grad=True, dtype=dtype)


def stopped(*phrases):
    return raises(FloatingPointError, *phrases)


def test_X_010_forward():
    x = torch.tensor([1.0, -1.0])
    with stopped(
        "log() made nan at ", "test_debug_nans.py", "in test_X_010_forward: _ = torch.log(x)",
        "result: float32 tensor of shape [2], 1 nan, from 0 to 0",
        "input x: float32 tensor of shape [2], all finite, from -1 to 1",
    ), debug_nans():  # fmt: skip
        _ = torch.log(x)
    assert not torch.log(x).isfinite().all()  # it is off again


def test_X_101_backward_names_the_line_of_the_forward_call_too():
    x = zero()
    with (
        stopped(
            "the backward of SqrtBackward0, called at", "y = torch.sqrt(x)",
            "made nan at", "(y * 0).sum().backward()", "gradient of input x: float32 tensor of shape [2], 2 nan",
            "gradient that arrived: float32 tensor of shape [2], all finite",
        ),
        debug_nans(),
    ):  # fmt: skip
        y = torch.sqrt(x)
        (y * 0).sum().backward()
    assert x.grad is None


def test_a_recorded_backward_names_both():
    x = zero()
    with stopped(
        "div() made nan", "a part of the backward of SqrtBackward0, called at", "torch.sqrt(x)"
    ):
        with debug_nans():
            autograd.grad((torch.sqrt(x) * 0).sum(), x, create_graph=True)


def test_a_call_that_was_made_before():
    y = torch.sqrt(zero()) * 0
    with stopped("SqrtBackward0, a call that was made before debug_nans was on"), debug_nans():
        y.sum().backward()


def test_of_several_inputs_the_guilty_one_is_named():
    x, bad = torch.ones(2), torch.tensor([1.0, NAN])
    with (
        stopped("add() passed on nan", "input x:", "input y:", "The nan was already in y."),
        debug_nans(),
    ):
        x + bad


def test_a_gradient_that_was_nan_on_arrival():
    x = zero()
    with stopped("passed on nan", "gradient that arrived: float32 tensor of shape [2], 2 nan"):
        with debug_nans():
            (x * 2).backward(torch.tensor([NAN, NAN]))


def test_in_place_and_views():
    x = torch.tensor([0.0, 1.0])
    with stopped("div() made nan"), debug_nans():
        x[:1].div_(0.0)
    assert x.tolist() == [0.0, 1.0]  # a write that fails changes nothing


def test_custom_functions_and_modules():
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.full_like(g, NAN)

    x = zero()
    with stopped("the backward of BadBackward, called at", "Bad.apply(x)", "gradient of input 0"):
        with debug_nans():
            Bad.apply(x).sum().backward()
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    with torch.no_grad():
        model[0].weight.fill_(INF)
    with (
        stopped("linear() made nan", "in test_custom_functions_and_modules: model(x)"),
        debug_nans(),
    ):
        model(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.complex64])
def test_every_dtype(dtype):
    x = zero(3, dtype)
    with stopped("div() made nan"), debug_nans():
        x / x
    with debug_nans():
        assert ((x + 1) / (x + 1)).tolist() == [1, 1, 1]


def test_inf_is_looked_for_when_asked():
    x = zero()
    with debug_nans():
        (1 / x).sum()
        torch.sqrt(x).sum().backward()
    with stopped("reciprocal() made inf", "1 / x"), debug_nans(inf=True):
        1 / x
    with stopped("the backward of SqrtBackward0", "made inf"), debug_nans(inf=True):
        torch.sqrt(x).sum().backward()


def test_inf_that_was_given_is_no_error():
    scores = torch.zeros(2, 2, requires_grad=True)
    hidden = torch.tensor([[False, True], [False, False]])
    with debug_nans(inf=True):
        masked = scores.masked_fill(hidden, -INF)  # as in attention
        masked.softmax(-1).sum().backward()
        assert (torch.tensor([INF]) + 1).item() == INF
        assert (torch.ones(1) * INF).item() == INF


def test_large_numbers_are_neither():
    big = torch.full((3,), 1e30)
    with debug_nans(inf=True):
        assert (big * 2).isfinite().all()
        (big.double() * big.double()).sum()


def test_as_a_function_a_block_and_a_decorator():
    bad = torch.tensor([-1.0])
    debug_nans(True)
    try:
        with stopped("log() made nan"):
            torch.log(bad)
        with debug_nans(False):
            torch.log(bad)
            with debug_nans(), stopped("log() made nan"):
                torch.log(bad)
            torch.log(bad)
        with stopped("log() made nan"):
            torch.log(bad)
    finally:
        debug_nans(False)
    torch.log(bad)

    @debug_nans(inf=True)
    def careful(x):
        """Says so."""
        return 1 / x

    torch.log(bad)  # decorating switches nothing on
    assert careful.__doc__ == "Says so."
    for _ in range(2):
        with stopped("made inf"):
            careful(torch.zeros(1))
        1 / torch.zeros(1)


def test_nothing_is_left_behind():
    import wengert.core.state as state

    before = state.MODE, state.ANOMALY, state.tick
    with stopped("nan"), debug_nans():
        assert state.MODE is not before[0]
        torch.log(torch.tensor([-1.0]))
    assert (state.MODE, state.ANOMALY, state.tick) == before


def test_together_with_anomaly_detection():
    def fails():
        (torch.sqrt(zero()) * 0).sum().backward()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with raises(RuntimeError, "SqrtBackward0' returned nan"):  # the outer one sees it first
            with autograd.set_detect_anomaly(True), debug_nans():
                fails()
        with stopped("the backward of SqrtBackward0") as found:
            with debug_nans(), autograd.set_detect_anomaly(True):
                fails()
    assert "Traceback of forward call" in found.value.__notes__[0]


def test_gradients_are_the_same():
    def slope():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        a, b = (x.exp() * x).chunk(2)
        (a * b + x.sum()).sum().backward()
        return x.grad.tolist()

    with debug_nans(inf=True):
        watched = slope()
    assert watched == slope()


def test_a_script_without_source_lines():
    scope = {"torch": torch}
    linecache.checkcache()
    with stopped("log() made nan at <nowhere>:1, in <module>\n"), debug_nans():
        exec(compile("torch.log(torch.tensor([-1.]))", "<nowhere>", "exec"), scope)


def test_under_transforms():
    func, x = torch.func, torch.tensor([0.0, 1.0])

    def bad(a):
        return torch.sqrt(a) * 0

    for f in (
        lambda: func.vmap(func.grad(bad))(x),
        lambda: func.jvp(bad, (x,), (x,)),
        lambda: func.jacrev(bad)(x),
        lambda: func.hessian(lambda a: (a**0.5).sum())(x),
    ):
        with stopped("made nan at"), debug_nans():
            f()
        f()
    with debug_nans(inf=True):
        assert func.vmap(func.grad(torch.sin))(x).isfinite().all()
        assert func.hessian(lambda a: (a**3).sum())(x).isfinite().all()
    with autograd.set_detect_anomaly(True):
        assert func.vmap(func.grad(torch.sin))(x).isfinite().all()
