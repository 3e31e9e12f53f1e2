"""A neural ODE: learn the law of motion of a spiral from one observed path.

The path obeys x' = f(x); a small network takes the place of f, the equation is solved with
Runge-Kutta steps of fourth order, and the distance to the observations is differentiated in two
ways that agree: straight through the solver, and by the adjoint equation

    a' = -(df/dx)^T a,    gradient' = -(df/dw)^T a    (backwards in time, a = d loss / d x)

which is solved from the end to the beginning and needs no memory of the way (Pontryagin 1962; Chen,
Rubanova, Bettencourt and Duvenaud 2018).

Run it with `wengert run examples/neural_ode.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
STEP = 0.05


def rk4(f, x, h=STEP):
    """One Runge-Kutta step of a state: a list of tensors that move together."""
    k1 = f(x)
    k2 = f([a + h / 2 * k for a, k in zip(x, k1)])
    k3 = f([a + h / 2 * k for a, k in zip(x, k2)])
    k4 = f([a + h * k for a, k in zip(x, k3)])
    return [a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4)]


def path(f, x, steps):
    points = [x]
    for _ in range(steps):
        (x,) = rk4(lambda s: [f(s[0])], [x])
        points.append(x)
    return torch.stack(points)


spiral = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
with torch.no_grad():
    observed = path(lambda x: x**3 @ spiral.T, torch.tensor([[1.5, 0.0]]), 40)

law = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2))


def field(x):
    return law(x**3)


def loss_of(points, target):
    return ((points - target) ** 2).mean()


def adjoint_gradients(start, target):
    """d loss / d weights where the loss looks at the end of the path only."""
    weights = list(law.parameters())
    with torch.no_grad():
        end = path(field, start, len(target) - 1)[-1]
    end.requires_grad_()
    (a,) = torch.autograd.grad(loss_of(end, target[-1]), end)

    def backwards(state):
        x = state[0].detach().requires_grad_()
        with torch.enable_grad():
            v = field(x)
        pulled = torch.autograd.grad(v, [x, *weights], state[1])
        return [-v.detach(), *pulled]

    state = [end.detach(), a, *(torch.zeros_like(w) for w in weights)]
    for _ in range(len(target) - 1):
        state = rk4(backwards, state)
    return state[2:]


optimizer = torch.optim.Adam(law.parameters(), lr=0.02)
for step in range(241):
    optimizer.zero_grad()
    # stretches of ten steps from eight points of the path, all at once
    starts = observed[0:32:4, 0]
    targets = torch.stack([observed[k : k + 11, 0] for k in range(0, 32, 4)], 1)
    loss = loss_of(path(field, starts, 10), targets)
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step:>3}  mean squared distance {loss.item():.1e}")

with torch.no_grad():
    learned = path(field, observed[0], 40)
print(
    "largest distance along the whole path below 0.1:",
    (learned - observed).abs().max().item() < 0.1,
)
for k in (0, 20, 40):
    print(
        f"t {k * STEP:.1f}  observed {observed[k, 0].numpy().round(1)}  learned {learned[k, 0].numpy().round(1)}"
    )

straight = torch.autograd.grad(
    loss_of(path(field, observed[0], 10)[-1], observed[10]), list(law.parameters())
)
adjoint = adjoint_gradients(observed[0], observed[:11])
gap = max((a - b).abs().max().item() for a, b in zip(straight, adjoint))
size = max(a.abs().max().item() for a in straight)
print("the adjoint gradients agree to 0.1%:", gap < 1e-3 * size)
