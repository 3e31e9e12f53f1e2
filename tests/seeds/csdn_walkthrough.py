# A Chinese walk-through of the basics tutorial (csdn.net 118368642): every code cell, in order.
# The one line added is the seed.
import torch

torch.manual_seed(0)

x = torch.ones(5)
y = torch.zeros(3)
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w)+b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)

print("Gradient function for z=",z.grad_fn)
print("Gradient function for loss=",loss.grad_fn)

loss.backward()
print(w.grad)
print(b.grad)

z=torch.matmul(x,w)+b
print(z.requires_grad)
#因为w,b的requires_grad=True

with torch.no_grad():
    z=torch.matmul(x,w)+b
print(z.requires_grad)

#z_det和z共用数据 但是z_det的requires_grad=False
z=torch.matmul(x,w)+b
z_det=z.detach()
print(z_det.requires_grad)

#torch.eye(n,m=None,out=None)
#这个函数主要是为了生成对角线全1,其余部分全0的二维数组
inp=torch.eye(5,requires_grad=True)
print("inp=",inp)
out=(inp+1).pow(2)
print("\nout=",out)
out.backward(torch.ones_like(inp),retain_graph=True)
print("\nFirst call\n",inp.grad)
out.backward(torch.ones_like(inp),retain_graph=True)
print("\nSecond call\n",inp.grad)
#梯度清零
inp.grad.zero_()
out.backward(torch.ones_like(inp),retain_graph=True)
print("\nCall after zeroing gradients\n",inp.grad)
