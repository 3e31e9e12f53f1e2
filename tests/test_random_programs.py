"""Random programs and their first and second derivatives, against PyTorch or finite differences.

A program is a list of steps that Hypothesis makes (and shrinks): calls of everyday ops, views, writes
through bases, views and indices, pieces without recording, hooks, gradients that enter the program
again. With PyTorch both run it side by side: after every step the values must agree, and what one
refuses the other must refuse with the same type. Without it the gradients are compared with finite
differences. `python tests/test_random_programs.py 5000 7` runs 5000 programs from seed 7 on.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert

ERRORS = (RuntimeError, IndexError, ValueError, TypeError)


def smooth(T, a):
    """Something bounded that depends on every element."""
    return (a * 0.3).sin()


def real(T, a):
    """One real number that depends on every element."""
    a = (a * a.conj()).real if a.dtype.is_complex else smooth(T, a)
    return a.to(T.float64).sum()


CALLS = {
    "sin": lambda T, a, b: a.sin(),
    "tanh": lambda T, a, b: a.tanh(),
    "exp": lambda T, a, b: smooth(T, a).exp(),
    "sigmoid": lambda T, a, b: a.sigmoid(),
    "sqrt": lambda T, a, b: (a * a + 3).sqrt(),
    "log": lambda T, a, b: (smooth(T, a) + 2).log(),
    "pow 2": lambda T, a, b: a**2,
    "pow 3": lambda T, a, b: smooth(T, a) ** 3,
    "2 ** a": lambda T, a, b: 2 ** smooth(T, a),
    "a ** b": lambda T, a, b: (smooth(T, a) + 2) ** smooth(T, b),
    "neg": lambda T, a, b: -a,
    "square": lambda T, a, b: a * a,
    "times 2": lambda T, a, b: a * 2,
    "minus": lambda T, a, b: 0.5 - a,
    "over": lambda T, a, b: 1.5 / (a * a + 2),
    "reciprocal": lambda T, a, b: (a * a + 2).reciprocal(),
    "relu": lambda T, a, b: a.relu(),
    "abs": lambda T, a, b: (a + 0.01).abs(),
    "clamp": lambda T, a, b: a.clamp(-0.55, 0.65),
    "gelu": lambda T, a, b: T.nn.functional.gelu(a),
    "softplus": lambda T, a, b: T.nn.functional.softplus(a),
    "silu": lambda T, a, b: T.nn.functional.silu(a),
    "softmax": lambda T, a, b: a.softmax(-1),
    "log_softmax": lambda T, a, b: a.log_softmax(0),
    "logsumexp": lambda T, a, b: a.logsumexp(0),
    "sum": lambda T, a, b: a.sum(),
    "sum 0": lambda T, a, b: a.sum(0),
    "mean": lambda T, a, b: a.mean(-1, keepdim=True),
    "var": lambda T, a, b: a.var(0, correction=0),
    "prod": lambda T, a, b: smooth(T, a).prod(0) * 1,
    "norm": lambda T, a, b: (a + 0.1).norm(),
    "cumsum": lambda T, a, b: a.cumsum(0),
    "cumprod": lambda T, a, b: smooth(T, a).cumprod(0),
    "max": lambda T, a, b: a.max(0)[0],
    "sort": lambda T, a, b: a.sort(0)[0],
    "a + b": lambda T, a, b: a + b,
    "a - b": lambda T, a, b: a - b,
    "a * b": lambda T, a, b: a * b,
    "a / b": lambda T, a, b: a * 1 / (b * b + 2),
    "maximum": lambda T, a, b: T.maximum(a, b + 0.01),
    "where": lambda T, a, b: T.where(a.real > 0.1, a, b) if a.dtype.is_complex else T.where(a > 0.1, a, b),
    "atan2": lambda T, a, b: T.atan2(a, b * b + 1),
    "lerp": lambda T, a, b: T.lerp(a, b, 0.3),
    "addcmul": lambda T, a, b: T.addcmul(a, a, b, value=0.5),
    "matmul": lambda T, a, b: (a @ b) * 1,
    "a @ a.T": lambda T, a, b: a @ a.transpose(0, -1),
    "outer": lambda T, a, b: T.outer(a.reshape(-1)[:3], b.reshape(-1)[:3]),
    "einsum": lambda T, a, b: T.einsum("ij,ij->j", a, b),
    "cat": lambda T, a, b: T.cat([a, b], 0),
    "stack": lambda T, a, b: T.stack([a, b, a], -1),
    "flip": lambda T, a, b: a.flip(0),
    "roll": lambda T, a, b: a.roll(1, 0),
    "take": lambda T, a, b: a[[0, -1, 0]],
    "mask": lambda T, a, b: a[a.real > 0] if a.dtype.is_complex else a[a > 0],
    "gather": lambda T, a, b: (a * 1).gather(0, T.zeros(a.shape, dtype=T.int64)),
    "index_select": lambda T, a, b: a.index_select(0, T.tensor([0, 0])),
    "clone": lambda T, a, b: a.clone(),
    "contiguous": lambda T, a, b: a.transpose(0, -1).contiguous(),
    "detach": lambda T, a, b: a.detach(),
    "data": lambda T, a, b: a.data,
    "double": lambda T, a, b: a.double(),
    "float": lambda T, a, b: a.double().float().double(),
    "conj": lambda T, a, b: a.conj().resolve_conj(),
    "complex": lambda T, a, b: T.complex(smooth(T, a), smooth(T, a).exp()),
    "times i": lambda T, a, b: a * 1j,
    "permuted": lambda T, a, b: a.transpose(0, -1) * 2,
    "tril": lambda T, a, b: a.tril(),
    "pad": lambda T, a, b: T.nn.functional.pad(a, (1, 0)),
    "chunks": lambda T, a, b: T.mul(*a.reshape(-1)[:2].chunk(2)),
    "unbind": lambda T, a, b: T.mul(a.unbind(0)[0], a.unbind(0)[-1]),
    "times ints": lambda T, a, b: a * T.arange(1, 4),
    "times bools": lambda T, a, b: a * T.tensor([True, False, True]),
    "times float32": lambda T, a, b: a * T.tensor([0.5, 1.5, 2.0]),
}  # fmt: skip
VIEWS = {
    "[0]": lambda T, a, b: a[0],
    "[-1]": lambda T, a, b: a[-1],
    "[..., 1:]": lambda T, a, b: a[..., 1:],
    "[::2]": lambda T, a, b: a[::2],
    "[None]": lambda T, a, b: a[None],
    "transpose": lambda T, a, b: a.transpose(0, -1),
    "movedim": lambda T, a, b: a.movedim(0, -1),
    "reshape": lambda T, a, b: a.reshape(-1),
    "view": lambda T, a, b: a.view(-1),
    "view_as": lambda T, a, b: a.view_as(a),
    "unsqueeze": lambda T, a, b: a.unsqueeze(-1),
    "squeeze": lambda T, a, b: a.squeeze(),
    "diagonal": lambda T, a, b: a.diagonal(),
    "narrow": lambda T, a, b: a.narrow(0, 0, 1),
    "unfold": lambda T, a, b: a.unfold(-1, 2, 2),
    "expand": lambda T, a, b: a.expand(2, *a.shape),
    "real": lambda T, a, b: a.real,
    "imag": lambda T, a, b: a.imag,
    "view_as_real": lambda T, a, b: T.view_as_real(a),
    "view_as_complex": lambda T, a, b: T.view_as_complex(a),
    "view of view": lambda T, a, b: a[0:2].transpose(0, -1)[-1:],
    "as_strided": lambda T, a, b: a.as_strided((2,), (1,)) if a.is_contiguous() else a[:1],
    "piece": lambda T, a, b: a.split(1)[0],
}
WRITES = {
    "add_": lambda T, a, b: a.add_(1),
    "mul_": lambda T, a, b: a.mul_(2),
    "div_": lambda T, a, b: a.div_(3),
    "sin_": lambda T, a, b: a.sin_(),
    "tanh_": lambda T, a, b: a.tanh_(),
    "sigmoid_": lambda T, a, b: a.sigmoid_(),
    "exp_": lambda T, a, b: a.mul_(0.2).exp_(),
    "neg_": lambda T, a, b: a.neg_(),
    "pow_": lambda T, a, b: a.pow_(2),
    "relu_": lambda T, a, b: a.relu_(),
    "clamp_": lambda T, a, b: a.clamp_(-0.5, 0.6),
    "zero_": lambda T, a, b: a.zero_(),
    "fill_": lambda T, a, b: a.fill_(0.3),
    "add_ b": lambda T, a, b: a.add_(b),
    "mul_ b": lambda T, a, b: a.mul_(b),
    "copy_ b": lambda T, a, b: a.copy_(b),
    "addcmul_": lambda T, a, b: a.addcmul_(b, b, value=0.5),
    "lerp_": lambda T, a, b: a.lerp_(b, 0.25),
    "a *= a": lambda T, a, b: a.mul_(a),
    "a += a": lambda T, a, b: a.add_(a),
    "[0] = number": lambda T, a, b: a.__setitem__(0, 0.5),
    "[0] = b": lambda T, a, b: a.__setitem__(0, b),
    "[:1] = b": lambda T, a, b: a.__setitem__(slice(0, 1), b),
    "[..., 0] = b": lambda T, a, b: a.__setitem__((..., 0), b),
    "[[0]] = number": lambda T, a, b: a.__setitem__([0], 0.25),
    "[[-1]] = b": lambda T, a, b: a.__setitem__([-1], b),
    "[mask] = number": lambda T, a, b: a.__setitem__(a > 0.4, 0.1),
    "[0] *= b": lambda T, a, b: a[0].mul_(b),
    "[1:] += 1": lambda T, a, b: a[1:].add_(1),
    "t()[0] = b": lambda T, a, b: a.transpose(0, -1).__setitem__(0, b),
    "flat[1] = b": lambda T, a, b: a.view(-1)[1:2].copy_(b),
    "diagonal *= 2": lambda T, a, b: a.diagonal().mul_(2),
    "real *= 2": lambda T, a, b: a.real.mul_(2),
    "imag = b": lambda T, a, b: a.imag.copy_(b),
    "masked_fill_": lambda T, a, b: a.masked_fill_(a > 0.5, 0.2),
    "index_add_": lambda T, a, b: a.index_add_(0, T.tensor([0]), a[:1] * 2),
    "unsqueeze_": lambda T, a, b: a.unsqueeze_(0),
    "transpose_": lambda T, a, b: a.transpose_(0, -1),
    "data add_": lambda T, a, b: a.data.add_(0.1),
    "detach mul_": lambda T, a, b: a.detach().mul_(1.1),
}


def _grad_again(T, a, b):
    (g,) = T.autograd.grad(real(T, a), b, create_graph=True)
    return g


def _backward(T, a, b):
    (a * a.conj()).real.sum().backward(retain_graph=True) if a.dtype.is_complex else real(
        T, a
    ).backward(retain_graph=True)


def _scale(T, a, b):
    a.register_hook(lambda g: g * 0.5)


OTHERS = {
    "grad again": _grad_again,
    "hook": _scale,
    "retain_grad": lambda T, a, b: a.retain_grad(),
    "backward": _backward,
    "backward to b": lambda T, a, b: real(T, a).backward(retain_graph=True, inputs=[b]),
    "free": lambda T, a, b: real(T, a).backward(),
}
TABLE = [
    (kind, name, f)
    for kind, rows, times in (("call", CALLS, 1), ("view", VIEWS, 2), ("write", WRITES, 2), ("other", OTHERS, 1))
    for name, f in rows.items()
    for _ in range(times)
]  # fmt: skip
MADE = {"call", "view"}
LOUD = {
    "unsqueeze_", "transpose_",  # without recording they would change the shapes of leaves
    "contiguous", "conj", "double",  # views, sometimes
}  # fmt: skip

# What PyTorch refuses and works here, or what it says at another place: the rest means nothing.
GIVEN_UP = (
    "single memory location",
    "written-to tensor refer to",
    "is a view and its base or another view",
    "A view was created in no_grad mode",
    "a leaf Variable that requires grad",
    "not implemented for",
    "expected dtype",
    "not supported for complex",
    "not support complex",
    "for complex",
    "with complex",
    "input_is_complex",
    "expected scalar type",
    "storage_offset divisible",
)

steps = st.lists(
    st.tuples(
        st.integers(0, len(TABLE) - 1), st.integers(0, 40), st.integers(0, 40), st.integers(0, 11)
    ),
    min_size=3,
    max_size=14,
)


def leaves(T, shift=None):
    """The leaves that every program starts from, moved by `shift` (arrays) if given."""
    arrays = [
        np.array([[0.1, 0.72, -0.33], [0.4, -0.5, 0.66]]),
        np.array([0.52, -1.5, 0.25]),
        np.array(0.7),
        np.array([[0.2 + 0.5j, -0.3 + 0.1j, 0.7 - 0.4j]]),
    ]
    if shift is not None:
        arrays = [a + s for a, s in zip(arrays, shift, strict=True)]
    return [T.tensor(a, requires_grad=True) for a in arrays]


def numbers(t):
    """The values of a tensor, rounded, as a list."""
    if t is None:
        return None
    a = np.asarray(t.detach().resolve_conj().tolist())
    return (str(t.dtype), tuple(t.shape), a)


def run(T, program, start=None):
    """Run a program; return its log, its values and its leaves."""
    xs = start or leaves(T)
    values = [x * 1 for x in xs] + [T.tensor([[1.0, -2.0, 0.5]], dtype=T.float64), *xs]
    log = []

    def attempt(what, call):
        try:
            result = call()
        except ERRORS as error:
            log.append((what, type(error).__name__, str(error)))
            return None
        log.append((what, "done", ""))
        return result

    def facts(n, v):
        try:
            log.append((f"value {n}", numbers(v), (v.grad_fn is not None, v._version)))
        except RuntimeError as error:
            log.append((f"value {n}", "RuntimeError", str(error)))

    for which, first, second, mode in program:
        kind, name, f = TABLE[which]
        i, k = first % len(values), second % len(values)
        a, b = values[i], values[k]
        # PyTorch says of views made without recording that they require grad, so there are none
        with T.set_grad_enabled(mode != 0 or kind in ("view", "other") or name in LOUD):
            result = attempt((name, i, k, mode == 0), lambda: f(T, a, b))
        if (kind in MADE or name == "grad again") and result is not None:
            values.append(result)
        for n, v in enumerate(values):
            facts(n, v)
    found = attempt("first derivatives", lambda: _first(T, values, xs))
    if found is not None:
        for n, g in enumerate(found):
            log.append((f"gradient {n}", numbers(g), None))
        for n, v in enumerate(values):
            log.append((f"grad {n}", numbers(v.grad), None))
        second = attempt("second derivatives", lambda: _second(T, found, xs))
        for n, g in enumerate(second or ()):
            log.append((f"second {n}", numbers(g), None))
    return log


def loss_of(T, wanted):
    """A real number that all values enter."""
    return sum(real(T, v) * (0.2 * (n + 1)) for n, v in enumerate(wanted))


def _first(T, values, xs):
    wanted = [v for v in values if v.grad_fn is not None]
    return T.autograd.grad(loss_of(T, wanted), xs, create_graph=True, allow_unused=True)


def _second(T, found, xs):
    terms = [real(T, g) * (n + 1) for n, g in enumerate(found) if g is not None and g.requires_grad]
    return T.autograd.grad(sum(terms), xs, allow_unused=True) if terms else None


def same(theirs, ours):
    """True if two entries of the logs agree."""
    if theirs[0] != ours[0] or theirs[2].__class__ is not ours[2].__class__:
        return False
    if theirs[2].__class__ is str:  # an outcome: the type counts, not the words
        return theirs[1] == ours[1] or {theirs[1], ours[1]} <= {
            "IndexError",
            "RuntimeError",
            "TypeError",
            "NotImplementedError",
        }
    a, b = theirs[1], ours[1]
    if (a is None) != (b is None):  # no gradient at all, or one of zeros
        a = b if a is None else a
        return not np.any(np.nan_to_num(a[2]))
    if a is None:
        return theirs[2] == ours[2]
    if a[:2] != b[:2] or theirs[2] != ours[2]:
        return False
    scale = 1 + np.nanmax(np.abs(a[2]), initial=0)
    return np.allclose(a[2], b[2], rtol=1e-6, atol=1e-9 * scale, equal_nan=True)


def disagreement(program):
    """Run a program under both libraries; say where they part, or return None."""
    import torch

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs, ours = run(torch, program), run(wengert, program)
    for k, (t, o) in enumerate(zip(theirs, ours, strict=False)):
        if any(text in str(side[2]) for text in GIVEN_UP for side in (t, o)):
            return None
        if t[1].__class__ is tuple and not np.all(np.abs(np.nan_to_num(t[1][2], nan=1e9)) < 1e6):
            return None  # rounding decides from here on
        if not same(t, o):
            done = [e[0] for e in theirs[:k] if e[2].__class__ is str]
            return f"after {done}:\nPyTorch {t}\nwengert {o}"
    return None


@pytest.mark.torch
@settings(
    max_examples=500, derandomize=True, database=None, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(steps)
def test_programs_do_what_they_do_in_pytorch(program):
    assert disagreement(program) is None, disagreement(program)


SMOOTH = [
    k for k, (kind, name, _) in enumerate(TABLE)
    if kind != "other"
    and name not in {"detach", "data", "float", "relu", "abs", "clamp", "relu_", "clamp_", "data add_", "detach mul_"}
]  # fmt: skip
smooth_steps = st.lists(
    st.tuples(st.sampled_from(SMOOTH), st.integers(0, 40), st.integers(0, 40), st.integers(1, 11)),
    min_size=2,
    max_size=8,
)


def loss_and_values(program, start):
    """The loss of a program with its refused steps left out; None if its values get too large."""
    values = [x * 1 for x in start] + [wengert.tensor([[1.0, -2.0, 0.5]], dtype=wengert.float64)]
    for which, first, second, _ in program:
        kind, _, f = TABLE[which]
        try:
            result = f(wengert, values[first % len(values)], values[second % len(values)])
        except ERRORS:
            continue
        if kind in MADE:
            values.append(result)
    return loss_of(wengert, [v for v in values if v.requires_grad])


@settings(
    max_examples=120, derandomize=True, database=None, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(smooth_steps, st.integers(0, 1000))
def test_gradients_are_differences(program, seed):
    rng = np.random.default_rng(seed)
    way = [
        rng.standard_normal(x.shape) * (1 - 0.7j if x.dtype.is_complex else 1)
        for x in leaves(wengert)
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        start = leaves(wengert)
        loss = loss_and_values(program, start)
        try:
            grads = wengert.autograd.grad(loss, start, allow_unused=True)
        except RuntimeError as error:
            assert "in-place" in str(error) or "inplace" in str(error) or "view" in str(error)
            return
        slope = sum(
            float((g * wengert.tensor(w).conj()).real.sum()) if g.dtype.is_complex else float((g * wengert.tensor(w)).sum())
            for g, w in zip(grads, way, strict=True) if g is not None
        )  # fmt: skip
        ends = [
            float(loss_and_values(program, leaves(wengert, [s * w for w in way])))
            for s in (-2e-6, -1e-6, 1e-6, 2e-6)
        ]
    differences = [(ends[2] - ends[1]) / 2e-6, (ends[3] - ends[0]) / 4e-6]
    if not abs(loss.item()) < 1e4 or abs(differences[0] - differences[1]) > 1e-5 * (1 + abs(slope)):
        return  # too steep, or a step (a mask, a maximum) that lies between the ends
    assert slope == pytest.approx(differences[0], rel=1e-4, abs=1e-4)


def shrunk(program):
    """Leave out steps as long as the disagreement stays."""
    k = 0
    while k < len(program):
        shorter = program[:k] + program[k + 1 :]
        if disagreement(shorter):
            program = shorter
        else:
            k += 1
    return program


def main(count: int, seed: int) -> None:
    """Run many programs by hand and print every disagreement, shrunk."""
    found: dict[str, int] = {}
    for k in range(seed, seed + count):
        rng = random.Random(k)
        program = [
            (rng.randrange(len(TABLE)), rng.randrange(41), rng.randrange(41), rng.randrange(12))
            for _ in range(rng.randint(4, 16))
        ]
        if disagreement(program):
            program = shrunk(program)
            key = " ".join(sorted({TABLE[s[0]][1] for s in program}))
            found[key] = found.get(key, 0) + 1
            if found[key] == 1:
                print(f"--- seed {k}: {disagreement(program)}\n", flush=True)
    print(sum(found.values()), "disagreements in", count, "programs")


if __name__ == "__main__" and importlib.util.find_spec("torch"):
    main(int(sys.argv[1]), int(sys.argv[2]))
