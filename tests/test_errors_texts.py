"""All other texts of contract 2.16 that the foundation can meet: type and key phrases, as PyTorch has them."""

from __future__ import annotations

import copy
import warnings

import pytest
from against import leaf, raises, torch

grad = torch.autograd.grad

FREED = "Trying to backward through the graph a second time"
MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation"
)
NO_GRAD_VIEW = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled."
)


# Leaves, views, flags


def test_assignment_into_a_leaf():
    x = leaf(3)
    with raises(
        RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place"
    ):
        x[0] = 2.0
    with raises(
        RuntimeError, "leaf Variable that requires grad is being used in an in-place operation"
    ):
        x[torch.tensor([0, 1])] = 2.0
    with raises(
        RuntimeError, "leaf Variable that requires grad is being used in an in-place operation"
    ):
        x[torch.tensor([True, False, True])] = 2.0
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_view_of_a_view_of_a_leaf():
    x = leaf(2, 3)
    with raises(
        RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place"
    ):
        x.view(6)[2:].add_(1)


def test_view_of_a_leaf_made_in_no_grad():
    x = leaf(3)
    with torch.no_grad():
        v = x[:2]
    with raises(RuntimeError, NO_GRAD_VIEW, "it is forbidden"):
        v.mul_(2)
    with raises(RuntimeError, NO_GRAD_VIEW, "it is forbidden"):
        v.copy_(leaf(2) * 3)


def test_integer_flags():
    t = torch.ones(3, dtype=torch.int64)
    with raises(RuntimeError, "only Tensors of floating point"):
        t.requires_grad_()
    with raises(
        RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"
    ):
        torch.tensor([1, 2], requires_grad=True)
    with raises(
        RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"
    ):
        torch.zeros(2, dtype=torch.bool, requires_grad=True)


def test_read_only_attributes():
    t = torch.ones(3)
    for name in ("is_leaf", "grad_fn"):
        with raises(AttributeError, name):
            setattr(t, name, None)


# backward() and grad()


def test_second_backward_of_a_scalar_multiple():
    loss = (leaf(3) * 2).sum()
    loss.backward()
    with raises(RuntimeError, FREED):
        loss.backward()


def test_saved_value_read_after_backward():
    y = leaf(3).exp()
    y.sum().backward()
    with raises(RuntimeError, FREED, "after they have already been freed"):
        _ = y.grad_fn._saved_result


def test_complex_scalar_backward():
    z = torch.tensor(1 + 2j, requires_grad=True)
    with raises(
        RuntimeError,
        "grad can be implicitly created only for real scalar outputs but got torch.complex64",
    ):
        (z * z).backward()


def test_gradient_of_a_wrong_type():
    x = leaf(3)
    with raises(TypeError, "gradients can be either Tensors or None, but got int"):
        torch.autograd.backward([(x * 2).sum()], [1])
    with pytest.raises(TypeError):
        (x * 2).backward(1.0)


def test_complex_gradient_of_a_real_output():
    y = leaf(3) * 2
    with raises(
        RuntimeError,
        "For complex Tensors, both grad_output and output are required to have the same dtype.",
        "Mismatch in dtype: grad_output[0] has a dtype of torch.complex64",
        "output[0] has a dtype of torch.float32.",
    ):
        y.backward(torch.ones(3, dtype=torch.complex64))


def test_overwritten_result():
    y = leaf(3).exp()
    y.add_(1)
    with raises(
        RuntimeError,
        f"{MODIFIED}: [torch.FloatTensor [3]], which is output 0 of ",
        "is at version 1; expected version 0 instead.",
    ):
        y.sum().backward()


def test_overwritten_constant():
    x, c = leaf(3), torch.ones(3)
    y = (x * c).sum()
    c += 1
    with raises(
        RuntimeError,
        f"{MODIFIED}: [torch.FloatTensor [3]]",
        "is at version 1; expected version 0 instead.",
    ):
        y.backward()


def test_overwritten_through_detach():
    y = leaf(3).exp()
    y.detach().add_(1)
    with raises(RuntimeError, MODIFIED, "[torch.FloatTensor [3]]"):
        y.sum().backward()


