"""A physics-informed network: solve the heat equation without data, by making its residual small.

    u_t = a u_xx   on 0 < x < 1,    u(x, 0) = sin(pi x),    u(0, t) = u(1, t) = 0

The solution is written as u = sin(pi x) + t x (1 - x) N(x, t), which satisfies what is known at the
start and at the ends; the network N is trained until the equation holds at points in between
(Lagaris, Likas and Fotiadis 1998; Raissi, Perdikaris and Karniadakis 2019). The derivatives in the
equation are gradients with `create_graph=True`, and training differentiates once more through them.

Run it with `wengert run examples/physics_informed.py`, or with `python` where PyTorch is installed.
"""

import math

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
A = 0.1  # how fast heat spreads

net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def solution(x, t):
    return torch.sin(math.pi * x) + t * x * (1 - x) * net(torch.cat([x, t], 1))


def derivative(u, x):
    """du/dx at every point: the points are independent, so the gradient of the sum holds them all."""
    return torch.autograd.grad(u.sum(), x, create_graph=True)[0]


def residual(x, t):
    u = solution(x, t)
    return derivative(u, t) - A * derivative(derivative(u, x), x)


def exact(x, t):
    return math.exp(-A * math.pi**2 * t) * torch.sin(math.pi * x)


side = torch.linspace(0.02, 0.98, 16)
grid_x, grid_t = torch.meshgrid(side, side, indexing="ij")
x = grid_x.reshape(-1, 1).requires_grad_()
t = grid_t.reshape(-1, 1).requires_grad_()

optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.995)
for step in range(601):
    optimizer.zero_grad()
    loss = (residual(x, t) ** 2).mean()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 150 == 0:
        print(f"step {step:>3}  mean squared residual {loss.item():.1e}")

line = torch.linspace(0, 1, 5).reshape(-1, 1)
print("\n   x    " + "  ".join(f"{v:6.3f}" for v in line.flatten().tolist()))
with torch.no_grad():
    for when in (0.0, 0.5, 1.0):
        found = solution(line, torch.full_like(line, when))
        print(f"t {when:.1f}   " + "  ".join(f"{abs(v):6.3f}" for v in found.flatten().tolist()))
    dense = torch.linspace(0, 1, 101).reshape(-1, 1)
    error = max((solution(dense, torch.full_like(dense, s)) - exact(dense, s)).abs().max().item()
                for s in (0.25, 0.5, 0.75, 1.0))  # fmt: skip
print("largest error below 0.005:", error < 5e-3)

# the network can be asked for any derivative: the flow of heat out of the left end at t = 1
edge = torch.zeros(1, 1, requires_grad=True)
flow = A * derivative(solution(edge, torch.ones(1, 1)), edge)
true = A * math.pi * math.exp(-A * math.pi**2)
print(f"flow of heat at x = 0, t = 1: {flow.item():.2f}, exactly {true:.2f}")
