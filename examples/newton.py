"""Newton's method without a Hessian matrix: products H v by differentiating twice.

Minimises the Rosenbrock function of 20 variables. Each step solves H s = g with conjugate gradients,
which need H only in products H v = d/dx (g . v), one more backward pass each (Pearlmutter 1994).

Run it with `wengert run examples/newton.py`, or with `python` where PyTorch is installed.
"""

import torch


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def conjugate_gradients(product, g, steps, tolerance):
    """Solve product(s) = g for a positive definite product; stop early where it is not one."""
    s = torch.zeros_like(g)
    r, p = g.clone(), g.clone()
    for k in range(steps):
        hp = product(p)
        curvature = p @ hp
        if curvature <= 0:
            return (s if k else g), k
        alpha = (r @ r) / curvature
        s = s + alpha * p
        new = r - alpha * hp
        if new.norm() < tolerance:
            return s, k + 1
        p = new + (new @ new) / (r @ r) * p
        r = new
    return s, steps


x = torch.full((20,), -0.5, dtype=torch.float64, requires_grad=True)
for step in range(1, 101):
    f = rosenbrock(x)
    (g,) = torch.autograd.grad(f, x, create_graph=True)  # g is recorded too ...
    if g.norm() < 1e-7:
        print(f"step {step:>2}  done")
        break
    if step % 10 == 1:
        print(f"step {step:>2}  f = {f.item():.3e}  |g| = {g.norm().item():.1e}")

    def product(v, x=x, g=g):  # ... so that it can be differentiated again
        return torch.autograd.grad(g @ v, x, retain_graph=True)[0]

    fixed = g.detach()
    s, _ = conjugate_gradients(product, fixed, steps=40, tolerance=1e-3 * fixed.norm())
    with torch.no_grad():
        t = 1.0  # halve the step until it helps (Armijo)
        while rosenbrock(x - t * s) > f - 1e-4 * t * (fixed @ s):
            t /= 2
        x -= t * s

print("minimum at ones:", torch.allclose(x, torch.ones_like(x), atol=1e-8))

# the same products from autograd.functional, and the whole matrix
v = torch.ones_like(x)
value, hv = torch.autograd.functional.hvp(rosenbrock, x.detach(), v)
h = torch.autograd.functional.hessian(rosenbrock, x.detach())
print("H v agrees with the matrix:", torch.allclose(h @ v, hv))
print("eigenvalues of H:", torch.linalg.eigvalsh(h)[[0, 1, -1]])
