"""The same cases for libraries with other interfaces; a case that one can't do is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

N = 1000
Setup = Callable[[], Callable[[], object]]


def _numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def numpy_cases() -> dict[str, Setup]:
    """Gradients written by hand: what a recording library can at best approach."""

    def chain_forward() -> Callable[[], object]:
        z, x = np.ones((2, 3), np.float32), np.abs(_numbers(2, 3)) + 1

        def run() -> None:
            v = z
            for _ in range(N):
                v = np.multiply(np.divide(v, x), x)

        return run

    def tiny_model() -> Callable[[], object]:
        x, ideal = _numbers(16, 1000), _numbers(16, 10, seed=1)
        w1, b1 = _numbers(100, 1000, seed=2) / 30, np.zeros(100, np.float32)
        w2, b2 = _numbers(10, 100, seed=3) / 10, np.zeros(10, np.float32)
        lr = np.float32(0.001)

        def run() -> None:
            a = x.dot(w1.T) + b1
            h = np.maximum(a, 0)
            p = h.dot(w2.T) + b2
            d = p - ideal
            np.add.reduce(d * d, None)
            g = d + d
            gw2, gb2 = g.T.dot(h), np.add.reduce(g, 0)
            gh = g.dot(w2) * (a > 0)
            gw1, gb1 = gh.T.dot(x), np.add.reduce(gh, 0)
            for value, grad in ((w1, gw1), (b1, gb1), (w2, gw2), (b2, gb2)):
                np.subtract(value, lr * grad, value)

        return run

    return {"chain: forward": chain_forward, "chain: no_grad": chain_forward, "TinyModel step": tiny_model}


def _lenet_numbers() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Images, labels and the parameters of LeNet."""
    shapes = [(6, 1, 5, 5), (16, 6, 5, 5), (256, 120), (120, 84), (84, 10)]
    sizes = [25, 150, 256, 120, 84]
    outs = [6, 16, 120, 84, 10]
    weights = [_numbers(*s, seed=k) / np.float32(n**0.5) for k, (s, n) in enumerate(zip(shapes, sizes, strict=True))]
    biases = [np.zeros(n, np.float32) for n in outs]
    labels = np.random.default_rng(9).integers(0, 10, 32)
    return _numbers(32, 1, 28, 28, seed=8), labels, [*weights, *biases]


