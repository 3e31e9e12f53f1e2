"""Custom functions: autograd.Function, contract rows A-110 to A-133."""

from __future__ import annotations

import pytest
from against import leaf, plain, printed, raises, torch

Function = torch.autograd.Function


class Cube(Function):
    """The cube, with everything it needs saved."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class Scale(Function):
    """x * k, with a number as second argument."""

    @staticmethod
    def forward(ctx, x, k=2):
        ctx.k = k
        return x * k

    @staticmethod
    def backward(ctx, g):
        return g * ctx.k, None


def returning(value):
    """A Function of one argument whose backward returns `value(g)`."""

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return value(g)

    return Bad


# ------------------------------------------------------------------- the call
def test_A_110_forward_runs_unrecorded_on_the_inputs_themselves():
    seen = []

    class Spy(Function):
        @staticmethod
        def forward(ctx, x):
            seen.append((x is leaf_, x.requires_grad, torch.is_grad_enabled()))
            return x * 2

    leaf_ = leaf(3)
    Spy.apply(leaf_)
    assert seen == [(True, True, False)]
    assert torch.is_grad_enabled()


def test_A_110_other_outputs_pass_through_and_receive_none():
    seen = []

    class Mixed(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, 5, None, "str", [x], x * 3

        @staticmethod
        def backward(ctx, *grads):
            seen.append(grads)
            return grads[0] + grads[5]

    x = leaf(3)
    out = Mixed.apply(x)
    assert out[1:4] == (5, None, "str")
    assert out[4][0] is x
    assert (out[0].output_nr, out[5].output_nr) == (0, 5)
    assert out[0].grad_fn is out[5].grad_fn
    out[5].sum().backward()
    (grads,) = seen
    assert [g if g is None else g.tolist() for g in grads] == [
        [0.0, 0.0, 0.0], None, None, None, None, [1.0, 1.0, 1.0],
    ]  # fmt: skip


def test_A_110_a_list_passes_through_untracked():
    class Listed(Function):
        @staticmethod
        def forward(ctx, x):
            return [x * 2]

    (out,) = Listed.apply(leaf(2))
    assert not out.requires_grad


def test_A_111_setup_context_sees_inputs_and_output():
    seen = []

    class Times(Function):
        @staticmethod
        def forward(x, k, bias=1):
            return x * k + bias

        @staticmethod
        def setup_context(ctx, inputs, output):
            seen.append((inputs[1:], output.requires_grad, torch.is_grad_enabled()))
            ctx.k = inputs[1]
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors[0].grad_fn is y.grad_fn)
            return g * ctx.k, None, None

    x = leaf(2)
    y = Times.apply(x, 3)
    y.sum().backward()
    assert seen == [((3, 1), False, False), True]
    assert x.grad.tolist() == [3.0, 3.0]


def test_A_112_backward_may_be_called_vjp_but_not_both():
    class Named(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 7

    class Both(Named):
        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(2)
    assert torch.autograd.grad(Named.apply(x).sum(), x)[0].tolist() == [7.0, 7.0]
    with raises(RuntimeError, "Implementing both 'backward' and 'vjp'", "is not allowed"):
        Both.apply(x).sum().backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_A_112_grad_mode_in_backward(create_graph):
    seen = []

    def note(g):
        seen.append((torch.is_grad_enabled(), g.requires_grad))
        return g * 2

    x = leaf(2)
    torch.autograd.grad(returning(note).apply(x).sum(), x, create_graph=create_graph)
    assert seen == [(create_graph, False)]


def test_A_115_keyword_arguments():
    x = leaf(2)
    y = Scale.apply(x, k=5)
    assert y.tolist() == [5.0, 5.0]
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]
    assert y.grad_fn.needs_input_grad == (True, False)


def test_A_115_bad_keyword_arguments():
    class Only(Function):
        @staticmethod
        def forward(ctx, x, *, k):
            return x * k

    x = leaf(2)
    with raises(TypeError, "forward() got an unexpected keyword argument 'zz'"):
        Scale.apply(x, zz=1)
    with raises(TypeError, "forward() got multiple values for argument 'x'"):
        Scale.apply(x, x=1)
    with raises(TypeError, "forward() got an unexpected keyword argument 'k'"):
        Only.apply(x, k=2)
    with raises(TypeError, "forward() missing 1 required positional argument: 'x'"):
        Cube.apply()


def test_A_116_saved_tensors_may_be_cleared_on_access():
    class Once(Cube):
        clear_saved_tensors_on_access = True

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with raises(RuntimeError, "saved_tensors can only be accessed once"):
                _ = ctx.saved_tensors
            return g * x

    x = leaf(2)
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_A_116_boxed_grads():
    seen = []

    class Boxed(Function):
        boxed_grads_call = True

        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, grads):
            seen.append((type(grads), len(grads)))
            return grads[0] * 2 + grads[1] * 3

    x = leaf(2)
    a, b = Boxed.apply(x)
    (a + b).sum().backward()
    assert seen == [(list, 2)]
    assert x.grad.tolist() == [5.0, 5.0]


def test_A_117_functions_are_not_instantiated():
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = Cube()
    with raises(RuntimeError, "Legacy autograd function with non-static forward method"):
        instance(leaf(2))


# ------------------------------------------------------------------- saving
def test_A_118_only_tensors_and_none_are_saved():
    class Saves(Function):
        @staticmethod
        def forward(ctx, x, what):
            ctx.save_for_backward(x, what)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors)
            return g, None

    seen = []
    x = leaf(2)
    with raises(
        TypeError, "save_for_backward can only save variables, but argument 1 is of type int"
    ):
        Saves.apply(x, 3)
    Saves.apply(x, None).sum().backward()
    assert seen[0][0] is x
    assert seen[0][1] is None


def test_A_119_saved_tensors_are_freed():
    x = leaf(2)
    y = Cube.apply(x)
    assert y.grad_fn.saved_tensors[0] is x
    y.sum().backward()
    phrase = "Trying to backward through the graph a second time"
    with raises(RuntimeError, phrase, "retain_graph=True"):
        y.sum().backward()
    with raises(RuntimeError, phrase):
        _ = y.grad_fn.saved_tensors


def test_A_119_a_function_that_saved_nothing_runs_again():
    x = leaf(2)
    y = Scale.apply(x, 3)
    y.backward(torch.ones(2))
    y.backward(torch.ones(2))
    assert x.grad.tolist() == [6.0, 6.0]


def test_A_119_in_place_changes_are_noticed():
    x = leaf(3)
    z = x * 1
    y = Cube.apply(z)
    z.add_(1)
    with raises(
        RuntimeError,
        "one of the variables needed for gradient computation has been modified by an inplace "
        "operation: [torch.FloatTensor [3]], which is output 0 of Add, is at version 1; expected "
        "version 0 instead.",
    ):
        y.sum().backward()


def test_A_119_in_place_changes_of_a_saved_output_are_noticed():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(3)
    y = Exp.apply(x)
    assert y.grad_fn.saved_tensors[0].grad_fn is y.grad_fn
    y.mul_(2)
    with raises(RuntimeError, "which is output 0 of Exp, is at version 1; expected version 0"):
        y.sum().backward()


def test_A_121_needs_input_grad():
    seen = []

    class Needs(Function):
        @staticmethod
        def forward(ctx, a, b, k):
            seen.append(ctx.needs_input_grad)
            return a * b

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None, None

    Needs.apply(leaf(2), torch.ones(2), 3).sum().backward()
    assert seen == [(True, False, False)] * 2


# ------------------------------------------------------------------- what backward returns
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(lambda g: (g, None), [1.0] * 3, id="extra None"),
        pytest.param(lambda g: (g, None, None), [1.0] * 3, id="two extra None"),
        pytest.param(lambda g: g.double(), [1.0] * 3, id="cast"),
        pytest.param(lambda g: g.int(), [1.0] * 3, id="cast from int"),
        pytest.param(lambda g: g.expand(2, 3), [2.0] * 3, id="summed"),
        pytest.param(lambda g: torch.ones(4, 3), [4.0] * 3, id="summed to size"),
        pytest.param(lambda g: g.unsqueeze(0), [1.0] * 3, id="leading 1"),
    ],
)
def test_A_127_gradients_are_fitted_to_their_inputs(value, expected):
    x = leaf(3)
    (g,) = torch.autograd.grad(returning(value).apply(x).sum(), x)
    assert g.dtype == torch.float32
    assert g.tolist() == expected


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        pytest.param(
            lambda g: (g, g),
            "function BadBackward returned an incorrect number of gradients (expected 1, got 2)",
            id="E-21",
        ),
        pytest.param(
            lambda g: (),
            "function BadBackward returned an incorrect number of gradients (expected 1, got 0)",
            id="too few",
        ),
        pytest.param(
            lambda g: g[:2],
            "Function BadBackward returned an invalid gradient at index 0 - got [2] but expected "
            "shape compatible with [3]",
            id="E-22",
        ),
        pytest.param(
            lambda g: g.sum(),
            "Function BadBackward returned an invalid gradient at index 0 - got [] but expected "
            "shape compatible with [3]",
            id="scalar",
        ),
        pytest.param(lambda g: 1.0, "expected Variable or None (got float)", id="float"),
        pytest.param(lambda g: [g], "expected Variable or None (got list)", id="list"),
        pytest.param(lambda g: ((g,),), "expected Variable or None (got tuple)", id="nested"),
    ],
)
def test_A_127_bad_gradients_are_refused(value, phrase):
    x = leaf(3)
    with raises(RuntimeError, phrase):
        torch.autograd.grad(returning(value).apply(x).sum(), x)


def test_A_127_complex_gradients_of_real_inputs_are_refused():
    x = leaf(3)
    with pytest.raises(RuntimeError):
        returning(lambda g: g.to(torch.complex64)).apply(x).sum().backward()
    assert x.grad is None


def test_A_127_gradients_of_other_arguments():
    class All(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g, g

    x = leaf(2)
    assert torch.autograd.grad(All.apply(x, torch.ones(2)).sum(), x)[0].tolist() == [1.0, 1.0]
    with raises(
        RuntimeError,
        "function AllBackward returned a gradient different than None at position 2, but the "
        "corresponding forward input was not a Variable",
    ):
        All.apply(x, 2.0).sum().backward()


def test_errors_in_backward_are_the_users_own():
    def fails(g):
        raise ValueError("boom")

    with raises(ValueError, "boom"):
        returning(fails).apply(leaf(2)).sum().backward()
    assert torch.is_grad_enabled()


def test_errors_in_forward_leave_recording_on():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            raise ValueError("boom")

    with raises(ValueError, "boom"):
        Fails.apply(leaf(2))
    assert torch.is_grad_enabled()


def test_missing_methods():
    class Nothing(Function):
        pass

    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with raises(NotImplementedError, "You must implement the forward function for custom"):
        Nothing.apply(leaf(2))
    y = NoBackward.apply(leaf(2))
    with raises(NotImplementedError, "You must implement either the backward or vjp method"):
        y.sum().backward()


# ------------------------------------------------------------------- recording and names
def test_A_128_tensors_in_containers_are_not_tracked():
    class First(Function):
        @staticmethod
        def forward(ctx, xs):
            return xs[0] * 2

    assert not First.apply([leaf(2)]).requires_grad


def test_A_129_names():
    y = Cube.apply(leaf(2))
    assert type(y.grad_fn).__name__ == "CubeBackward"
    assert type(y.grad_fn).__module__ == "torch.autograd.function"
    assert y.grad_fn.name() == "CubeBackward"
    assert printed(y) == "tensor([1., 1.], grad_fn=<CubeBackward>)\n"
    assert plain(y.grad_fn) == "<torch.autograd.function.CubeBackward object at 0x...>"
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)


def test_A_129_the_attributes_of_ctx_are_those_of_the_node():
    y = Scale.apply(leaf(2), 4)
    assert y.grad_fn.k == 4
    y.grad_fn.note = "kept"
    assert y.grad_fn.note == "kept"
    assert [type(n).__name__ for n, _ in y.grad_fn.next_functions] == ["AccumulateGrad"]
    with pytest.raises(AttributeError):
        _ = y.grad_fn.nothing


def test_A_130_calls_that_are_not_recorded():
    assert Cube.apply(torch.ones(2)).grad_fn is None
    with torch.no_grad():
        assert Cube.apply(leaf(2)).grad_fn is None


def test_hooks_on_the_node():
    seen = []
    x = leaf(2)
    y = Scale.apply(x, 3)
    y.grad_fn.register_prehook(lambda grads: seen.append(("pre", grads[0].tolist())))
    y.grad_fn.register_hook(lambda gi, go: seen.append(("post", gi[0].tolist(), go[0].tolist())))
    y.sum().backward()
    assert seen == [("pre", [1.0, 1.0]), ("post", [3.0, 3.0], [1.0, 1.0])]


def test_gradient_edges():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return 2 * g + 3 * h

    edge = torch.autograd.graph.GradientEdge
    x = leaf(2)
    one, (_, second) = Cube.apply(x), Two.apply(x)
    for node, number, expected in (
        (one.grad_fn, 0, [3.0, 3.0]),
        (second.grad_fn, 0, [2.0, 2.0]),
        (second.grad_fn, 1, [3.0, 3.0]),
    ):
        (g,) = torch.autograd.grad(edge(node, number), x, torch.ones(2), retain_graph=True)
        assert g.tolist() == expected
    found = torch.autograd.graph.get_gradient_edge(second)
    assert (found.node, found.output_nr) == (second.grad_fn, 1)
