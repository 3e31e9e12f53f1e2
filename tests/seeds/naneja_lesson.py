# "Automatic Differentiation with torch.autograd" (a lecturer's notebook page, lesson 6): every code cell,
# in order. `n` is the lecturer's own helper module; the n.py beside this file stands in for it.
topic = "pytorch"
lesson = 6
from n import *
home, models_path = get_project_dir("FashionMNIST")
print(home)

import torch
import random
import numpy as np
seed = 0
os.environ['PYTHONHASHSEED'] = str(seed)
# Torch RNG
torch.manual_seed(seed)
torch.cuda.manual_seed(seed)
torch.cuda.manual_seed_all(seed)
torch.use_deterministic_algorithms(True)
# Python RNG
np.random.seed(seed)
random.seed(seed)

x = torch.ones(5) # input tensor
print_("Input Tensor", x)
y = torch.zeros(3) # expected output
print_("Expected Output ", y)
torch.manual_seed(seed)
w = torch.randn(5, 3, requires_grad=True)
print_("Initial w ", w)
b = torch.randn(3, requires_grad=True)
print_("Bias ", b)
z = torch.matmul(x, w)+b
print_("logits ", z)
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
print_(f"loss={loss:.4f}")

print_(f"Gradient function for z = {z.grad_fn}")
print_(f"Gradient function for loss = {loss.grad_fn}")

loss.backward()
print(w.grad)
print(b.grad)

x = torch.ones(5) # input tensor
y = torch.zeros(3) # expected output
torch.manual_seed(seed)
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w)+b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
loss.backward()
print_(f"w.grad")
print(w.grad)
print_(f"b.grad")
print(b.grad)

z = torch.matmul(x, w)+b
print_(f"z.requires_grad: {z.requires_grad}")
with torch.no_grad():
    z = torch.matmul(x, w)+b
print_(f"z.requires_grad: {z.requires_grad}")

# Another way to disable gradient
z = torch.matmul(x, w)+b
print_(f"z.requires_grad: {z.requires_grad}")
z_det = z.detach()
print_(f"z.requires_grad: {z.requires_grad}")
