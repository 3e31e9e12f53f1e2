"""A function with a gradient of its own: autograd.Function, and how to check it.

log(1 + exp(x)) written down as it stands overflows, and so does its recorded derivative. A Function
computes both in a form that does not.

Run it with `wengert run examples/custom_function.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch.autograd import Function, gradcheck, gradgradcheck


class StableSoftplus(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(x)  # recorded as well: second derivatives work


def naive(x):
    return torch.log(1 + torch.exp(x))


x = torch.tensor([-20.0, -1.0, 0.0, 1.0, 100.0], requires_grad=True)
for name, f in (("naive", naive), ("stable", StableSoftplus.apply)):
    y = f(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    print(f"{name:<7} value   ", y.detach())
    print(f"{name:<7} gradient", grad)

point = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
print("gradcheck:    ", gradcheck(StableSoftplus.apply, (point,)))
print("gradgradcheck:", gradgradcheck(StableSoftplus.apply, (point,)))


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2 * x**2  # should be 3


try:
    gradcheck(Wrong.apply, (point,))
except RuntimeError as error:
    print("a wrong rule: ", str(error).splitlines()[0].rstrip("."))

y = StableSoftplus.apply(x)
print("grad_fn:", y.grad_fn.name(), "<-", y.grad_fn.next_functions[0][0].name())
