"""`grad_fn` names are PyTorch's (contract 2.18): the name that prints, and the nodes below it.

The second column is what PyTorch shows: the node of the result, then in parentheses the nodes between it
and the leaves. NODE_BELOW_DIFFERS lists the rows where wengert splits a call into other nodes than PyTorch
does; the name that prints is PyTorch's for those too.
"""

from __future__ import annotations

import pytest
from against import REAL, chain, torch

F = torch.nn.functional


def matrix():
    return torch.tensor([[0.1, 0.7, 0.4], [0.9, 0.2, 0.6], [0.3, 0.8, 0.5]], requires_grad=True)


x, y = matrix(), matrix()
v = torch.tensor([0.2, 0.4, 0.6], requires_grad=True)
b3 = torch.ones(2, 3, 3, requires_grad=True)
index = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 1, 1]])
mask = x.detach() > 0.5
target = torch.tensor([0, 2, 1])
ones = torch.ones(3, 3)


def changed(make, change):
    """A result `make()` after an in-place call on it."""
    t = make()
    change(t)
    return t


def assign(t, key, value):
    t[key] = value


ROWS = {
    # arithmetic
    "-x": (lambda: -x, "NegBackward0"),
    "x+y": (lambda: x + y, "AddBackward0"),
    "x+1": (lambda: x + 1, "AddBackward0"),
    "1+x": (lambda: 1 + x, "AddBackward0"),
    "x-y": (lambda: x - y, "SubBackward0"),
    "x-1": (lambda: x - 1, "SubBackward0"),
    "1-x": (lambda: 1 - x, "RsubBackward1"),
    "x*y": (lambda: x * y, "MulBackward0"),
    "2*x": (lambda: 2 * x, "MulBackward0"),
    "x/y": (lambda: x / y, "DivBackward0"),
    "x/2": (lambda: x / 2, "DivBackward0"),
    "1/x": (lambda: 1 / x, "MulBackward0(ReciprocalBackward0)"),
    "x%2": (lambda: x % 2, "RemainderBackward0"),
    "fmod": (lambda: x.fmod(2), "FmodBackward0"),
    "x**2": (lambda: x**2, "PowBackward0"),
    "x**y": (lambda: x**y, "PowBackward1"),
    "2**x": (lambda: 2**x, "PowBackward2"),
    "abs": (lambda: x.abs(), "AbsBackward0"),
    "addcmul": (lambda: x.addcmul(x, y), "AddcmulBackward0"),
    "addcdiv": (lambda: x.addcdiv(x, y), "AddcdivBackward0"),
    "lerp": (lambda: x.lerp(y, 0.5), "LerpBackward0"),
    "lerp tensor": (lambda: x.lerp(y, y), "LerpBackward1"),
    "reciprocal": (lambda: x.reciprocal(), "ReciprocalBackward0"),
    "square": (lambda: x.square(), "PowBackward0"),
    "sqrt": (lambda: x.sqrt(), "SqrtBackward0"),
    "rsqrt": (lambda: x.rsqrt(), "RsqrtBackward0"),
    "div floor": (lambda: x.div(y, rounding_mode="floor"), "DivBackward2"),
    "sub alpha": (lambda: x.sub(y, alpha=2), "SubBackward0"),
    "float_power": (lambda: x.float_power(2), "PowBackward0(ToCopyBackward0)"),
    # exponentials, trigonometry
    "exp": (lambda: x.exp(), "ExpBackward0"),
    "exp2": (lambda: x.exp2(), "Exp2Backward0"),
    "expm1": (lambda: x.expm1(), "Expm1Backward0"),
    "log": (lambda: x.log(), "LogBackward0"),
    "log2": (lambda: x.log2(), "Log2Backward0"),
    "log10": (lambda: x.log10(), "Log10Backward0"),
    "log1p": (lambda: x.log1p(), "Log1PBackward0"),
    "logaddexp": (lambda: x.logaddexp(y), "LogaddexpBackward0"),
    "sin": (lambda: x.sin(), "SinBackward0"),
    "cos": (lambda: x.cos(), "CosBackward0"),
    "tan": (lambda: x.tan(), "TanBackward0"),
    "asin": (lambda: x.asin(), "AsinBackward0"),
    "acos": (lambda: x.acos(), "AcosBackward0"),
    "atan": (lambda: x.atan(), "AtanBackward0"),
    "sinh": (lambda: x.sinh(), "SinhBackward0"),
    "cosh": (lambda: x.cosh(), "CoshBackward0"),
    "tanh": (lambda: x.tanh(), "TanhBackward0"),
    "asinh": (lambda: x.asinh(), "AsinhBackward0"),
    "acosh": (lambda: (x + 1).acosh(), "AcoshBackward0(AddBackward0)"),
    "atanh": (lambda: x.atanh(), "AtanhBackward0"),
    "atan2": (lambda: x.atan2(y), "Atan2Backward0"),
    "hypot": (lambda: x.hypot(y), "HypotBackward0"),
    "sigmoid": (lambda: x.sigmoid(), "SigmoidBackward0"),
    "erf": (lambda: x.erf(), "ErfBackward0"),
    # rounding, clamping, choosing
    "floor": (lambda: x.floor(), "FloorBackward0"),
    "ceil": (lambda: x.ceil(), "CeilBackward0"),
    "round": (lambda: x.round(), "RoundBackward0"),
    "trunc": (lambda: x.trunc(), "TruncBackward0"),
    "frac": (lambda: x.frac(), "FracBackward0"),
    "sign": (lambda: x.sign(), "SignBackward0"),
    "clamp": (lambda: x.clamp(0, 1), "ClampBackward1"),
    "clamp_min": (lambda: x.clamp(min=0), "ClampBackward1"),
    "clamp_max": (lambda: x.clamp(max=1), "ClampBackward1"),
    "maximum": (lambda: x.maximum(y), "MaximumBackward0"),
    "minimum": (lambda: x.minimum(y), "MinimumBackward0"),
    "fmax": (lambda: x.fmax(y), "FmaxBackward0"),
    "fmin": (lambda: x.fmin(y), "FminBackward0"),
    "where": (lambda: torch.where(mask, x, y), "WhereBackward0"),
    # reductions
    "sum": (lambda: x.sum(), "SumBackward0"),
    "sum dim": (lambda: x.sum(0), "SumBackward1"),
    "mean": (lambda: x.mean(), "MeanBackward0"),
    "mean dim": (lambda: x.mean(0), "MeanBackward1"),
    "prod": (lambda: x.prod(), "ProdBackward0"),
    "prod dim": (lambda: x.prod(0), "ProdBackward1"),
    "max": (lambda: x.max(), "MaxBackward1"),
    "max dim": (lambda: x.max(0)[0], "MaxBackward0"),
    "min": (lambda: x.min(), "MinBackward1"),
    "min dim": (lambda: x.min(0)[0], "MinBackward0"),
    "amax": (lambda: x.amax(), "AmaxBackward0"),
    "amax dim": (lambda: x.amax(0), "AmaxBackward0"),
    "amin": (lambda: x.amin(), "AminBackward0"),
    "median": (lambda: x.median(), "MedianBackward0"),
    "median dim": (lambda: x.median(0)[0], "MedianBackward1"),
    "std": (lambda: x.std(), "StdBackward0"),
    "std dim": (lambda: x.std(0), "StdBackward0"),
    "var": (lambda: x.var(), "VarBackward0"),
    "norm": (lambda: x.norm(), "LinalgVectorNormBackward0"),
    "norm dim": (lambda: x.norm(dim=0), "LinalgVectorNormBackward0"),
    "logsumexp": (lambda: x.logsumexp(0), "LogsumexpBackward0"),
    "cumsum": (lambda: x.cumsum(0), "CumsumBackward0"),
    "cumprod": (lambda: x.cumprod(0), "CumprodBackward0"),
    "sort": (lambda: x.sort()[0], "SortBackward0"),
    "topk": (lambda: x.topk(2)[0], "TopkBackward0"),
    "trace": (lambda: x.trace(), "TraceBackward0"),
    # shapes
    "view": (lambda: x.view(9), "ViewBackward0"),
    "view_as": (lambda: x.view_as(torch.ones(9)), "ViewBackward0"),
    "reshape": (lambda: x.reshape(9), "ViewBackward0"),
    "reshape copy": (lambda: x.t().reshape(9), "UnsafeViewBackward0(CloneBackward0(TBackward0))"),
    "flatten": (lambda: x.flatten(), "ViewBackward0"),
    "ravel": (lambda: x.ravel(), "ViewBackward0"),
    "unflatten": (lambda: x.unflatten(0, (3, 1)), "ViewBackward0"),
    "t": (lambda: x.t(), "TBackward0"),
    "T": (lambda: x.T, "PermuteBackward0"),
    "mT": (lambda: x.mT, "TransposeBackward0"),
    "transpose": (lambda: x.transpose(0, 1), "TransposeBackward0"),
    "swapaxes": (lambda: x.swapaxes(0, 1), "TransposeBackward0"),
    "permute": (lambda: x.permute(1, 0), "PermuteBackward0"),
    "movedim": (lambda: x.movedim(0, 1), "PermuteBackward0"),
    "squeeze": (lambda: x.unsqueeze(0).squeeze(), "SqueezeBackward0(UnsqueezeBackward0)"),
    "squeeze dim": (lambda: x.unsqueeze(0).squeeze(0), "SqueezeBackward1(UnsqueezeBackward0)"),
    "unsqueeze": (lambda: x.unsqueeze(0), "UnsqueezeBackward0"),
    "expand": (lambda: x.expand(2, 3, 3), "ExpandBackward0"),
    "broadcast_to": (lambda: x.broadcast_to(2, 3, 3), "ExpandBackward0"),
    "repeat": (lambda: x.repeat(2, 1), "RepeatBackward0"),
    "tile": (lambda: x.tile(2, 1), "RepeatBackward0"),
    "cat": (lambda: torch.cat([x, y]), "CatBackward0"),
    "stack": (lambda: torch.stack([x, y]), "StackBackward0"),
    "hstack": (lambda: torch.hstack([x, y]), "CatBackward0"),
    "split": (lambda: x.split(1)[0], "SplitBackward0"),
    "chunk": (lambda: x.chunk(3)[0], "SplitBackward0"),
    "unbind": (lambda: x.unbind()[0], "UnbindBackward0"),
    "flip": (lambda: x.flip(0), "FlipBackward0"),
    "roll": (lambda: x.roll(1), "RollBackward0"),
    "tril": (lambda: x.tril(), "TrilBackward0"),
    "triu": (lambda: x.triu(), "TriuBackward0"),
    "diag (1d)": (lambda: v.diag(), "DiagEmbedBackward0"),
    "diag (2d)": (lambda: x.diag(), "DiagonalBackward0_copy"),
    "diagonal": (lambda: x.diagonal(), "DiagonalBackward0"),
    "unfold": (lambda: x.unfold(0, 2, 1), "UnfoldBackward0"),
    "clone": (lambda: x.clone(), "CloneBackward0"),
    "contiguous": (lambda: x.t().contiguous(), "CloneBackward0(TBackward0)"),
    "to double": (lambda: x.double(), "ToCopyBackward0"),
    "type_as": (lambda: x.type_as(torch.ones(1, dtype=torch.float64)), "ToCopyBackward0"),
    # indexing
    "x[0]": (lambda: x[0], "SelectBackward0"),
    "x[1:]": (lambda: x[1:], "SliceBackward0"),
    "x[0][0:3]": (lambda: x[0][0:3], "SliceBackward0(SelectBackward0)"),
    "x[:, 1]": (lambda: x[:, 1], "SelectBackward0"),
    "x[..., 0]": (lambda: x[..., 0], "SelectBackward0"),
    "x[None]": (lambda: x[None], "UnsqueezeBackward0"),
    "x[idx]": (lambda: x[target], "IndexBackward0"),
    "x[mask]": (lambda: x[mask], "IndexBackward0"),
    "x[1, 2]": (lambda: x[1, 2], "SelectBackward0(SelectBackward0)"),
    "narrow": (lambda: x.narrow(0, 0, 2), "SliceBackward0"),
    "index_select": (lambda: x.index_select(0, target), "IndexSelectBackward0"),
    "masked_select": (lambda: x.masked_select(mask), "MaskedSelectBackward0"),
    "gather": (lambda: x.gather(0, index), "GatherBackward0"),
    "take": (lambda: x.take(target), "TakeBackward0"),
    "scatter": (lambda: x.scatter(0, index, ones), "ScatterBackward0"),
    "scatter_add": (lambda: x.scatter_add(0, index, ones), "ScatterAddBackward0"),
    "index_add": (lambda: x.index_add(0, target, ones), "IndexAddBackward0"),
    "index_fill": (lambda: x.index_fill(0, target, 1.0), "IndexFillBackward0"),
    "masked_fill": (lambda: x.masked_fill(mask, 0.0), "MaskedFillBackward0"),
    # products
    "x@y": (lambda: x @ y, "MmBackward0"),
    "x@v": (lambda: x @ v, "MvBackward0"),
    "v@x": (lambda: v @ x, "SqueezeBackward4(MmBackward0(UnsqueezeBackward0))"),
    "v@v": (lambda: v @ v, "DotBackward0"),
    "b3@x": (lambda: b3 @ x, "UnsafeViewBackward0(MmBackward0(ViewBackward0))"),
    "b3@b3": (
        lambda: b3 @ b3,
        "UnsafeViewBackward0(BmmBackward0(ViewBackward0(ExpandBackward0), ViewBackward0(ExpandBackward0)))",
    ),
    "mm": (lambda: x.mm(y), "MmBackward0"),
    "mv": (lambda: x.mv(v), "MvBackward0"),
    "dot": (lambda: v.dot(v), "DotBackward0"),
    "outer": (lambda: v.outer(v), "MulBackward0(ViewBackward0)"),
    "bmm": (lambda: b3.bmm(b3), "BmmBackward0"),
    "addmm": (lambda: x.addmm(x, y), "AddmmBackward0"),
    "baddbmm": (lambda: b3.baddbmm(b3, b3), "BaddbmmBackward0"),
    "linear": (lambda: F.linear(x, y, v), "AddmmBackward0(TBackward0)"),
    "linear without bias": (lambda: F.linear(x, y), "MmBackward0(TBackward0)"),
    "linear 3d": (
        lambda: F.linear(b3, y, v),
        "ViewBackward0(AddmmBackward0(ViewBackward0, TBackward0))",
    ),
    # activations and losses
    "relu": (lambda: x.relu(), "ReluBackward0"),
    "leaky_relu": (lambda: F.leaky_relu(x), "LeakyReluBackward0"),
    "elu": (lambda: F.elu(x), "EluBackward0"),
    "selu": (lambda: F.selu(x), "EluBackward0"),
    "gelu": (lambda: F.gelu(x), "GeluBackward0"),
    "silu": (lambda: F.silu(x), "SiluBackward0"),
    "softplus": (lambda: F.softplus(x), "SoftplusBackward0"),
    "logsigmoid": (lambda: F.logsigmoid(x), "LogSigmoidBackward0"),
    "softmax": (lambda: x.softmax(0), "SoftmaxBackward0"),
    "log_softmax": (lambda: x.log_softmax(0), "LogSoftmaxBackward0"),
    "layer_norm": (lambda: F.layer_norm(x, (3,)), "NativeLayerNormBackward0"),
    "batch_norm": (
        lambda: F.batch_norm(x, None, None, training=True),
        "NativeBatchNormBackward0",
    ),
    "embedding": (lambda: F.embedding(target, x), "EmbeddingBackward0"),
    "dropout": (lambda: F.dropout(x), "MulBackward0"),
    "mse_loss": (lambda: F.mse_loss(x, ones), "MseLossBackward0"),
    "mse none": (lambda: F.mse_loss(x, ones, reduction="none"), "MseLossBackward0"),
    "l1_loss": (lambda: F.l1_loss(x, ones), "MeanBackward0(AbsBackward0(SubBackward0))"),
    "smooth_l1_loss": (lambda: F.smooth_l1_loss(x, ones), "SmoothL1LossBackward0"),
    "bce": (lambda: F.binary_cross_entropy(x, ones), "BinaryCrossEntropyBackward0"),
    "bce_with_logits": (
        lambda: F.binary_cross_entropy_with_logits(x, ones),
        "BinaryCrossEntropyWithLogitsBackward0",
    ),
    "nll_loss": (lambda: F.nll_loss(x, target), "NllLossBackward0"),
    "cross_entropy": (lambda: F.cross_entropy(x, target), "NllLossBackward0(LogSoftmaxBackward0)"),
    "kl_div": (
        lambda: F.kl_div(x, ones, reduction="sum"),
        "SumBackward0(SubBackward0(MulBackward0))",
    ),
    # in place
    "add_": (lambda: changed(x.clone, lambda t: t.add_(1)), "AddBackward0(CloneBackward0)"),
    "mul_": (lambda: changed(x.clone, lambda t: t.mul_(2)), "MulBackward0(CloneBackward0)"),
    "relu_": (lambda: changed(x.clone, lambda t: t.relu_()), "ReluBackward0(CloneBackward0)"),
    "zero_": (lambda: changed(x.clone, lambda t: t.zero_()), "ZeroBackward0(CloneBackward0)"),
    "fill_": (lambda: changed(x.clone, lambda t: t.fill_(1.0)), "FillBackward2(CloneBackward0)"),
    "setitem": (
        lambda: changed(x.clone, lambda t: assign(t, 0, 1.0)),
        "CopySlices(CloneBackward0)",
    ),
    "setitem idx": (
        lambda: changed(x.clone, lambda t: assign(t, target, 1.0)),
        "IndexPutBackward0(CloneBackward0)",
    ),
    "copy_": (lambda: changed(lambda: torch.zeros(3, 3), lambda t: t.copy_(x)), "CopyBackwards"),
    "view in place": (
        lambda: changed(x.clone, lambda t: t[0].mul_(2)),
        "CopySlices(CloneBackward0)",
    ),
    # complex
    "abs complex": (lambda: torch.complex(x, y).abs(), "AbsBackward0(ComplexBackward0)"),
    "real": (
        lambda: torch.complex(x, y).real,
        "SelectBackward0(ViewAsRealBackward0(ComplexBackward0))",
    ),
    "conj": (lambda: torch.complex(x, y).conj(), "ConjBackward0(ComplexBackward0)"),
    # no node
    "eq": (lambda: x == y, "None"),
    "argmax": (lambda: x.argmax(), "None"),
    "long": (lambda: x.long(), "None"),
    "detach": (lambda: x.detach(), "None"),
}

