"""The texts of contract 2.16 that come from the faces of the engine: type and key phrases.

autograd.Function, inference mode, saved-tensor hooks, the functional API, forward mode.
"""

from __future__ import annotations

import pytest
from against import REAL, leaf, raises, torch

functional = torch.autograd.functional

FREED = "Trying to backward through the graph a second time"


# autograd.Function


def function(**members):
    members = {name: staticmethod(member) for name, member in members.items()}
    return type("Bad", (torch.autograd.Function,), members)


def test_function_returns_too_few_gradients():
    bad = function(forward=lambda ctx, x, y: x * y, backward=lambda ctx, g: g)
    with raises(
        RuntimeError,
        "function BadBackward returned an incorrect number of gradients (expected 2, got 1)",
    ):
        bad.apply(leaf(3), leaf(3)).sum().backward()


def test_function_without_backward():
    bad = function(forward=lambda ctx, x: x * 2)
    with raises(
        NotImplementedError,
        "You must implement either the backward or vjp method for your custom autograd.Function",
    ):
        bad.apply(leaf(3)).sum().backward()


def test_function_without_forward():
    with raises(
        NotImplementedError, "You must implement the forward function for custom autograd.Function."
    ):
        function(backward=lambda ctx, g: g).apply(leaf(3))


def test_function_backward_returns_a_number():
    bad = function(forward=lambda ctx, x: x * 2, backward=lambda ctx, g: 1.0)
    with pytest.raises((RuntimeError, TypeError), match=r"expected Variable or None \(got float\)"):
        bad.apply(leaf(3)).sum().backward()


def test_function_instantiated():
    bad = function(forward=lambda ctx, x: x, backward=lambda ctx, g: g)
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = bad()
    with raises(
        RuntimeError, "Legacy autograd function with non-static forward method is deprecated."
    ):
        instance(leaf(3))


def test_function_saves_a_number():
    def forward(ctx, x):
        ctx.save_for_backward(x, 3)
        return x * 2

    bad = function(forward=forward, backward=lambda ctx, g: g)
    with raises(
        TypeError, "save_for_backward can only save variables, but argument 1 is of type int"
    ):
        bad.apply(leaf(3))


def test_function_marks_dirty_and_does_not_return_it():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(2)
        return x + 1

    bad = function(forward=forward, backward=lambda ctx, g: g)
    with raises(
        RuntimeError,
        "Some elements marked as dirty during the forward method were not returned as output.",
    ):
        bad.apply(leaf(3) * 1)


def test_function_marks_a_leaf_dirty():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x

    bad = function(forward=forward, backward=lambda ctx, g: g)
    with raises(RuntimeError, "a leaf Variable that requires grad", "in an in-place operation."):
        bad.apply(leaf(3))


def test_function_backward_error_passes_through():
    def backward(ctx, g):
        raise ValueError("boom")

    bad = function(forward=lambda ctx, x: x * 2, backward=backward)
    with raises(ValueError, "boom"):
        bad.apply(leaf(3)).sum().backward()


def test_function_saved_tensors_read_after_backward():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x

    bad = function(forward=forward, backward=backward)
    y = bad.apply(leaf(3)).sum()
    y.backward()
    with raises(RuntimeError, FREED):
        y.backward()


def test_function_returns_a_view_that_is_then_changed():
    bad = function(forward=lambda ctx, x: x.view(3), backward=lambda ctx, g: g)
    y = bad.apply(leaf(3) * 1)
    with raises(
        RuntimeError,
        "Output 0 of Bad",
        "is a view and is being modified inplace. This view was created inside a custom Function "
        "(or because an input was returned as-is)",
    ):
        y.add_(1)


# Inference mode


def test_inference_tensors_outside():
    with torch.inference_mode():
        t = torch.ones(3)
    with raises(
        RuntimeError, "Inplace update to inference tensor outside InferenceMode is not allowed."
    ):
        t.add_(1)
    with raises(RuntimeError, "Inference tensors do not track version counter."):
        _ = t._version
    with raises(
        RuntimeError,
        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
    ):
        t.requires_grad_()


