"""Gaussian process regression: hyperparameters by gradients through a Cholesky factorisation.

A Gaussian process says of any finite set of points that the values there are one normal vector,
whose covariance a kernel gives. Its parameters maximise the probability of the data (the marginal
likelihood), the prediction is the conditional distribution (Rasmussen and Williams, "Gaussian
processes for machine learning", 2006, chapters 2 and 5).

Run it with `wengert run examples/gaussian_process.py`, or with `python` where PyTorch is installed.
"""

import math

import torch
from torch.distributions import MultivariateNormal, Normal

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def truth(x):
    return torch.sin(3 * x) + 0.5 * x


x = torch.cat([-2 + 1.5 * torch.rand(14), 0.5 + 1.5 * torch.rand(16)])  # nothing in the middle
y = truth(x) + 0.15 * torch.randn(30)


class GP:
    """Zero mean, a squared exponential kernel, normal noise; positive parameters as logarithms."""

    def __init__(self):
        self.log_length = torch.tensor(0.0, requires_grad=True)
        self.log_height = torch.tensor(0.0, requires_grad=True)
        self.log_noise = torch.tensor(-1.0, requires_grad=True)

    def parameters(self):
        return [self.log_length, self.log_height, self.log_noise]

    def kernel(self, a, b):
        apart = (a[:, None] - b[None, :]) / self.log_length.exp()
        return (2 * self.log_height).exp() * torch.exp(-0.5 * apart**2)

    def covariance(self, x):
        return self.kernel(x, x) + (2 * self.log_noise).exp() * torch.eye(len(x))

    def log_likelihood(self, x, y):
        return MultivariateNormal(torch.zeros(len(x)), self.covariance(x)).log_prob(y)

    def predict(self, x, y, at):
        """The distribution of the function's values at new points, given the data."""
        lower = torch.linalg.cholesky(self.covariance(x))
        cross = self.kernel(x, at)
        mean = cross.T @ torch.cholesky_solve(y[:, None], lower)[:, 0]
        explained = torch.linalg.solve_triangular(lower, cross, upper=False)
        covariance = self.kernel(at, at) - explained.T @ explained
        return MultivariateNormal(mean, covariance + 1e-9 * torch.eye(len(at)))


gp = GP()
optimizer = torch.optim.Adam(gp.parameters(), lr=0.1)
for step in range(1, 151):
    optimizer.zero_grad()
    loss = -gp.log_likelihood(x, y)
    loss.backward()
    optimizer.step()
    if step == 1 or step % 50 == 0:
        length, height, noise = (p.exp().item() for p in gp.parameters())
        print(f"step {step:>3}  log likelihood {-loss.item():8.3f}  length {length:.3f}  "
              f"height {height:.3f}  noise {noise:.3f}")

# how sure is it of these? the curvature of the likelihood says (Laplace's approximation)
at_optimum = torch.stack([p.detach() for p in gp.parameters()])


def negative(parameters):
    other = GP()
    other.log_length, other.log_height, other.log_noise = parameters
    return -other.log_likelihood(x, y)


hessian = torch.autograd.functional.hessian(negative, at_optimum)
for name, value, s in zip(("length", "height", "noise"), at_optimum.exp(),
                          torch.linalg.inv(hessian).diagonal().sqrt()):
    print(f"{name:<6} {value:.3f}, within {value * math.exp(-2 * s):.3f} and {value * math.exp(2 * s):.3f}")

with torch.no_grad():
    points = torch.linspace(-2, 2, 9)
    predicted = gp.predict(x, y, points)
    for place, mean, deviation, real in zip(points, predicted.mean, predicted.stddev, truth(points)):
        bar = "#" * round(deviation.item() * 40)
        print(f"f({place:5.2f}) = {mean:6.3f} +- {deviation:.3f}   really {real:6.3f}   {bar}")
    functions = predicted.sample((2000,))
    print(f"probability that f(0) > 0: {(functions[:, 4] > 0).double().mean():.2f} of 2000 draws, "
          f"{1 - Normal(predicted.mean[4], predicted.stddev[4]).cdf(torch.tensor(0.0)):.2f} exactly")