def test_overwritten_double_tensor_is_named_as_such():
    y = leaf(3, dtype=torch.float64).exp()
    y.add_(1)
    with raises(RuntimeError, MODIFIED, "[torch.DoubleTensor [3]]"):
        y.sum().backward()


def test_no_inputs():
    y = (leaf(3) * 2).sum()
    with raises(RuntimeError, "`inputs` argument to `backward()` cannot be empty."):
        y.backward(inputs=[])
    with raises(RuntimeError, "`inputs` argument to `grad()` cannot be empty."):
        grad(y, [])


def test_materialize_grads_against_allow_unused():
    x = leaf(3)
    with raises(
        ValueError,
        "Expected allow_unused to be True or not passed when materialize_grads=True, "
        "but got: allow_unused=False.",
    ):
        grad((x * 2).sum(), x, allow_unused=False, materialize_grads=True)


def test_only_inputs_is_deprecated():
    x = leaf(3)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        grad((x * 2).sum(), x, only_inputs=False)


def test_create_graph_in_backward_warns():
    x = leaf(3)
    with pytest.warns(
        UserWarning, match=r"Using backward\(\) with create_graph=True will create a reference"
    ):
        (x * x).sum().backward(create_graph=True)
    x.grad = None


def test_number_of_gradients():
    x = leaf(3)
    with pytest.raises(RuntimeError):
        torch.autograd.backward([x * 2, x * 3], [torch.ones(3)])


# Conversion


def test_numpy_of_a_lazy_conjugate():
    z = torch.tensor([1 + 2j]).conj()
    if not z.is_conj():
        assert z.numpy().tolist() == [1 - 2j]
        return
    with raises(RuntimeError, "Can't call numpy() on Tensor that has conjugate bit set."):
        z.numpy()


