"""Custom functions: what forward marks (dirty, not differentiable), views and fresh outputs."""

from __future__ import annotations

from against import leaf, raises, torch

Function = torch.autograd.Function


class Double_(Function):
    """Doubles its argument in place."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 2


def test_A_122_a_dirty_input_comes_back_as_itself():
    x = leaf(3)
    z = x * 3
    y = Double_.apply(z)
    assert y is z
    assert z._version == 2  # the write inside, and the mark
    assert type(z.grad_fn).__name__ == "Double_Backward"
    assert type(z.grad_fn.next_functions[0][0]).__name__ == "MulBackward0"
    z.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]


def test_A_122_a_dirty_view_changes_the_history_of_its_base():
    x = leaf(3)
    b = x * 3
    v = b[:2]
    assert Double_.apply(v) is v
    assert type(b.grad_fn).__name__ == "CopySlices"
    b.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 3.0]


def test_A_122_dirty_leaves_are_refused():
    with raises(
        RuntimeError, "a leaf Variable that requires grad has been used in an in-place operation."
    ):
        Double_.apply(leaf(2))
    with raises(
        RuntimeError,
        "a view of a leaf Variable that requires grad is being used in an in-place operation.",
    ):
        Double_.apply(leaf(3)[:2])


def test_A_122_dirty_inputs_must_be_returned():
    class Keeps(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x * 1

    with raises(
        RuntimeError,
        "Some elements marked as dirty during the forward method were not returned as output. The "
        "inputs that are modified inplace must all be outputs of the Function.",
    ):
        Keeps.apply(leaf(2) * 1)


def test_A_122_dirty_without_gradients():
    z = torch.ones(2)
    assert Double_.apply(z) is z
    assert z.tolist() == [2.0, 2.0]
    assert not z.requires_grad


def test_A_122_a_dirty_input_among_several_outputs():
    class AddTo(Function):
        @staticmethod
        def forward(ctx, x, y):
            x.add_(y)
            ctx.mark_dirty(x)
            return x, y * 2

        @staticmethod
        def backward(ctx, g, h):
            return g, g + 2 * h

    y = leaf(3)
    z = leaf(3) * 1
    a, b = AddTo.apply(z, y)
    assert a is z
    assert a.grad_fn is b.grad_fn
    (a.sum() + b.sum()).backward()
    assert y.grad.tolist() == [3.0, 3.0, 3.0]


def test_A_123_non_differentiable_outputs():
    seen = []

    class Marked(Function):
        @staticmethod
        def forward(ctx, x):
            a, b, c = x * 2, x > 0, x * 3
            ctx.mark_non_differentiable(b, c)
            return a, b, c

        @staticmethod
        def backward(ctx, *grads):
            seen.append([g.tolist() for g in grads])
            return grads[0] * 2

    a, b, c = Marked.apply(leaf(2))
    assert (a.requires_grad, b.requires_grad, c.requires_grad) == (True, False, False)
    a.sum().backward()
    assert seen == [[[1.0, 1.0], [False, False], [0.0, 0.0]]]


def test_A_123_integer_outputs_are_not_differentiable():
    class Where(Function):
        @staticmethod
        def forward(ctx, x):
            return x.argmax(), x * 2

        @staticmethod
        def backward(ctx, g, h):
            return h * 2

    index, y = Where.apply(leaf(3))
    assert not index.requires_grad
    assert y.requires_grad


def test_A_124_gradients_need_not_be_materialized():
    seen = []

    class Bare(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g is None, h is None))
            return g * 2

    Bare.apply(leaf(2))[0].sum().backward()
    assert seen == [(False, True)]


def test_A_126_an_input_returned_as_it_is_becomes_a_view():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    x = leaf(2)
    y = Same.apply(x)
    assert y is not x
    assert y._base is x
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    with raises(
        RuntimeError,
        "Output 0 of Same is a view and is being modified inplace. This view was created inside a "
        "custom Function (or because an input was returned as-is)",
        "You can fix this by cloning the output of the custom Function.",
    ):
        y.add_(1)


def test_A_126_views_made_inside_are_not_written_either():
    class Head(Function):
        @staticmethod
        def forward(ctx, x):
            return x[:2]

        @staticmethod
        def backward(ctx, g):
            return torch.cat([g, g[:1] * 0])

    class Halves(Function):
        @staticmethod
        def forward(ctx, x):
            return x[:2], x[2:]

        @staticmethod
        def backward(ctx, g, h):
            return torch.cat([g, h])

    with raises(RuntimeError, "Output 0 of Head is a view", "created inside a custom Function"):
        Head.apply(leaf(3) * 1).add_(1)
    with raises(
        RuntimeError,
        "Output 1 of Halves is a view and is being modified inplace. This view is the output of a "
        "function that returns multiple views.",
    ):
        Halves.apply(leaf(3) * 1)[1].add_(1)


def test_A_126_fresh_outputs_may_be_written():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            return g + 2 * h

    x = leaf(2)
    a, b = Two.apply(x)
    a.add_(1)
    (a * b).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
