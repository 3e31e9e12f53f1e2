# "Tutorial 4, Autograd in PyTorch" (a recorded lecture): the program it types and runs, in the order
# in which it is spoken. The one line added is the seed.
import torch

torch.manual_seed(0)

x = torch.ones(5)  # input tensor
y = torch.zeros(3)  # expected output
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w)+b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)

print('Gradient function for z =', z.grad_fn)
print('Gradient function for loss =', loss.grad_fn)

loss.backward()
print(w.grad)
print(b.grad)

# "If you try to print out the gradient of z, your shows you is none ... it will actually give you a warning"
print(z.grad)

z = torch.matmul(x, w)+b
print(z.requires_grad)

with torch.no_grad():
    z = torch.matmul(x, w)+b
print(z.requires_grad)

# "let's redefine w and b ... they do requires gradient initially"
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w)+b
z_det = z.detach()
print(z_det.requires_grad)

# "we use the in-place version of requires_grad to turn on the gradient computation for z_det"
z_det.requires_grad_(True)
loss = torch.nn.functional.binary_cross_entropy_with_logits(z_det, y)
loss.backward()
print(w.grad)
print(b.grad)

# "PyTorch actually accumulates the gradient"
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w)+b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
loss.backward()

grad_w = w.grad.clone()
grad_b = b.grad.clone()

for i in range(5):
    z = torch.matmul(x, w)+b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    loss.backward()

print(torch.isclose(6*grad_w, w.grad))
print(torch.isclose(6*grad_b, b.grad))
