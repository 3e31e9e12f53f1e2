"""A generative adversarial network of points on a ring, kept stable by a penalty on gradients.

The generator turns noise into points, the critic tells them from real ones, and each learns from
the other (Goodfellow et al., "Generative adversarial nets", 2014). The penalty is the squared
gradient of the critic at real points (Mescheder, Geiger and Nowozin, "Which training methods for
GANs do actually converge?", 2018): training differentiates a derivative.

Run it with `wengert run examples/gan.py`, or with `python` where PyTorch is installed.
"""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)  # the game is sensitive: keep rounding out of it

PLACES = 8
angles = 2 * math.pi * torch.arange(PLACES) / PLACES
CENTRES = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)


def real(n):
    """n points near eight places on a ring."""
    return CENTRES[torch.randint(PLACES, (n,))] + 0.1 * torch.randn(n, 2)


def network(inputs, outputs, hidden=64):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, outputs),
    )


generator, critic = network(4, 2), network(2, 1)
generator_steps = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.0, 0.99))
critic_steps = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.99))


def quality(n=2000):
    """How many of the places get points, and how many points are near a place."""
    with torch.no_grad():
        distance, place = torch.cdist(generator(torch.randn(n, 4)), CENTRES).min(dim=1)
    near = distance < 0.4
    counts = torch.bincount(place[near], minlength=PLACES)
    return int((counts > n // 100).sum()), near.double().mean().item(), counts


BATCH = 64
for step in range(1, 1201):
    points = real(BATCH).requires_grad_()
    scores = critic(points)
    (slope,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    penalty = slope.pow(2).sum(dim=1).mean()
    fake = generator(torch.randn(BATCH, 4)).detach()
    critic_loss = softplus(-scores).mean() + softplus(critic(fake)).mean()
    critic_steps.zero_grad()
    (critic_loss + 0.02 * penalty).backward()
    critic_steps.step()

    generator_loss = softplus(-critic(generator(torch.randn(BATCH, 4)))).mean()
    generator_steps.zero_grad()
    generator_loss.backward()
    generator_steps.step()
    if step == 1 or step % 300 == 0:
        places, near, _ = quality()
        print(f"step {step:>4}  critic {critic_loss.item():.2f}  penalty {penalty.item():.2f}  "
              f"generator {generator_loss.item():.2f}  places {places} of {PLACES}  near one {near:4.0%}")

_, _, counts = quality()
print("points per place:", counts.tolist())
with torch.no_grad():
    made = generator(torch.randn(400, 4))
canvas = [[" "] * 45 for _ in range(21)]
for px, py in made.tolist():
    if abs(px) < 2.75 and abs(py) < 2.6:
        canvas[round(10 - 4 * py)][round(22 + 8 * px)] = "o"
for cx, cy in CENTRES.tolist():
    canvas[round(10 - 4 * cy)][round(22 + 8 * cx)] = "+"
print("\n".join("".join(row).rstrip() for row in canvas))
