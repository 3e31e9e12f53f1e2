"""Policy gradients on a small lake: REINFORCE with a baseline, in an environment of thirty lines.

The walker on a 5 by 5 lake wants to get from S to G without falling into a hole (O); one step in
ten the ice takes it elsewhere. No gradient leads through the lake: that of the expected return is
E[return * grad log p(action)] (Williams, "Simple statistical gradient-following algorithms", 1992),
and a baseline, here a second network, takes much of the noise out of it.

Run it with `wengert run examples/reinforce.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)  # rounding must not change which way anybody goes

LAKE = ["S...O", ".O...", "...O.", ".O..O", "O...G"]
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]
ARROWS = "^>v<"


class Lake:
    """A batch of walkers: reset() and step(actions) -> (places, rewards, whether they go on)."""

    def __init__(self, count):
        self.count = count
        self.good = torch.tensor([[tile == "G" for tile in row] for row in LAKE]).flatten()
        self.bad = torch.tensor([[tile == "O" for tile in row] for row in LAKE]).flatten()
        self.moves = torch.tensor(MOVES)

    def reset(self):
        self.place = torch.zeros(self.count, dtype=torch.long)
        self.walking = torch.ones(self.count, dtype=torch.bool)
        return self.place

    def step(self, actions):
        slips = torch.rand(self.count) < 0.1
        actions = torch.where(slips, torch.randint(4, (self.count,)), actions)
        row, column = self.place // 5, self.place % 5
        moved = self.moves[actions]
        row, column = (row + moved[:, 0]).clamp(0, 4), (column + moved[:, 1]).clamp(0, 4)
        self.place = torch.where(self.walking, 5 * row + column, self.place)
        reward = self.good[self.place].double() - self.bad[self.place].double() - 0.01
        reward = torch.where(self.walking, reward, 0.0)
        self.walking = self.walking & ~self.good[self.place] & ~self.bad[self.place]
        return self.place, reward, self.walking


def network(outputs):
    return nn.Sequential(nn.Embedding(25, 32), nn.Tanh(), nn.Linear(32, outputs))


policy, baseline = network(4), network(1)
optimizer = torch.optim.Adam([*policy.parameters(), *baseline.parameters()], lr=0.015)
lake = Lake(count=64)


def episode(greedy=False):
    """Walk until all have arrived, fallen or walked 40 steps; what was seen, done and gained."""
    places, logs, rewards, alive = [], [], [], []
    place, walking = lake.reset(), lake.walking
    entropy = 0.0
    for _ in range(40):
        choices = Categorical(logits=policy(place))
        action = choices.probs.argmax(-1) if greedy else choices.sample()
        places.append(place)
        logs.append(choices.log_prob(action))
        alive.append(walking.double())
        entropy = entropy + (choices.entropy() * alive[-1]).sum()
        place, reward, walking = lake.step(action)
        rewards.append(reward)
        if not walking.any():
            break
    return torch.stack(places), torch.stack(logs), torch.stack(rewards), torch.stack(alive), entropy


for update in range(1, 201):
    places, logs, rewards, alive, entropy = episode()
    returns = rewards.flip(0).cumsum(0).flip(0)  # what is still to come
    expected = baseline(places).squeeze(-1)
    advantage = returns - expected.detach()
    steps = alive.sum()
    policy_loss = -(logs * advantage * alive).sum() / steps
    baseline_loss = ((returns - expected) ** 2 * alive).sum() / steps
    optimizer.zero_grad()
    (policy_loss + 0.5 * baseline_loss - 0.01 * entropy / steps).backward()
    optimizer.step()
    if update == 1 or update % 40 == 0:
        arrived = (rewards > 0.5).any(0).double().mean()
        print(f"update {update:>3}  return {rewards.sum(0).mean():6.3f}  arrived {arrived:4.0%}  "
              f"steps {steps / lake.count:5.2f}")

with torch.no_grad():
    lake = Lake(count=400)
    _, _, rewards, _, _ = episode(greedy=True)
    print(f"without exploring: arrived {(rewards > 0.5).any(0).double().mean():.0%} of 400 walks")
    best = policy(torch.arange(25)).argmax(-1).tolist()
    for row in range(5):
        tiles = (ARROWS[best[5 * row + c]] if LAKE[row][c] in "S." else LAKE[row][c] for c in range(5))
        print("   " + " ".join(tiles))
