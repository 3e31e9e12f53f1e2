"""torch.func: per-sample gradients, an ensemble trained at once, curvature of a loss.

Run it with `wengert run examples/transforms.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, hessian, jvp, stack_module_state, vmap

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

x = torch.linspace(-2, 2, 40).unsqueeze(1)
y = torch.sin(2 * x) + 0.1 * torch.randn(40, 1)


def network():
    return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))


model = network()
params = dict(model.named_parameters())


def loss(params, x, y):
    return ((functional_call(model, params, (x,)) - y) ** 2).mean()


# the gradient of every sample by itself, in one pass: which points pull hardest?
each = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
norms = sum(g.flatten(1).square().sum(1) for g in each.values()).sqrt()
print("samples that pull hardest:", norms.topk(3).indices.tolist())
mean = {name: g.mean(0) for name, g in each.items()}
whole = grad(loss)(params, x, y)
print("their mean is the gradient of the batch:", all(torch.allclose(mean[n], whole[n]) for n in whole))

# five networks trained at once: stacked parameters, one vmap
models = [network() for _ in range(5)]
stacked, _ = stack_module_state(models)
step = vmap(grad_and_value(loss), in_dims=(0, None, None))
with torch.no_grad():
    for k in range(301):
        gradients, losses = step(stacked, x, y)
        stacked = {name: p - 0.1 * gradients[name] for name, p in stacked.items()}
        if k % 100 == 0:
            print(f"step {k:>3}  losses", " ".join(f"{v:.3f}" for v in losses.tolist()))
    far = torch.tensor([[0.5], [6.0]])
    answers = vmap(lambda p: functional_call(model, p, (far,)))(stacked)
    spread = answers.std(dim=0).squeeze(1)
print(f"they agree at 0.5 (spread {spread[0]:.2f}) and not at 6, where there is no data ({spread[1]:.2f})")

# curvature along a direction without the Hessian, and the Hessian of the last layer
best = {name: p[losses.argmin()] for name, p in stacked.items()}
slope = grad(lambda p: loss(p, x, y))
_, product = jvp(slope, (best,), (slope(best),))
print(f"curvature along the gradient: {sum((product[n] * slope(best)[n]).sum() for n in best).item():.2e}")
h = hessian(lambda w: loss({**best, "2.weight": w}, x, y))(best["2.weight"]).reshape(16, 16)
values = torch.linalg.eigvalsh(h)
print(f"Hessian of the last layer: largest eigenvalue {values[-1]:.3f}, {(values > 0.01).sum()} of 16 above 0.01")