# Saved-tensor hooks and edges


def test_gradient_edge_of_a_constant():
    with raises(
        RuntimeError,
        "It is not possible to get the gradient edge for a Tensor that does not require",
    ):
        torch.autograd.graph.get_gradient_edge(torch.ones(3))


def test_saved_tensor_hooks_disabled():
    x = leaf(3)
    with (
        raises(RuntimeError, "disabled!"),
        torch.autograd.graph.disable_saved_tensors_hooks("disabled!"),
        torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        x * x


def test_unpack_hook_returns_a_number():
    x = leaf(3)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = (x * x).sum()
    with raises(
        TypeError,
        "Output of saved tensor unpack_hook expected to be a Tensor but got result of type int",
    ):
        y.backward()


def test_pack_hook_changes_its_input():
    x = leaf(3) * 1
    with (
        raises(RuntimeError, "A saved tensor pack hook is modifying its input in place."),
        torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().add_(1), lambda t: t),
    ):
        x * x


# The functional API


def cubic(x):
    return (x**3).sum()


def test_functional_inputs_must_be_tensors():
    with raises(
        TypeError,
        "The inputs given to jacobian must be either a Tensor or a tuple of Tensors "
        "but the given inputs has type <class 'float'>.",
    ):
        functional.jacobian(lambda x: x, 1.0)


def test_functional_vectors():
    x = torch.ones(3)
    with raises(
        RuntimeError,
        "The vector v can only be None if the user-provided function returns a single Tensor "
        "with a single element.",
    ):
        functional.vjp(lambda t: t * 2, x)
    needed = (
        "The vector v can only be None if the input to the user-provided function is a single Tensor "
        "with a single element."
    )
    with raises(RuntimeError, needed):
        functional.jvp(lambda t: t * 2, x)
    with raises(RuntimeError, needed):
        functional.hvp(cubic, x)
    with raises(
        RuntimeError, "v has invalid size: should be torch.Size([3]) but got torch.Size([2])."
    ):
        functional.vjp(lambda t: t * 2, x, torch.ones(2))


def test_functional_hessian_needs_a_scalar():
    with raises(
        RuntimeError,
        "The Tensor returned by the function given to hessian should contain a single element",
    ):
        functional.hessian(lambda t: t * 2, torch.ones(3))


def test_functional_strict():
    with raises(
        RuntimeError,
        "Output 0 of the user-provided function does not require gradients.",
        "The outputs must be computed in a differentiable manner from the input when running in strict mode.",
    ):
        functional.jacobian(lambda t: torch.ones(3), torch.ones(3), strict=True)


def test_functional_forward_mode_needs_vectorize():
    with raises(NotImplementedError, "Computing Jacobian using forward-AD", "`vectorize=True`"):
        functional.jacobian(lambda t: t * 2, torch.ones(3), strategy="forward-mode")


# Forward mode


def test_dual_without_a_level():
    with raises(RuntimeError, "Trying to create a dual Tensor for forward AD but no level exists"):
        torch.autograd.forward_ad.make_dual(torch.ones(3), torch.ones(3))


def test_dual_of_a_wrong_kind():
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        with raises(
            ValueError, "Expected primal to be floating point or complex, but got: torch.int32"
        ):
            forward_ad.make_dual(torch.ones(3, dtype=torch.int32), torch.ones(3))
        with raises(
            RuntimeError,
            "Trying to set a forward gradient that has a different size than that of the original Tensor",
            "Tensor is of size [3] while the given forward gradient is of size [2].",
        ):
            forward_ad.make_dual(torch.ones(3), torch.ones(2))


def test_dual_levels_nest_here_only():
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        if REAL:
            with raises(RuntimeError, "Nested forward mode AD is not supported at the moment"):
                forward_ad.enter_dual_level()
        else:
            with forward_ad.dual_level():
                pass
