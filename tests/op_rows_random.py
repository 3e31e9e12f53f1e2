"""Rows of random fills and draws, made repeatable by a generator that every call seeds anew."""

from wengert.testing.grid import Input, Row

A = (2, 3)
CONSTANT = dict.fromkeys(
    ("first_order", "second_order", "forward_mode"),
    "PyTorch defines the derivative as zero, although the value moves with the parameter",
)
LAYOUT = {"memory_layouts": "memory is filled in its own order, as in PyTorch"}
NARROW = dict.fromkeys(("memory_layouts", "single_precision"), "the dtype decides how many numbers are drawn")


STEERED = dict.fromkeys(
    ("vmap", "vmap_of_grad", "grad_of_vmap"),
    "numbers that tensors steer can't be the same for all examples, as in PyTorch; tests/test_func_vmap.py",
)


def seeded(T):
    return T.Generator().manual_seed(1)


def fill(name, call, torch=True):
    """A row of an in-place method: the result forgets what was there."""
    f = lambda T, x: call(x.clone(), seeded(T))
    g = lambda T, x: call(x, seeded(T))
    return Row(name, f, [Input(A)], inplace=g, torch=torch, gaps=LAYOUT)


ROWS = [
    fill("uniform_", lambda x, g: x.uniform_(-1, 2, generator=g)),
    fill("normal_", lambda x, g: x.normal_(0.5, 2, generator=g)),
    fill("random_", lambda x, g: x.random_(generator=g)),
    fill("random_to_", lambda x, g: x.random_(9, generator=g)),
    fill("random_from_to_", lambda x, g: x.random_(3, 9, generator=g)),
    fill("bernoulli_", lambda x, g: x.bernoulli_(0.3, generator=g)),
    fill("bernoulli_each_", lambda x, g: x.bernoulli_(x.new_full((3,), 0.3), generator=g)),
    fill("exponential_", lambda x, g: x.exponential_(2, generator=g)),
    fill("geometric_", lambda x, g: x.geometric_(0.3, generator=g)),
    fill("log_normal_", lambda x, g: x.log_normal_(generator=g)),
    fill("cauchy_", lambda x, g: x.cauchy_(generator=g)),
    Row("bernoulli", lambda T, x: T.bernoulli(x, generator=seeded(T)), [Input(A, "open")], gaps=NARROW | STEERED),
    Row("normal_of_mean", lambda T, x: T.normal(x, 1.0, generator=seeded(T)), [Input(A)], gaps=CONSTANT | STEERED, forward=False),
    Row("normal_of_std", lambda T, x: T.normal(0.0, x, generator=seeded(T)), [Input(A, "positive")], gaps=CONSTANT | STEERED, forward=False),
    Row("normal_of_both", lambda T, x, y: T.normal(x, y, generator=seeded(T)), [Input(A), Input(A, "positive")],
        gaps=CONSTANT | STEERED, forward=False),
]
