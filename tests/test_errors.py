"""The 25 most important errors, E-01 to E-25: PyTorch's type and key phrases, so that a search finds them.

What wengert adds to these texts is tested in test_errors_additions.py; all other texts are in
test_errors_texts.py.
"""

from __future__ import annotations

import pytest
from against import collected_warnings, leaf, raises, torch

grad = torch.autograd.grad


def test_E_01_in_place_on_a_leaf():
    x = leaf(3)
    with raises(
        RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."
    ):
        x.add_(1)
    assert x.tolist() == [1.0, 1.0, 1.0]
    assert x._version == 0


def test_E_02_in_place_on_a_view_of_a_leaf():
    x = leaf(3)
    with raises(
        RuntimeError,
        "a view of a leaf Variable that requires grad is being used in an in-place operation.",
    ):
        x[:2].mul_(2)
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_E_03_backward_twice():
    x = leaf(3)
    loss = (x * x).sum()
    loss.backward()
    with raises(
        RuntimeError,
        "Trying to backward through the graph a second time",
        "(or directly access saved tensors after they have already been freed)",
        "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad().",
        "Specify retain_graph=True if you need to backward through the graph a second time",
    ):
        loss.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_E_04_backward_of_a_vector():
    with raises(RuntimeError, "grad can be implicitly created only for scalar outputs"):
        (leaf(3) * 2).backward()


def test_E_05_backward_of_a_constant():
    with raises(
        RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn"
    ):
        torch.ones(3).sum().backward()


MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation"
)


def test_E_06_saved_value_overwritten():
    x = leaf(2, 3)
    y = x * 1
    z = y * y
    y.add_(1)
    with raises(
        RuntimeError,
        f"{MODIFIED}: [torch.FloatTensor [2, 3]], which is output 0 of Add",
        "is at version 1; expected version 0 instead.",
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, "
        "with torch.autograd.set_detect_anomaly(True",
    ):
        z.sum().backward()
    assert x.grad is None


def test_E_07_saved_value_overwritten_under_anomaly_detection():
    x = leaf(2, 3)
    with (
        pytest.warns(UserWarning, match="Anomaly Detection has been enabled"),
        pytest.warns(
            UserWarning, match=r"Error detected in MulBackward0\. Traceback of forward call"
        ),
        raises(
            RuntimeError,
            MODIFIED,
            "Hint: the backtrace further above shows the operation that failed",
        ),
        torch.autograd.detect_anomaly(),
    ):
        y = x * 1
        z = y * y
        y.add_(1)
        z.sum().backward()


def test_E_07_the_traceback_names_the_line_of_the_forward_call():
    x = leaf(2, 3)
    with (
        pytest.warns(UserWarning, match="Anomaly Detection|Error detected") as caught,
        raises(RuntimeError, MODIFIED),
        torch.autograd.detect_anomaly(),
    ):
        y = x * 1
        z = y * y  # the line that the warning must show
        y.add_(1)
        z.sum().backward()
    text = "\n".join(str(w.message) for w in caught)
    assert "the line that the warning must show" in text
    assert "test_errors.py" in text


def test_E_08_input_not_in_the_graph():
    y, other = leaf(3) * 2, leaf(3)
    with raises(
        RuntimeError,
        "The differentiated Tensor at index 0 appears to not have been used in the graph.",
        "Set allow_unused=True if this is the desired behavior.",
    ):
        grad(y.sum(), other)


def test_E_09_input_that_does_not_require_grad():
    with raises(RuntimeError, "One of the differentiated Tensors does not require grad"):
        grad((leaf(3) * 2).sum(), torch.ones(3))


def test_E_10_integers_cannot_require_grad():
    phrase = "Only Tensors of floating point and complex dtype can require gradients"
    with raises(RuntimeError, phrase):
        torch.ones(3, dtype=torch.int64, requires_grad=True)
    with raises(RuntimeError, "nly Tensors of floating point", "dtype can require gradients"):
        torch.ones(3, dtype=torch.int64).requires_grad_(True)
    x = torch.ones(3, dtype=torch.int64)
    with raises(
        RuntimeError, "nly Tensors of floating point and complex dtype can require gradients"
    ):
        x.requires_grad = True
    assert not x.requires_grad


def test_E_11_flag_of_a_result_cannot_be_cleared():
    y = leaf(3) * 2
    phrases = (
        "you can only change requires_grad flags of leaf variables.",
        "If you want to use a computed variable in a subgraph that doesn't require differentiation",
        "use var_no_grad = var.detach().",
    )
    with raises(RuntimeError, *phrases):
        y.requires_grad = False
    with raises(RuntimeError, *phrases):
        y.requires_grad_(False)
    assert y.requires_grad


def test_E_12_numpy_of_a_tensor_that_requires_grad():
    with raises(
        RuntimeError,
        "Can't call numpy() on Tensor that requires grad.",
        "Use tensor.detach().numpy() instead.",
    ):
        leaf(3).numpy()


