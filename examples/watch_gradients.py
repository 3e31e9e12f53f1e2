"""Watching gradients on their way back: tensor hooks, module hooks, hooks that change things.

A deep network of sigmoids starves its first layers; the norms per layer show it, and show what
another activation, or a hook that scales, does about it.

Run it with `wengert run examples/watch_gradients.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn

DEPTH = 6


def network(activation):
    torch.manual_seed(0)
    layers = []
    for _ in range(DEPTH):
        layers += [nn.Linear(16, 16), activation()]
    return nn.Sequential(*layers, nn.Linear(16, 1))


def norms_on_the_way_back(model, x):
    """The norm of the gradient that arrives at the output of every linear layer, first layer first."""
    seen = {}

    def watch(module, inputs, output):
        name = next(n for n, m in model.named_modules() if m is module)
        output.register_hook(lambda grad: seen.__setitem__(name, grad.norm().item()))

    handles = [m.register_forward_hook(watch) for m in model if isinstance(m, nn.Linear)]
    model(x).pow(2).mean().backward()
    for h in handles:
        h.remove()
    return [seen[k] for k in sorted(seen, key=int)]


torch.manual_seed(1)
x = torch.randn(32, 16)
for activation in (nn.Sigmoid, nn.Tanh, nn.ReLU):
    found = norms_on_the_way_back(network(activation), x)
    print(f"{activation.__name__:<8}", "  ".join(f"{n:.1e}" for n in found))

# a hook may return another gradient: here each parameter's is scaled to norm one
model = network(nn.Sigmoid)
for p in model.parameters():
    p.register_hook(lambda grad: grad / (grad.norm() + 1e-12))
model(x).pow(2).mean().backward()
print("scaled  ", "  ".join(f"{p.grad.norm().item():.2f}" for p in list(model.parameters())[::2]))

# gradients of intermediate results
w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
middle = w.exp()
middle.retain_grad()
after = []
w.register_post_accumulate_grad_hook(lambda p: after.append(tuple(p.grad.shape)))
(middle * middle).sum().backward()
print("d/d middle:", middle.grad)
print("d/d w:     ", w.grad, " accumulated:", after)