def autograd_cases() -> dict[str, Setup]:
    """HIPS autograd."""
    import autograd.numpy as anp
    from autograd import elementwise_grad, grad, hessian, jacobian

    def chain(z: Any, x: Any, y: Any) -> Any:
        for _ in range(N):
            z = (z / x) * y
        return z

    def chain_backward() -> Callable[[], object]:
        z, x = np.ones((2, 3), np.float32), np.abs(_numbers(2, 3)) + 1
        f = grad(lambda t: anp.sum(chain(*t)))
        return lambda: f((z, x, x.copy()))

    def bce() -> Callable[[], object]:
        x, y = np.ones(5, np.float32), np.zeros(3, np.float32)
        p = (_numbers(5, 3), _numbers(3))

        def loss(p: Any) -> Any:
            z = anp.dot(x, p[0]) + p[1]
            return anp.mean(anp.maximum(z, 0) - z * y + anp.log1p(anp.exp(-anp.abs(z))))

        f = grad(loss)
        return lambda: f(p)

    def elementwise(n: int) -> Setup:
        def setup() -> Callable[[], object]:
            x = np.abs(_numbers(n))
            f = elementwise_grad(lambda v: anp.sin(v) * v + anp.exp(-v))
            return lambda: f(x)

        return setup

    def recurrent() -> Callable[[], object]:
        xs, w, u = _numbers(200, 8, 16), _numbers(16, 32) / 4, _numbers(32, 32) / 6

        def run(p: Any) -> Any:
            h = np.zeros((8, 32), np.float32)
            for t in range(200):
                h = anp.tanh(anp.dot(xs[t], p[0]) + anp.dot(h, p[1]))
            return anp.sum(h)

        f = grad(run)
        return lambda: f((w, u))

    def lenet() -> Callable[[], object]:
        from autograd.scipy.signal import convolve

        x, y, p = _lenet_numbers()
        onehot = np.eye(10, dtype=np.float32)[y]

        def pooled(v: Any) -> Any:
            n, c, h, w = v.shape
            return anp.max(anp.max(anp.reshape(v, (n, c, h // 2, 2, w // 2, 2)), 5), 3)

        def conv(v: Any, w: Any, b: Any) -> Any:
            axes = ([2, 3], [2, 3])
            out = convolve(v, w[:, :, ::-1, ::-1], axes=axes, dot_axes=([1], [1]), mode="valid")
            return out + anp.reshape(b, (1, -1, 1, 1))

        def loss(p: Any) -> Any:
            h = pooled(anp.maximum(conv(x, p[0], p[5]), 0))
            h = anp.reshape(pooled(anp.maximum(conv(h, p[1], p[6]), 0)), (32, 256))
            h = anp.maximum(anp.dot(h, p[2]) + p[7], 0)
            h = anp.maximum(anp.dot(h, p[3]) + p[8], 0)
            z = anp.dot(h, p[4]) + p[9]
            z = z - anp.max(z, 1, keepdims=True)
            return anp.mean(anp.log(anp.sum(anp.exp(z), 1)) - anp.sum(z * onehot, 1))

        f = grad(loss)

        def run() -> None:
            for value, g in zip(p, f(p), strict=True):
                value -= np.float32(0.01) * g

        return run

    w1, w2, x50 = _numbers(50, 50) / 7, _numbers(50, seed=1) / 7, _numbers(50, seed=2)

    def jac() -> Callable[[], object]:
        f = jacobian(lambda v: anp.tanh(anp.dot(v, w1)))
        return lambda: f(x50)

    def hess() -> Callable[[], object]:
        f = hessian(lambda v: anp.sum(anp.tanh(anp.dot(v, w1)) * w2) ** 2)
        return lambda: f(x50)

    return {
        "chain: forward + backward": chain_backward, "BCE basics step": bce,
        **{f"elementwise 10^{k}": elementwise(10**k) for k in range(3, 8)},
        "jacobian, 50 dims": jac, "hessian, 50 dims": hess, "recurrent, 200 steps": recurrent,
        "LeNet step": lenet,
    }  # fmt: skip


def jax_cases() -> dict[str, Setup]:
    """JAX without jit, as it is used interactively (and under "jit" for the steps)."""
    import jax
    import jax.numpy as jnp

    def chain(z: Any, x: Any, y: Any) -> Any:
        for _ in range(N):
            z = (z / x) * y
        return z

    def ready(f: Callable[[], Any]) -> Callable[[], object]:
        return lambda: jax.block_until_ready(f())

    def chain_forward() -> Callable[[], object]:
        z, x = jnp.ones((2, 3)), jnp.abs(_numbers(2, 3)) + 1
        return ready(lambda: chain(z, x, x))

    def chain_backward() -> Callable[[], object]:
        z, x = jnp.ones((2, 3)), jnp.abs(_numbers(2, 3)) + 1
        f = jax.grad(lambda *t: chain(*t).sum(), (0, 1, 2))
        return ready(lambda: f(z, x, x))

    def bce() -> Callable[[], object]:
        x, y = jnp.ones(5), jnp.zeros(3)
        w, b = jnp.asarray(_numbers(5, 3)), jnp.asarray(_numbers(3))

        def loss(w: Any, b: Any) -> Any:
            z = x @ w + b
            return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()

        f = jax.grad(loss, (0, 1))
        return ready(lambda: f(w, b))

    w1, w2, x50 = (jnp.asarray(a) for a in (_numbers(50, 50) / 7, _numbers(50) / 7, _numbers(50)))

    def jac() -> Callable[[], object]:
        f = jax.jacrev(lambda v: jnp.tanh(v @ w1))
        return ready(lambda: f(x50))

    def hess() -> Callable[[], object]:
        f = jax.hessian(lambda v: (jnp.tanh(v @ w1) * w2).sum() ** 2)
        return ready(lambda: f(x50))

    def elementwise(n: int) -> Setup:
        def setup() -> Callable[[], object]:
            x = jnp.asarray(np.abs(_numbers(n)))
            f = jax.grad(lambda v: (jnp.sin(v) * v + jnp.exp(-v)).sum())
            return ready(lambda: f(x))

        return setup

    return {
        "chain: forward": chain_forward, "chain: no_grad": chain_forward,
        "chain: forward + backward": chain_backward, "BCE basics step": bce,
        **{f"elementwise 10^{k}": elementwise(10**k) for k in range(3, 8)},
        "jacobian, 50 dims": jac, "hessian, 50 dims": hess,
    }  # fmt: skip


def mygrad_cases() -> dict[str, Setup]:
    """MyGrad."""
    import mygrad as mg

    def chain(z: Any, x: Any, y: Any) -> Any:
        for _ in range(N):
            z = (z / x) * y
        return z

    def tensors() -> list[Any]:
        z, x = np.ones((2, 3), np.float32), np.abs(_numbers(2, 3)) + 1
        return [mg.tensor(a) for a in (z, x, x.copy())]

    def chain_forward() -> Callable[[], object]:
        ts = tensors()
        return lambda: chain(*ts)

    def chain_backward() -> Callable[[], object]:
        def run() -> None:
            chain(*tensors()).sum().backward()

        return run

    def elementwise(n: int) -> Setup:
        def setup() -> Callable[[], object]:
            a = np.abs(_numbers(n))

            def run() -> None:
                x = mg.tensor(a)
                (mg.sin(x) * x + mg.exp(-x)).sum().backward()

            return run

        return setup

    def lenet() -> Callable[[], object]:
        from mygrad.nnet import layers, losses

        x, y, arrays = _lenet_numbers()
        p = [mg.tensor(a) for a in arrays]

        def conv(v: Any, k: int) -> Any:
            out = layers.conv_nd(v, p[k], stride=1) + p[k + 5].reshape(1, -1, 1, 1)
            return layers.max_pool(mg.maximum(out, 0), (2, 2), 2)

        def run() -> None:
            h = conv(conv(x, 0), 1).reshape(32, 256)
            h = mg.maximum(mg.matmul(h, p[2]) + p[7], 0)
            h = mg.maximum(mg.matmul(h, p[3]) + p[8], 0)
            losses.softmax_crossentropy(mg.matmul(h, p[4]) + p[9], y).backward()
            for t in p:
                t.data -= np.float32(0.01) * t.grad

        return run

    return {
        "chain: forward": chain_forward, "chain: forward + backward": chain_backward,
        **{f"elementwise 10^{k}": elementwise(10**k) for k in range(3, 8)}, "LeNet step": lenet,
    }  # fmt: skip
