"""A small transformer learns to write sequences of digits backwards.

Run it with `wengert run examples/transformer.py`, or with `python` where PyTorch is installed.
"""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
DIGITS, START, LENGTH, WIDTH = 8, 8, 5, 32


class Reverse(nn.Module):
    def __init__(self):
        super().__init__()
        self.digit = nn.Embedding(DIGITS + 1, WIDTH)
        self.place = nn.Embedding(LENGTH + 1, WIDTH)
        self.transformer = nn.Transformer(
            d_model=WIDTH, nhead=4, num_encoder_layers=1, num_decoder_layers=1,
            dim_feedforward=64, dropout=0.0, batch_first=True,
        )
        self.out = nn.Linear(WIDTH, DIGITS)

    def embed(self, x):
        return self.digit(x) + self.place(torch.arange(x.shape[1]))

    def forward(self, source, target):
        ahead = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        h = self.transformer(self.embed(source), self.embed(target), tgt_mask=ahead)
        return self.out(h)


def batch(n):
    x = torch.randint(DIGITS, (n, LENGTH))
    y = x.flip(1)
    return x, torch.cat([torch.full((n, 1), START), y[:, :-1]], dim=1), y


model = Reverse()
print(f"{sum(p.numel() for p in model.parameters())} parameters")
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=150)

for step in range(1, 151):
    source, shifted, target = batch(48)
    loss = nn.functional.cross_entropy(model(source, shifted).flatten(0, 1), target.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step == 1 or step % 30 == 0:
        print(f"step {step:>3}  loss {loss.item():.4f}")

model.eval()
with torch.no_grad():  # written digit by digit
    source, _, target = batch(40)
    said = torch.full((40, 1), START)
    for _ in range(LENGTH):
        following = model(source, said)[:, -1].argmax(dim=1, keepdim=True)
        said = torch.cat([said, following], dim=1)
right = (said[:, 1:] == target).all(dim=1).to(torch.float64).mean().item()
print("first sequence:", source[0].tolist(), "->", said[0, 1:].tolist())
print(f"written backwards without a mistake: {right:.0%}")
