"""Linear regression by hand: autograd gives the gradient, the rest is three lines.

Run it with `wengert run examples/linear_regression.py`, or with `python` where PyTorch is installed.
"""

import torch

torch.manual_seed(0)

# 200 points of y = 3 x1 - 2 x2 + 0.5, with noise
true_w, true_b = torch.tensor([3.0, -2.0]), 0.5
x = torch.randn(200, 2)
y = x @ true_w + true_b + 0.1 * torch.randn(200)

w = torch.zeros(2, requires_grad=True)
b = torch.zeros((), requires_grad=True)

for step in range(1, 61):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():  # the update is no part of the model
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad = None
    if step in (1, 2, 5, 10, 20, 40, 60):
        print(f"step {step:>2}  loss {loss.item():.4f}")

print("w =", w.detach(), " b =", b.detach())
print("the last node of the graph:", loss.grad_fn.name())

# the exact answer, from the normal equations
a = torch.cat([x, torch.ones(200, 1)], dim=1)
exact = torch.linalg.solve(a.T @ a, a.T @ y)
print("exact:", exact)
