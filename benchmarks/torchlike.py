"""The cases in PyTorch's words: the same code runs wengert and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import transforms

N = 1000  # length of the chain: 2 N calls


def cases(T: Any) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return name -> set-up; the set-up returns what is timed."""
    F = T.nn.functional

    def chain_inputs() -> list[Any]:
        T.manual_seed(0)
        x = T.rand(2, 3) + 1
        return [t.clone().requires_grad_() for t in (T.ones(2, 3), x, x)]

    def chain(z: Any, x: Any, y: Any) -> Any:
        for _ in range(N):
            z = (z / x) * y
        return z

    def chain_forward() -> Callable[[], object]:
        inputs = chain_inputs()
        return lambda: chain(*inputs)

    def chain_no_grad() -> Callable[[], object]:
        inputs = chain_inputs()

        def run() -> None:
            with T.no_grad():
                chain(*inputs)

        return run

    def chain_backward() -> Callable[[], object]:
        inputs, one = chain_inputs(), T.ones(2, 3)

        def run() -> None:
            for t in inputs:
                t.grad = None
            chain(*inputs).backward(one)

        return run

    def chain_watched() -> Callable[[], object]:
        run = chain_backward()

        def watched() -> None:
            with T.autograd.set_detect_anomaly(True):
                run()

        return watched

    def tiny_model() -> Callable[[], object]:
        T.manual_seed(0)
        x, ideal = T.randn(16, 1000), T.randn(16, 10)
        model = T.nn.Sequential(T.nn.Linear(1000, 100), T.nn.ReLU(), T.nn.Linear(100, 10))
        optimizer = T.optim.SGD(model.parameters(), lr=0.001)

        def run() -> None:
            loss = (ideal - model(x)).pow(2).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    def bce_basics() -> Callable[[], object]:
        T.manual_seed(0)
        x, y = T.ones(5), T.zeros(3)
        w, b = T.randn(5, 3, requires_grad=True), T.randn(3, requires_grad=True)

        def run() -> None:
            w.grad = b.grad = None
            z = T.matmul(x, w) + b
            F.binary_cross_entropy_with_logits(z, y).backward()

        return run

    def mlp() -> Callable[[], object]:
        T.manual_seed(0)
        x, y = T.randn(64, 784), T.randint(0, 10, (64,))
        model = T.nn.Sequential(
            T.nn.Linear(784, 512), T.nn.ReLU(), T.nn.Linear(512, 512), T.nn.ReLU(), T.nn.Linear(512, 10)
        )
        optimizer = T.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def run() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

        return run

    def lenet() -> Callable[[], object]:
        """LeCun et al. (1998) with relu and max pooling, batch 32 of 28 x 28."""
        T.manual_seed(0)
        x, y = T.randn(32, 1, 28, 28), T.randint(0, 10, (32,))
        nn = T.nn
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
        optimizer = T.optim.SGD(model.parameters(), lr=0.01)

        def run() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

        return run

    def elementwise(n: int) -> Callable[[], Callable[[], object]]:
        def setup() -> Callable[[], object]:
            T.manual_seed(0)
            x = T.rand(n).requires_grad_()

            def run() -> None:
                x.grad = None
                (T.sin(x) * x + T.exp(-x)).sum().backward()

            return run

        return setup

    def second_order_parts() -> tuple[Any, Any]:
        T.manual_seed(0)
        x = T.randn(50)
        w1, w2 = T.randn(50, 50) / 7, T.randn(50) / 7
        return x, lambda v: (T.tanh(v @ w1) * w2).sum() ** 2

    def jacobian() -> Callable[[], object]:
        T.manual_seed(0)
        x, w1 = T.randn(50), T.randn(50, 50) / 7
        return lambda: T.autograd.functional.jacobian(lambda v: T.tanh(v @ w1), x)

    def hessian() -> Callable[[], object]:
        x, f = second_order_parts()
        return lambda: T.autograd.functional.hessian(f, x)

    def recurrent() -> Callable[[], object]:
        T.manual_seed(0)
        xs = T.randn(200, 8, 16)
        w, u = (T.randn(16, 32) / 4).requires_grad_(), (T.randn(32, 32) / 6).requires_grad_()

        def run() -> None:
            w.grad = u.grad = None
            h = T.zeros(8, 32)
            for t in range(200):
                h = T.tanh(xs[t] @ w + h @ u)
            h.sum().backward()

        return run

    def deep(n: int) -> Callable[[], Callable[[], object]]:
        def setup() -> Callable[[], object]:
            x = T.ones(2, requires_grad=True)

            def run() -> None:
                y = x
                for _ in range(n):
                    y = y * x
                y.sum().backward()

            return run

        return setup

    return {
        "chain: forward": chain_forward, "chain: no_grad": chain_no_grad,
        "chain: forward + backward": chain_backward, "TinyModel step": tiny_model,
        "chain: with anomaly detection": chain_watched,
        "BCE basics step": bce_basics, "MLP 784-512-512-10 step": mlp,
        "LeNet step": lenet,
        **{f"elementwise 10^{k}": elementwise(10**k) for k in range(3, 8)},
        "jacobian, 50 dims": jacobian, "hessian, 50 dims": hessian,
        "recurrent, 200 steps": recurrent, "chain 10^5 deep": deep(10**5),
        "chain 10^6 deep": deep(10**6), **transforms.cases(T),
    }  # fmt: skip
