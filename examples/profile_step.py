"""Where a training step spends its time: the autograd profiler.

Times differ from run to run, so this prints what does not: how often each operation ran, by the names
that the profiler gives them. `prof.key_averages().table(sort_by="self_cpu_time_total")` shows the times.

Run it with `wengert run examples/profile_step.py`, or with `python` where PyTorch is installed.
"""

import json
import os
import tempfile

import torch
from torch import nn
from torch.autograd.profiler import profile, record_function

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(16, 8), torch.randn(16, 1)

with profile() as prof:
    for _ in range(3):
        with record_function("one step"):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()

counts = {e.key: e.count for e in prof.key_averages()}
for name in ("one step", "aten::addmm", "aten::tanh", "aten::mse_loss", "AddmmBackward0",
             "TanhBackward0", "MseLossBackward0", "torch::autograd::AccumulateGrad"):
    print(f"{name:<32} {counts.get(name, 0):>3}")

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "trace.json")
    prof.export_chrome_trace(path)  # for https://ui.perfetto.dev
    with open(path) as f:
        events = json.load(f)["traceEvents"]
print("the trace has the steps:", sum(e.get("name") == "one step" and e.get("ph") == "X" for e in events))
print("final loss:", f"{loss.item():.4f}")
