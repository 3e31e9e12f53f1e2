"""A convolutional network tells bars from crosses and rings in noisy pictures.

Run it with `wengert run examples/cnn.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
SIZE, NAMES = 14, ("bar", "cross", "ring")


def pictures(n):
    """n pictures (n, 1, 14, 14) of the three shapes at random places, and what they show."""
    label = torch.arange(n) % 3
    x = torch.arange(float(SIZE)).reshape(1, 1, SIZE) - (4.5 + 5 * torch.rand(n, 1, 1))
    y = torch.arange(float(SIZE)).reshape(1, SIZE, 1) - (4.5 + 5 * torch.rand(n, 1, 1))
    inside = (x.abs() < 4) & (y.abs() < 4)
    bar = inside & (y.abs() < 1)
    cross = bar | (inside & (x.abs() < 1))
    ring = ((x * x + y * y).sqrt() - 3).abs() < 0.8
    shape = torch.stack([bar, cross, ring], dim=1)[torch.arange(n), label]
    return shape.to(x.dtype).unsqueeze(1) + 0.25 * torch.randn(n, 1, SIZE, SIZE), label


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = F.adaptive_avg_pool2d(F.relu(self.conv2(x)), 1)
        return self.head(x.flatten(1))


net = Net()
print(net)
train, test = pictures(360), pictures(90)
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)

for epoch in range(1, 17):
    net.train()
    total = 0.0
    for rows in torch.randperm(360).split(60):
        x, y = train[0][rows], train[1][rows]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() / 6
    net.eval()
    with torch.no_grad():
        right = (net(test[0]).argmax(1) == test[1]).to(torch.float64).mean().item()
    if epoch % 4 == 0:
        print(f"epoch {epoch:>2}  loss {total:.4f}  held out {right:.1%}")

# which pixels speak for the answer: the gradient of its score with respect to the picture
x = test[0][2:3].clone().requires_grad_()
score = net(x)[0]
score.max().backward()
rows = x.grad[0, 0].abs().sum(dim=1)
print(f"the third picture is a {NAMES[score.argmax()]}; its most telling row is {rows.argmax().item()}")
