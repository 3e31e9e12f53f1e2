"""Evaluates one expression in wengert and in PyTorch and says how the outcomes differ.

The expressions stand in the tests as text, so that a failing one can be pasted into either library.
"""

from __future__ import annotations

import warnings

import numpy as np

import wengert

REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError)


def names(torch, leaves=False):
    """What an expression may use: some tensors, indices and masks, and helpers that write."""
    i = torch.tensor
    made = {"torch": torch, "np": np, "i": i, "sl": slice}
    data = np.random.RandomState(3)
    for name, shape in {
        "x": (2, 3), "w": (2, 3), "q": (2, 3, 4), "v": (3,), "s": (), "m": (3, 3), "o": (1, 3, 1),
        "b": (4, 5), "e": (0, 3), "u": (2,),
    }.items():  # fmt: skip
        made[name] = torch.tensor(data.random_sample(shape), requires_grad=leaves)
    made["n"] = torch.arange(6).view(2, 3)
    made["c"] = torch.tensor(data.random_sample((2, 3)) + 1j * data.random_sample((2, 3)))
    made["li"] = i([0, 2])
    made["big"], made["neg"] = i([0, 5]), i([0, -1])
    made["mask"] = i([True, False, True])

    def put(t, key, value):
        """Assign, and return what was assigned to."""
        t = t * 1
        t[key] = value
        return t

    def run(t, name, *args):
        """Call an in-place method on a copy and return the copy."""
        t = t * 1
        getattr(t, name)(*args)
        return t

    def then(t, f):
        """Do something to a copy and return the copy."""
        t = t * 1
        f(t)
        return t

    return {**made, "put": put, "run": run, "then": then}


def array(t):
    """The numbers of a tensor of either library."""
    if not isinstance(t, wengert.Tensor):
        t = t.resolve_conj().resolve_neg()
    return t.detach().numpy()


def several(result):
    """The results of a call as a list."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def outcome(expression, torch):
    """("value", ...) with dtypes, shapes and numbers, or ("error", type, text)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = eval(expression, names(torch))
        except REFUSALS as error:
            return "error", type(error).__name__, str(error)
    out = []
    for r in several(result):
        if isinstance(r, torch.Tensor):
            out.append((str(r.dtype), tuple(r.shape), array(r)))
        else:
            out.append(repr(r))
    return "value", type(result).__name__ == "tuple", out


def assert_alike(expression, torch, words=28):
    """Check that both libraries give the same values or refuse with the same first words."""
    ours, theirs = outcome(expression, wengert), outcome(expression, torch)
    assert ours[:2] == theirs[:2], f"{expression}: {ours} instead of {theirs}"
    if ours[0] == "error":
        assert ours[2].startswith(theirs[2][:words]), f"{expression}: {ours[2]!r}, not {theirs[2]!r}"
        return
    assert len(ours[2]) == len(theirs[2]), expression
    for mine, its in zip(ours[2], theirs[2], strict=True):
        if isinstance(mine, tuple):
            assert mine[:2] == its[:2], f"{expression}: {mine[:2]} instead of {its[:2]}"
            np.testing.assert_allclose(mine[2], its[2], rtol=1e-12, err_msg=expression)
        else:
            assert mine == its, f"{expression}: {mine} instead of {its}"


def gradients(expression, torch):
    """Values, first derivatives (recorded, and by backward) and second derivatives of a loss."""
    collected = []
    for recorded in (True, False):
        space = names(torch, leaves=True)
        leaves = [t for t in space.values() if isinstance(t, torch.Tensor) and t.requires_grad]
        weights = np.random.RandomState(5)
        loss, values = 0, several(eval(expression, space))
        for y in values:
            g = torch.tensor(weights.random_sample(tuple(y.shape)))
            loss = loss + (y * y * g + y * g).sum()
        if not recorded:
            loss.backward()
            collected += [t.grad for t in leaves]
            continue
        first = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        flat = [(g * g * g).sum() for g in first if g is not None and g.requires_grad]
        collected += [*values, *first]
        if flat:
            collected += torch.autograd.grad(sum(flat), leaves, allow_unused=True)
    return [None if t is None else array(t) for t in collected]


def assert_gradients_alike(expression, torch):
    """Check values, first and second derivatives against PyTorch's; None counts as zeros."""
    ours, theirs = gradients(expression, wengert), gradients(expression, torch)
    assert len(ours) == len(theirs), expression
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a is None and b is None:
            continue
        a = np.zeros_like(b) if a is None else a
        b = np.zeros_like(a) if b is None else b
        assert a.shape == b.shape, f"{expression}, item {k}: {a.shape} instead of {b.shape}"
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=f"{expression}, item {k}")