def test_E_13_grad_of_a_result_warns():
    y = leaf(3) * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed") as caught:
        assert y.grad is None
    (warning,) = caught
    for phrase in (
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed.",
        "Its .grad attribute won't be populated during autograd.backward().",
        "use .retain_grad() on the non-leaf Tensor.",
    ):
        assert phrase in str(warning.message)
    assert warning.filename == __file__


def test_E_14_gradient_of_another_shape():
    with raises(
        RuntimeError,
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([2]) "
        "and output[0] has a shape of torch.Size([3]).",
    ):
        (leaf(3) * 2).backward(torch.ones(2))


def test_E_15_gradient_of_another_type():
    x = leaf(3)
    with raises(TypeError, "gradients can be either Tensors or None, but got float"):
        grad([x * 2], [x], [1.0])


def test_E_16_view_made_in_no_grad():
    t = leaf(3) * 2
    with torch.no_grad():
        v = t[:2]
    with raises(
        RuntimeError,
        "A view was created in no_grad mode and is being modified inplace with grad mode enabled.",
        "it is forbidden.",
        "You can clarify your code by moving both the view and the inplace",
    ):
        v.mul_(2)
    assert t.tolist() == [2.0, 2.0, 2.0]


def test_E_17_view_from_a_multi_view_call():
    t = leaf(4) * 2
    a, _ = t.chunk(2)
    with raises(
        RuntimeError,
        "Output 0 of Split",
        "is a view and is being modified inplace. "
        "This view is the output of a function that returns multiple views.",
        "You should replace the inplace operation by an out-of-place one.",
    ):
        a.add_(1)
    assert t.tolist() == [2.0, 2.0, 2.0, 2.0]


def test_E_18_nan_in_backward_under_anomaly_detection():
    x = torch.zeros(1, requires_grad=True)
    with (
        collected_warnings() as caught,
        raises(RuntimeError, "Function 'SqrtBackward0' returned nan values in its 0th output."),
        torch.autograd.detect_anomaly(),
    ):
        (torch.sqrt(x) * 0).sum().backward()  # the line that made the nan
    entered, found = (str(w.message) for w in caught)
    assert entered.startswith("Anomaly Detection has been enabled.")
    assert "Error detected in SqrtBackward0. Traceback of forward call that caused" in found
    assert "test_errors.py" in found
    assert "the line that made the nan" in found


def test_E_18_nan_is_not_looked_for_when_told_so():
    x = torch.zeros(1, requires_grad=True)
    with collected_warnings() as caught, torch.autograd.detect_anomaly(check_nan=False):
        (torch.sqrt(x) * 0).sum().backward()
    assert ["Anomaly Detection has been" in str(w.message) for w in caught] == [True]
    assert x.grad.isnan().all()


def test_E_19_grad_of_another_shape_assigned():
    x = leaf(3)
    with raises(
        RuntimeError,
        "attempting to assign a gradient of size '[2]' to a tensor of size '[3]'.",
        "Please ensure that the gradient and the tensor are the same size",
    ):
        x.grad = torch.ones(2)
    assert x.grad is None


def test_E_20_hook_on_a_constant():
    with raises(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(3).register_hook(lambda g: g)


class TwoForOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g, g


class WrongShape(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g[:2]


class OnlyOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def test_E_21_function_returns_too_many_gradients():
    with raises(
        RuntimeError,
        "function TwoForOneBackward returned an incorrect number of gradients (expected 1, got 2)",
    ):
        TwoForOne.apply(leaf(3)).sum().backward()


def test_E_22_function_returns_a_gradient_of_another_shape():
    with raises(
        RuntimeError,
        "Function WrongShapeBackward returned an invalid gradient at index 0 - "
        "got [2] but expected shape compatible with [3]",
    ):
        WrongShape.apply(leaf(3)).sum().backward()


def test_E_23_second_derivative_of_a_once_differentiable_function():
    x = leaf(3)
    (g,) = grad((OnlyOnce.apply(x) ** 2).sum(), x, create_graph=True)
    assert g.tolist() == [4.0, 4.0, 4.0]
    with raises(
        RuntimeError,
        "trying to differentiate twice a function that was marked with @once_differentiable",
    ):
        g.sum().backward()


def test_E_24_inference_tensor_in_a_recorded_call():
    with torch.inference_mode():
        constant = torch.ones(3)
    with raises(
        RuntimeError,
        "Inference tensors cannot be saved for backward.",
        "you can make a clone to get a normal tensor and use it in autograd, "
        "or use `torch.no_grad()` instead of `torch.inference_mode()`.",
    ):
        leaf(3) * constant


def test_E_25_retain_grad_on_a_constant():
    with raises(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(3).retain_grad()
