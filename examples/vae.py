"""A variational autoencoder of handwritten digits: torch.distributions in the middle of a network.

The encoder gives a normal distribution over four numbers, the decoder one over images; what is
maximised is E[log p(image | z)] - KL(q(z | image) || N(0, 1)), with gradients through the draw z
(Kingma and Welling, "Auto-encoding variational Bayes", 2013). Pixels lie between 0 and 1, so their
distribution is the continuous Bernoulli.

Run it with `wengert run examples/vae.py`, or with `python` where PyTorch is installed too.
"""

import torch
from torch import nn
from torch.distributions import ContinuousBernoulli, Independent, Normal, kl_divergence

from wengert.data import digits  # 1797 images of 8 by 8 pixels that travel with wengert

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
images, labels = (torch.from_numpy(a) for a in digits())
images = images.double()
order = torch.randperm(len(images))
train, held_out = images[order[:1500]], images[order[1500:]]
held_out_labels = labels[order[1500:]]


class VAE(nn.Module):
    """Images to distributions over z, and z to distributions over images."""

    def __init__(self, hidden=96, latent=4):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, 64))

    def encode(self, x):
        loc, log_scale = self.encoder(x).chunk(2, dim=-1)
        return Independent(Normal(loc, log_scale.exp()), 1)

    def decode(self, z):
        return Independent(ContinuousBernoulli(logits=self.decoder(z)), 1)

    def bound(self, x):
        """The two parts of the lower bound of log p(x), image by image."""
        posterior = self.encode(x)
        prior = Independent(Normal(0.0, 1.0).expand(posterior.mean.shape), 1)
        return self.decode(posterior.rsample()).log_prob(x), kl_divergence(posterior, prior)


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(1, 51):
    total = torch.zeros(2)
    for rows in torch.randperm(len(train)).split(100):
        optimizer.zero_grad()
        fit, kl = model.bound(train[rows])
        (kl - fit).mean().backward()
        optimizer.step()
        total += torch.stack([fit.detach().sum(), kl.detach().sum()])
    if epoch == 1 or epoch % 10 == 0:
        fit, kl = (total / len(train)).tolist()
        print(f"epoch {epoch:>2}  log p(x | z) {fit:6.2f}  KL {kl:5.2f}  bound {fit - kl:6.2f}")

with torch.no_grad():
    fit, kl = model.bound(held_out)
    print(f"held out  log p(x | z) {fit.mean():6.2f}  KL {kl.mean():5.2f}")

    # digits have found places of their own: most nearest neighbours have the same label
    z = model.encode(held_out).mean
    distances = torch.cdist(z, z).fill_diagonal_(float("inf"))
    alike = (held_out_labels[distances.argmin(dim=1)] == held_out_labels).double().mean()
    print(f"nearest neighbours of the same label: {alike:.0%}")

    def show(*pictures):
        shades = " .:-=+*#%@"
        for row in torch.stack(pictures).view(len(pictures), 8, 8).transpose(0, 1):
            print("   ".join("".join(shades[min(int(p * 9.99), 9)] * 2 for p in part) for part in row.tolist()))

    print("four images, and what is left of them after four numbers:")
    show(*held_out[:4])
    show(*model.decode(model.encode(held_out[:4]).mean).base_dist.probs)
    print("on the way from one to another:")
    ends = model.encode(held_out[:2]).mean
    show(*model.decode(torch.stack([torch.lerp(ends[0], ends[1], t) for t in (0.2, 0.4, 0.6, 0.8)])).base_dist.probs)
