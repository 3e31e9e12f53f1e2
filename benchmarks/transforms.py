"""Cases of torch.func: gradients, maps and Jacobians of small functions, as PyTorch writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def cases(T: Any) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return name -> set-up; the set-up returns what is timed."""

    def f(x: Any) -> Any:
        return (x.sin() * x.cos() + x * x).sum()

    def net(p: Any, x: Any) -> Any:
        return T.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]

    def loss(p: Any, x: Any, y: Any) -> Any:
        return ((net(p, x) - y) ** 2).mean()

    def data() -> tuple[Any, Any, Any, Any]:
        T.manual_seed(0)
        p = {"w1": T.randn(20, 32) * 0.1, "b1": T.zeros(32), "w2": T.randn(32, 5) * 0.1, "b2": T.zeros(5)}
        return T.randn(10), p, T.randn(64, 20), T.randn(64, 5)

    def gradient() -> Callable[[], object]:
        x = data()[0]
        g = T.func.grad(f)
        return lambda: g(x)

    def pushed() -> Callable[[], object]:
        x = data()[0]
        return lambda: T.func.jvp(f, (x,), (x,))

    def per_sample() -> Callable[[], object]:
        _, p, xs, ys = data()
        g = T.func.vmap(T.func.grad(loss), in_dims=(None, 0, 0))
        return lambda: g(p, xs, ys)

    def jacobian(transform: str) -> Callable[[], Callable[[], object]]:
        def setup() -> Callable[[], object]:
            _, p, xs, _ = data()
            g = getattr(T.func, transform)(net, argnums=1)
            return lambda: g(p, xs[0])

        return setup

    def hessian() -> Callable[[], object]:
        x = data()[0]
        g = T.func.hessian(f)
        return lambda: g(x)

    def product() -> Callable[[], object]:
        x = data()[0]
        g = T.func.grad(f)
        return lambda: T.func.jvp(g, (x,), (x,))

    return {
        "func: grad of 10 numbers": gradient,
        "func: jvp of 10 numbers": pushed,
        "func: per-sample gradients, 64": per_sample,
        "func: jacrev 5 x 20": jacobian("jacrev"),
        "func: jacfwd 5 x 20": jacobian("jacfwd"),
        "func: hessian 10 x 10": hessian,
        "func: Hessian-vector product": product,
    }
