"""Two spirals told apart by a small network: DataLoader, AdamW, a schedule, a checkpoint.

Run it with `wengert run examples/spirals.py`, or with `python` where PyTorch is installed.
"""

import os
import tempfile

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)


def spirals(n):
    """n points on each of two spiral arms, and which arm they are on."""
    t = torch.linspace(0.5, 3.0, n).repeat(2)
    label = torch.arange(2).repeat_interleave(n)
    angle = 3 * t + torch.pi * label
    points = torch.stack([t * angle.cos(), t * angle.sin()], dim=1)
    return points + 0.08 * torch.randn(2 * n, 2), label


train, held_out = random_split(TensorDataset(*spirals(300)), [480, 120])
model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.3)
print(f"{sum(p.numel() for p in model.parameters())} parameters")


def accuracy(model, data):
    model.eval()
    with torch.no_grad():
        x, y = next(iter(DataLoader(data, batch_size=len(data))))
        return (model(x).argmax(dim=1) == y).float().mean().item()


for epoch in range(1, 41):
    model.train()
    total = 0.0
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(x)
    if epoch == 1 or epoch % 10 == 0:
        rate = optimizer.param_groups[0]["lr"]
        print(f"epoch {epoch:>2}  loss {total / len(train):.3f}  rate {rate:.4f}  "
              f"held out {accuracy(model, held_out):.1%}")
    schedule.step()

# a checkpoint, written and read back; wengert and PyTorch read each other's
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "spirals.pt")
    torch.save(model.state_dict(), path)
    again = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    again.load_state_dict(torch.load(path))
print("read back:", torch.equal(again[0].weight, model[0].weight), f"{accuracy(again, held_out):.1%}")