NODE_BELOW_DIFFERS = {
    "sub alpha",  # alpha is a multiplication of its own
    "x[1, 2]",  # any basic index is one node
    "v@x",  # products of any rank are one node each
    "b3@x",
    "b3@b3",
    "outer",
    "linear",  # the weight is used as it is, not through a transposed view
    "linear without bias",
    "linear 3d",
}


@pytest.mark.parametrize("name", ROWS)
def test_printed_name(name):
    make, expected = ROWS[name]
    result = make()
    assert type(result.grad_fn).__name__.replace("NoneType", "None") == expected.partition("(")[0]
    if result.grad_fn is not None:
        assert f"grad_fn=<{expected.partition('(')[0]}>" in repr(result)


@pytest.mark.parametrize("name", [n for n in ROWS if REAL or n not in NODE_BELOW_DIFFERS])
def test_nodes_below(name):
    make, expected = ROWS[name]
    assert chain(make().grad_fn) == expected


@pytest.mark.wengert_only
def test_the_list_of_differences_is_true():
    for name in NODE_BELOW_DIFFERS:
        make, expected = ROWS[name]
        assert chain(make().grad_fn) != expected, name


def test_custom_functions_are_named_after_their_class():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            return t * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    z = Twice.apply(x)
    assert type(z.grad_fn).__name__ == "TwiceBackward"
    assert "grad_fn=<TwiceBackward>" in repr(z)
    assert z.grad_fn.name() == "TwiceBackward"
    assert repr(z.grad_fn).startswith("<torch.autograd.function.TwiceBackward object at 0x")


def test_names_survive_the_tensor():
    node = (x * 2).sum().grad_fn
    assert repr(node).startswith("<SumBackward0 object at 0x")
    assert node.name() == "SumBackward0"
    assert str(node) == repr(node)
