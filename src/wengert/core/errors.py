"""The texts of errors that several parts raise, kept together so that they stay alike.

PyTorch's key phrases come first, so that a search finds the known answers; what PyTorch leaves out
(which tensor, its shape, what to do) follows.
"""

from __future__ import annotations

from typing import Any

LEAF_INPLACE = "a leaf Variable that requires grad is being used in an in-place operation."
VIEW_OF_LEAF_INPLACE = (
    "a view of a leaf Variable that requires grad is being used in an in-place operation."
)
INFERENCE_SAVED = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
    "inference mode in computation tracked by autograd. To work around this, you can make a clone "
    "to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
    "`torch.inference_mode()`."
)
INFERENCE_INPLACE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone "
    "to get a normal tensor before doing inplace update."
    "See https://github.com/pytorch/rfcs/pull/17 for more details."
)
OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def described(t: Any) -> str:
    """Say which tensor: dtype and shape, in the words of an error message."""
    return f"{str(t.dtype).removeprefix('torch.')} tensor of shape {list(t.shape)}"


def inference_saved(t: Any, name: str) -> str:
    """A tensor made in inference mode would have to be kept for backward."""
    return f"{INFERENCE_SAVED} The tensor is a {described(t)}, an input of {name}()."


def not_recorded(t: Any) -> str:
    """Say what to do about a tensor that nothing is recorded for."""
    return (
        f"The tensor is a {described(t)}: call requires_grad_() on it, or compute it from a "
        "tensor that requires grad, with recording switched on."
    )


def leaf_inplace(t: Any, view: bool = False) -> str:
    """In-place on a leaf that requires grad."""
    text = VIEW_OF_LEAF_INPLACE if view else LEAF_INPLACE
    return (
        f"{text} The tensor is a {described(t)}. Write inside torch.no_grad(), write to "
        "t.detach(), or use the out-of-place form."
    )


def spent(name: str) -> str:
    """A graph that already ran and dropped its saved values."""
    return (
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they have already been freed). Saved intermediate values of the graph are freed "
        "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
        "backward through the graph a second time or if you need to access saved tensors after "
        f"calling backward. The first spent node that was met is {name}."
    )


def type_name(t: Any) -> str:
    """PyTorch's old name of a tensor's type, such as torch.FloatTensor."""
    short = {
        "float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long",
        "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
        "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    }  # fmt: skip
    name = str(t.dtype).removeprefix("torch.")
    return f"torch.{short.get(name, name)}Tensor"


def cpp_name(dtype: Any) -> str:
    """PyTorch's C++ name of an element type, such as double."""
    names = {
        "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
        "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
        "uint8": "unsigned char", "complex64": "c10::complex<float>",
        "complex128": "c10::complex<double>",
    }  # fmt: skip
    name = str(dtype).removeprefix("torch.")
    return names.get(name, name)


def no_kernel(op: Any, arrays: Any) -> Exception:
    """A call for whose element type NumPy has no loop."""
    from ..kernels import dtypes

    first = arrays[0] if isinstance(arrays, list) else arrays
    while isinstance(first, list | tuple):
        first = first[0]
    if op.name == "neg":
        return RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return NotImplementedError(f"\"{op.name}_cpu\" not implemented for '{dtypes.of(first.dtype).scalar_name}'")


def stale_save(
    t: Any, made_by: str | None, version: int, expected: int, node: str, where: str | None,
    anomaly: bool, label: str,
) -> str:  # fmt: skip
    """A tensor saved for backward was written in place afterwards."""
    origin = f", which is output {made_by}," if made_by else ""
    hint = (
        "Hint: the backtrace further above shows the operation that failed to compute its "
        "gradient. The variable in question was changed in there or anywhere later. Good luck!"
        if anomaly
        else "Hint: enable anomaly detection to find the operation that failed to compute its "
        "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )
    changed = f" It was last changed in place at {where}." if where else ""
    return (
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{type_name(t)} {list(t.shape)}]{origin} is at version {version}; expected "
        f"version {expected} instead. {hint} The tensor is {label} of {node}.{changed} Use the "
        "out-of-place form of that write, or clone() the tensor before it."
    )


REQUIRES_GRAD_INSIDE = (
    "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.* "
    "APIs) inside of a function being transformed by a functorch transform. This is unsupported, "
    "please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call "
    "requires_grad_() outside of a function being transformed instead."
)


def noted(error: BaseException, note: str) -> BaseException:
    """Return an error with a note. Its caller keeps no name for it, which would make a cycle."""
    if note:
        error.add_note(note)
    return error
