"""An LSTM learns to continue a wave from its beginning, and then dreams on by itself.

Run it with `wengert run examples/lstm.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def waves(n, length):
    """n waves (n, length, 1) of random frequency and phase."""
    frequency = 0.25 + 0.2 * torch.rand(n, 1)
    phase = 2 * torch.pi * torch.rand(n, 1)
    return torch.sin(frequency * torch.arange(float(length)) + phase).unsqueeze(2)


class Continue(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        h, state = self.lstm(x, state)
        return self.out(h), state


model = Continue()
print(f"{sum(p.numel() for p in model.parameters())} parameters")
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
train, test = waves(48, 40), waves(16, 60)

for step in range(1, 61):
    optimizer.zero_grad()
    guess, _ = model(train[:, :-1])
    loss = nn.functional.mse_loss(guess, train[:, 1:])
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step == 1 or step % 15 == 0:
        print(f"step {step:>2}  loss {loss.item():.4f}")

with torch.no_grad():  # 30 true values, then its own
    guess, state = model(test[:, :30])
    x, dreamt = guess[:, -1:], []
    for _ in range(10):
        dreamt.append(x)
        x, state = model(x, state)
    dreamt = torch.cat(dreamt, dim=1)
error = (dreamt - test[:, 30:40]).square().mean(dim=(0, 2)).sqrt()
print("error 1, 5 and 10 steps ahead:", " ".join(f"{error[k].item():.3f}" for k in (0, 4, 9)))

# sequences of different lengths, packed
lengths = torch.tensor([7, 5, 3])
padded = nn.utils.rnn.pad_sequence([w[:n] for w, n in zip(test, lengths)], batch_first=True)
packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True)
_, (last, _) = model.lstm(packed)
print("last hidden states of three lengths:", tuple(last.shape))