def test_scalars_need_one_element():
    t = torch.ones(3)
    with pytest.raises((ValueError, RuntimeError), match=r"converted to (Python scalars|Scalar)"):
        float(t)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        int(t)
    with raises(RuntimeError, "a Tensor with 3 elements cannot be converted to Scalar"):
        t.item()
    with raises(RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"):
        bool(t)
    with raises(RuntimeError, "Boolean value of Tensor with no values is ambiguous"):
        bool(torch.ones(0))


def test_float_of_a_tensor_that_requires_grad_warns():
    x = torch.tensor(2.0, requires_grad=True)
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        assert float(x) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.item() == 2.0


def test_copy_construction_warns():
    with pytest.warns(
        UserWarning, match="To copy construct from a tensor, it is recommended to use"
    ):
        torch.tensor(torch.ones(3))


def test_deepcopy_of_a_result():
    with raises(
        RuntimeError,
        "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol",
    ):
        copy.deepcopy(leaf(3) * 2)


# Hooks and .grad


def test_hook_that_changes_the_size():
    y = leaf(3) * 2
    y.register_hook(lambda g: g[:2])
    with raises(RuntimeError, "hook '<lambda>' has changed the size of value"):
        y.sum().backward()


def test_hook_that_returns_something_else():
    x = leaf(3)
    x.register_hook(lambda g: 3)
    with raises(TypeError, "expected Variable, but hook returned 'int'"):
        (x * 2).sum().backward()


def test_post_accumulate_hooks():
    x = leaf(3)
    with raises(
        RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors"
    ):
        (x * 2).register_post_accumulate_grad_hook(lambda t: None)
    with raises(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(3).register_post_accumulate_grad_hook(lambda t: None)


def test_grad_of_another_dtype_assigned():
    x = leaf(3)
    with raises(
        RuntimeError, "attempting to assign a gradient with dtype", "to a tensor with grad_dtype"
    ):
        x.grad = torch.ones(3, dtype=torch.float64)
    assert x.grad is None


def test_grad_of_another_type_assigned():
    x = leaf(3)
    with raises(
        TypeError, "assigned grad expected to be a Tensor or None but got grad of type int"
    ):
        x.grad = 3
    with raises(RuntimeError, "can't assign Variable as its own grad"):
        x.grad = x


# Views of several outputs


def test_unbind_view_changed():
    t = leaf(2, 3) * 2
    first = t.unbind()[0]
    with raises(RuntimeError, "Output 0 of Unbind", "is a view and is being modified inplace."):
        first.mul_(2)


def test_base_of_a_split_changed():
    t = leaf(4) * 2
    a, _ = t.split(2)
    t.mul_(3)
    with raises(
        RuntimeError,
        "Output 0 of Split",
        "is a view and its base or another view of its base has been modified",
    ):
        _ = a.grad_fn


# Shapes, dtypes, out=


def test_shapes_of_a_product():
    with raises(RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x3)"):
        torch.ones(2, 3) @ torch.ones(4, 3)
    with raises(RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x3)"):
        torch.mm(leaf(2, 3), torch.ones(4, 3))


def test_shapes_of_a_sum():
    with raises(
        RuntimeError,
        "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
    ):
        torch.ones(2, 3) + torch.ones(2, 4)


def test_dtypes_of_a_product():
    with raises(RuntimeError, "to have the same dtype, but got: float != double"):
        torch.ones(2, 3) @ torch.ones(3, 2, dtype=torch.float64)


def test_view_of_a_transposed_tensor():
    with raises(
        RuntimeError,
        "view size is not compatible with input tensor's size and stride "
        "(at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
    ):
        torch.ones(2, 3).t().view(6)


def test_reshape_to_another_size():
    with raises(RuntimeError, "shape '[4]' is invalid for input of size 6"):
        torch.ones(2, 3).reshape(4)
    with raises(RuntimeError, "shape '[4]' is invalid for input of size 6"):
        torch.ones(2, 3).view(4)
    with raises(RuntimeError, "shape '[4, -1]' is invalid for input of size 6"):
        torch.ones(2, 3).reshape(4, -1)


def test_out_of_something_recorded():
    with raises(
        RuntimeError,
        "add(): functions with out=... arguments don't support automatic differentiation, "
        "but one of the arguments requires grad.",
    ):
        torch.add(leaf(3), 1, out=torch.empty(3))


def test_in_place_result_of_another_dtype():
    t = torch.ones(3, dtype=torch.int64)
    with raises(RuntimeError, "result type Float can't be cast to the desired output type Long"):
        t.mul_(1.5)
    assert t.tolist() == [1, 1, 1]
    assert t._version == 0


def test_in_place_result_of_another_shape():
    t = torch.ones(3)
    with raises(RuntimeError, "output with shape [3] doesn't match the broadcast shape [2, 3]"):
        t.add_(torch.ones(2, 3))
    assert t._version == 0


def test_in_place_on_overlapping_memory():
    t = torch.ones(1).expand(3)
    with raises(
        RuntimeError,
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location.",
        "Please clone() the tensor before performing the operation.",
    ):
        t.add_(1)


def test_resize_of_a_tensor_that_requires_grad():
    with raises(RuntimeError, "cannot resize variables that require grad"):
        leaf(3).resize_(2)


def test_dimension_out_of_range():
    with raises(
        IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"
    ):
        torch.ones(2, 3).sum(2)
    with raises(
        IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 5)"
    ):
        torch.ones(2).softmax(5)


def test_index_out_of_range():
    t = torch.ones(3)
    with raises(IndexError, "index 3 is out of bounds for dimension 0 with size 3"):
        _ = t[3]
    with raises(IndexError, "too many indices for tensor of dimension 1"):
        _ = t[0, 0]


def test_cat_of_other_shapes():
    with raises(RuntimeError, "Sizes of tensors must match except in dimension 0."):
        torch.cat([torch.ones(2, 3), torch.ones(2, 4)])
    with raises(RuntimeError, "stack expects each tensor to be equal size"):
        torch.stack([torch.ones(2), torch.ones(3)])


def test_cuda_without_one():
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is present")
    with pytest.raises((AssertionError, RuntimeError), match=r"(?i)cuda"):
        torch.ones(3).cuda()


def test_legacy_variable_function():
    with raises(
        RuntimeError, "torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead"
    ):
        torch.autograd.variable(torch.ones(3))
