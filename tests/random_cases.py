"""Random calls and the digests of what PyTorch 2.13 gives for them (x86-64, AVX2 or AVX512).

A digest covers the numbers for the seeds below and the generator's state after each call, so that a
stream that draws too much or too little fails as well. With PyTorch installed,
`python tests/random_cases.py > tests/random_golden.json` writes them again.
"""

from __future__ import annotations

import hashlib
import json
import pathlib

import numpy as np

SEEDS = (0, 42, -3, 2**40 + 7)


def arrays(x):
    """All arrays of a result, in order."""
    if isinstance(x, (tuple, list)):
        return [a for item in x for a in arrays(item)]
    if hasattr(x, "detach"):
        return [np.ascontiguousarray(x.detach().resolve_conj().numpy())]
    return [np.asarray(x)]


def digest(torch, case: str, seeds=SEEDS) -> str:
    """A short hash of the numbers and states of one case."""
    h = hashlib.md5(usedforsecurity=False)
    for seed in seeds:
        torch.manual_seed(seed)
        for a in arrays(eval(case, {"torch": torch, "f64": torch.float64, "f16": torch.float16})):
            h.update(str((a.dtype.name, a.shape)).encode())
            h.update(a.tobytes())
        h.update(torch.get_rng_state().numpy().tobytes())
    return h.hexdigest()[:16]


# The same on every platform: IEEE + - * / and sqrt only.
CASES = [
    *(f"torch.rand({n})" for n in (1, 3, 100, 1023, 2048, 100_003)),
    "torch.rand(2, 3, 4)",
    "torch.rand(1000, dtype=f64)",
    "torch.rand(70_001, dtype=f64)",
    "torch.rand(10_000, dtype=f16)",
    "torch.rand(33, dtype=torch.complex64), torch.rand(33, dtype=torch.complex128)",
    *(
        f"torch.empty(40_003, dtype={d}).uniform_({lo}, {hi})"
        for d in ("torch.float32", "f64", "f16")
        for lo, hi in ((-0.3, 0.3), (-1, 2.7), (1e-7, 1), (0, 3), (0.1, 0.7))
    ),
    "torch.empty(50).uniform_(-1e-42, 1e-40)",
    *(f"torch.randn({n})" for n in (16, 17, 31, 32, 33, 100, 1000, 65_536, 100_003)),
    "torch.empty(40_003).normal_(0.1, 0.02)",
    "torch.empty(40_003).normal_(0, 0.02)",
    "torch.empty(1000).normal_(1e30, 1e38), torch.empty(1000).normal_(1e-44, 1e-40)",
    "torch.empty(37).normal_(2, 0)",
    *(f"torch.randn({n}, dtype=f16)" for n in (16, 17, 33, 5003)),
    "torch.randn(50, dtype=torch.complex64)",
    "torch.randint(3, 10, (4,)), torch.randint(10, (100, 3))",
    *(
        f"torch.randint({lo}, {hi}, (1001,))"
        for lo, hi in ((0, 2), (-5, 5), (0, "2**28 - 1"), (0, "2**28"), (0, "2**32"))
    ),
    "torch.randint(-2**40, 2**40, (40_000,)), torch.randint(-2**63, 2**63 - 1, (20,))",
    *(
        f"torch.randint(0, 100, (1001,), dtype=torch.{d})"
        for d in ("uint8", "int8", "int16", "int32", "float32", "float64", "float16", "uint16")
    ),
    *(
        f"torch.empty(1001, dtype=torch.{d}).random_()"
        for d in ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64", "float16")
    ),
    "torch.empty(20, dtype=torch.int64).random_(-2**63, None), torch.empty(20).random_(-5, None)",
    *(f"torch.randperm({n})" for n in (0, 1, 2, 10, 31, 32, 1000, 12_001, 60_000)),
    "torch.randperm(20, dtype=torch.float32), torch.randperm(20, dtype=torch.uint8)",
    *(f"torch.empty(40_003).bernoulli_({p})" for p in (0, 0.3, 1)),
    "torch.empty(999, dtype=torch.bool).bernoulli_(0.3), torch.zeros(9, dtype=torch.int8).bernoulli_()",
    "torch.bernoulli(torch.linspace(0, 1, 5001)), torch.bernoulli(torch.linspace(0, 1, 501, dtype=f64))",
    "torch.empty(50, dtype=f64).bernoulli_(torch.linspace(0, 1, 50))",
    "torch.bernoulli(torch.ones(7), 0.4)",
    # memory order
    "torch.empty(40, 30).t().uniform_()",
    "torch.empty(4, 3, 5, 2).permute(2, 0, 3, 1)[::2].uniform_()",
    "torch.empty(4, 5).t().bernoulli_(torch.linspace(0, 1, 20).reshape(5, 4))",
    "torch.bernoulli(torch.linspace(0, 1, 20).reshape(4, 5).t())",
    "torch.rand_like(torch.empty(6, 10).t()), torch.rand_like(torch.empty(4, 10)[:, ::2])",
    "torch.randint_like(torch.empty(6, 10).t(), 9), torch.randint_like(torch.zeros(5), 2, 8)",
    "torch.randn_like(torch.empty(6, 10).t(), memory_format=torch.contiguous_format)",
    "torch.randn_like(torch.empty(4, 10)[:, ::2])",
    "torch.rand(4, 5, out=torch.empty(5, 4).t())",
    "torch.normal(torch.linspace(0, 3, 30), torch.linspace(1, 2, 30))",
    "torch.normal(torch.linspace(0, 3, 30).reshape(5, 6).t(), 0.3)",
    "torch.normal(0.3, torch.linspace(0, 3, 30).reshape(5, 6).t())",
    "torch.normal(torch.linspace(0, 3, 30), torch.linspace(1, 2, 30, dtype=f64))",
    "torch.normal(0.1, 0.2, (5, 7))",
    "torch.multinomial(torch.linspace(0.1, 1, 30), 1000, True)",
    "torch.multinomial(torch.linspace(0.1, 1, 30).reshape(5, 6), 9, True)",
]  # fmt: skip

# These pass through the C library's log, log1p, exp, sin, cos and tan: the same with glibc.
LIBM_CASES = [
    *(f"torch.randn({n})" for n in (1, 2, 3, 5, 15)),
    "torch.randn(5), torch.randn(3), torch.randn(16), torch.rand(3), torch.randn(4)",
    *(f"torch.randn({n}, dtype=f64)" for n in (1, 15, 16, 17, 33, 20_003)),
    *(f"torch.randn({n}, dtype=f16)" for n in (1, 15)),
    "torch.empty(7).normal_(3, 2), torch.empty(7, dtype=f64).normal_(0.1, 0.02)",
    "torch.empty(5).normal_(1e30, 1e38), torch.empty(5).normal_(1e-44, 1e-40)",
    "torch.empty(20, dtype=f64).normal_(1e-300, 1e-310), torch.empty(20, dtype=f64).normal_(1, 1e300)",
    "torch.empty(4001, dtype=f64).normal_(3, 0.7)",
    "torch.randn(3, dtype=torch.complex64), torch.randn(50, dtype=torch.complex128)",
    "torch.empty(40, 30).t().normal_(), torch.empty(40, 30).t().normal_(1, 2)",
    "torch.randn_like(torch.empty(6, 10).t())",
    "torch.randn(4, 5, out=torch.empty(5, 4).t())",
    *(f"torch.empty(20_003).exponential_({r})" for r in (1, 1.7, 1e-30, 1e30)),
    "torch.empty(1001, dtype=f64).exponential_(0.5), torch.empty(5001, dtype=f16).exponential_()",
    *(f"torch.empty(5001).geometric_({p})" for p in (0.001, 0.3, 0.999)),
    "torch.empty(501, dtype=torch.int64).geometric_(0.3)",
    "torch.empty(4001).log_normal_(), torch.empty(501, dtype=f64).log_normal_(800, 20)",
    "torch.empty(4001).cauchy_(), torch.empty(501, dtype=f64).cauchy_(1, 2.3)",
    "torch.multinomial(torch.linspace(0.1, 1, 30), 7)",
    "torch.multinomial(torch.linspace(0.1, 1, 30).reshape(5, 6).t(), 3)",
    "torch.multinomial(torch.linspace(0.1, 1, 30, dtype=f64), 20)",
]  # fmt: skip

GOLDEN = json.loads(pathlib.Path(__file__).with_name("random_golden.json").read_text("utf-8"))

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    print(json.dumps({case: digest(torch, case) for case in [*CASES, *LIBM_CASES]}, indent=0))
