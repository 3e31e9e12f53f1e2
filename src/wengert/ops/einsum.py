"""Sums of products over named dims: einsum, tensordot, inner, kron.

Everything becomes a sequence of `contract` calls: two operands, whose dims carry labels; the labels
of both that the result lacks are summed. Its two derivatives are contractions again.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ..core.define import primitive
from ..core.op import TENSORS as T
from ..core.registry import public
from ..core.tensor import Tensor
from ..kernels import linalg as k
from ..kernels.dims import shown, wrap_dim
from .reduce import checked


def _contract_batch(op: Any, xs: list, on: list, params: tuple) -> Any:
    """The batch gets a label of its own, the first of the result."""
    lx, ly, lo = params
    label = -1
    while label in lx or label in ly or label in lo:
        label -= 1
    x, y = xs
    return contract(x, y, (label, *lx) if on[0] else lx, (label, *ly) if on[1] else ly, (label, *lo))


contract = primitive(
    "bilinear", "contract(x, y, *, lx, ly, lo)", k.contract,
    batch=_contract_batch,
    x=lambda xp, g, y, lx, ly, lo: xp.contract(g, y, lo, ly, lx),
    y=lambda xp, g, x, lx, ly, lo: xp.contract(x, g, lx, lo, ly),
    # PyTorch multiplies where nothing is summed, and views the result of bmm elsewhere
    node=lambda rest: "ViewBackward0" if {*rest[0], *rest[1]} - {*rest[2]} else "MulBackward0",
)  # fmt: skip


# ------------------------------------------------------------------- the equation
_ELLIPSIS = "."
_plans: dict[Any, Any] = {}


def _letters(part: str, operand: int | None) -> list[str]:
    """Split one term of the equation into labels; an ellipsis becomes one "."."""
    out: list[str] = []
    k = 0
    while k < len(part):
        c = part[k]
        if c == ".":
            where = "the output" if operand is None else f"operand {operand}"
            if part[k : k + 3] != "...":
                raise RuntimeError(
                    f"einsum(): found '.' for {where} that is not part of any ellipsis"
                )
            if _ELLIPSIS in out:
                raise RuntimeError(
                    f"einsum(): found '.' for {where} for which an ellipsis was already found"
                )
            out.append(_ELLIPSIS)
            k += 3
            continue
        if not (c.isascii() and c.isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {k} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
        out.append(c)
        k += 1
    return out


def _parse(equation: str) -> tuple[list[list[str]], list[str] | None]:
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = [_letters(part, k) for k, part in enumerate(left.split(","))]
    return terms, _letters(right, None) if arrow else None


def _from_lists(args: tuple) -> tuple[list[Tensor], list[list[str]], list[str] | None]:
    """Read einsum(a, [0, 1], b, [1, 2], [0, 2])."""

    def labels(subs: Any) -> list[str]:
        out = []
        for s in subs:
            if s is Ellipsis:
                out.append(_ELLIPSIS)
            elif isinstance(s, int) and 0 <= s < 52:
                out.append(chr(s + (65 if s < 26 else 71)))
            else:
                raise ValueError(
                    "einsum(): subscript in subscript list is not within the valid range [0, 52)"
                )
        return out

    operands, terms = (
        list(args[: len(args) // 2 * 2 : 2]),
        [labels(s) for s in args[1 : len(args) // 2 * 2 : 2]],
    )
    return operands, terms, labels(args[-1]) if len(args) % 2 else None


def _labelled(
    terms: list[list[str]], output: list[str] | None, shapes: tuple
) -> tuple[list[list[Any]], list[Any], dict[Any, int]]:
    """Give every dim a label: letters, and numbers for what an ellipsis covers, from the right.

    Returns the labels of the operands, those of the result, and the size of each.
    """
    if len(terms) < len(shapes):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    if len(terms) > len(shapes):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    labels: list[list[Any]] = []
    sizes: dict[Any, int] = {}
    covered = 0
    for op, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = len(term) - (_ELLIPSIS in term)
        extra = len(shape) - named
        if (extra and _ELLIPSIS not in term) or extra < 0:
            if _ELLIPSIS in term:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({named}) is more than "
                    f"the number of dimensions ({len(shape)}) for operand {op}"
                )
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the "
                f"number of dimensions ({len(shape)}) for operand {op} and no ellipsis was given"
            )
        covered = max(covered, extra)
        mine: list[Any] = []
        for c in term:
            mine += range(extra, 0, -1) if c == _ELLIPSIS else [c]
        for c, n in zip(mine, shape, strict=True):
            first = shape[mine.index(c)]
            if first != n:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated for operand {op} but the sizes don't "
                    f"match, {n} != {first}"
                )
            have = sizes.get(c, 1)
            if have != 1 and n != 1 and have != n:
                if not isinstance(c, str):
                    raise RuntimeError(
                        f"einsum(): dimension {mine.index(c)} covered by ellipsis in operand {op} "
                        f"has size {n} which does not broadcast with previously seen ellipsis with "
                        f"size {have} for the respective dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {op} which does not "
                    f"broadcast with previously seen size {have}"
                )
            sizes[c] = n if have == 1 else have
        labels.append(mine)
    if output is None:
        every = [c for term in terms for c in term if c != _ELLIPSIS]
        result = list(range(covered, 0, -1)) + sorted({c for c in every if every.count(c) == 1})
        return labels, result, sizes
    result = []
    for c in output:
        if c == _ELLIPSIS:
            result += range(covered, 0, -1)
            continue
        if c not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input "
                "operand"
            )
        if c in result:
            raise RuntimeError(
                f"einsum(): output subscript {c} appears more than once in the output"
            )
        result.append(c)
    return labels, result, sizes


# ------------------------------------------------------------------- the plan
class Plan:
    """What einsum does for one equation and operands of given shapes.

    singles  per operand: the pairs of dims to take the diagonal of, the dims to sum, and the shape
             without dims of size 1 that broadcast (None: as it is)
    pairs    (i, j, dims to sum of both, labels of both and of their product): the product goes to
             the end of the list of operands
    order    how to permute the last value (None: as it is)
    shape    the shape to give it and the one to expand that to (None: as it is)
    """

    __slots__ = ("order", "pairs", "shape", "singles")

    def __init__(self, terms: list, output: list | None, shapes: tuple) -> None:
        labels, result, sizes = _labelled(terms, output, shapes)
        self.singles = []
        for op, mine in enumerate(labels):
            elsewhere = set(result).union(*(o for i, o in enumerate(labels) if i != op))
            labels[op], single = _alone(mine, shapes[op], elsewhere, sizes)
            self.singles.append(single)
        self.pairs, made = _paired(labels, result, sizes)
        want = [c for c in result if c in made]
        summed = self.pairs or self.singles[0][1]
        # a result that is the operand itself becomes a view of it, not the same tensor
        self.order = None if want == made and summed else tuple([made.index(c) for c in want])
        self.shape = None
        if want != result:  # labels that only broadcast
            thin = tuple([sizes[c] if c in want else 1 for c in result])
            self.shape = (thin, tuple([sizes[c] for c in result]))

    def run(self, operands: list[Tensor]) -> Tensor:
        """Compute the result, by ops that are recorded."""
        values: list[Any] = []
        for x, (diagonals, sums, shape) in zip(operands, self.singles, strict=True):
            for i, j in diagonals:
                x = T.diagonal(x, 0, i, j)
            if sums:
                x = T.sum(x, sums, False)
            values.append(x if shape is None else T.reshape(x, shape))
        for i, j, sum_x, sum_y, lx, ly, lo in self.pairs:
            x, y = values[i], values[j]
            values[i] = values[j] = None
            if sum_x:
                x = T.sum(x, sum_x, False)
            if sum_y:
                y = T.sum(y, sum_y, False)
            values.append(contract(x, y, lx, ly, lo))
        out = values[-1]
        if self.order is not None:
            out = T.permute(out, self.order)
        return out if self.shape is None else T.expand(T.reshape(out, self.shape[0]), self.shape[1])


def _alone(mine: list, shape: tuple, elsewhere: set, sizes: dict) -> tuple[list, tuple]:
    """Plan what one operand needs by itself; return the labels that are left and the steps."""
    size = dict(zip(mine, shape, strict=True))
    diagonals = []
    while len(set(mine)) < len(mine):  # two dims of one label become one, at the end
        i = next(p for p, c in enumerate(mine) if mine.count(c) > 1)
        j = mine.index(mine[i], i + 1)
        diagonals.append((i, j))
        mine = [c for p, c in enumerate(mine) if p not in (i, j)] + [mine[i]]
    thin = [c for c in mine if size[c] == 1 and sizes[c] != 1]
    sums = tuple([p for p, c in enumerate(mine) if c not in thin and c not in elsewhere])
    left = [c for c in mine if c not in thin and c in elsewhere]
    return left, (tuple(diagonals), sums, tuple([size[c] for c in left]) if thin else None)


def _paired(labels: list[list], result: list, sizes: dict) -> tuple[list, list]:
    """Plan the products, always that pair whose product grows least over its operands.

    Return the steps and the labels of the last value.
    """

    def count(labels: Any) -> int:
        n = 1
        for c in labels:
            n *= sizes[c]
        return n

    steps = []
    live = dict(enumerate(labels))
    while len(live) > 1:
        choices = []
        for (i, x), (j, y) in combinations(live.items(), 2):
            needed = set(result).union(*(o for m, o in live.items() if m not in (i, j)))
            made = [c for c in dict.fromkeys(x + y) if c in needed]
            choices.append((count(made) - count(x) - count(y), i, j, made))
        _, i, j, made = min(choices, key=lambda c: c[:3])
        x, y = live.pop(i), live.pop(j)
        if not live:  # the last product can come out in the order that is asked for
            made = [c for c in result if c in made]
        # what only one of them has, and nobody needs any more, is summed before the product
        sum_x = tuple([p for p, c in enumerate(x) if c not in y and c not in made])
        sum_y = tuple([p for p, c in enumerate(y) if c not in x and c not in made])
        lx = tuple([c for c in x if c in y or c in made])
        ly = tuple([c for c in y if c in x or c in made])
        steps.append((i, j, sum_x, sum_y, lx, ly, tuple(made)))
        live[len(labels) + len(steps) - 1] = made
    return steps, next(iter(live.values()))


# ------------------------------------------------------------------- einsum
@public("torch")
def einsum(*args: Any) -> Tensor:
    """Return the sum of products of operands over the dims that an equation names.

    einsum("bij,bjk->bik", x, y): labels are letters, one per dim; those that the output lacks are
    summed; a label twice in one operand takes its diagonal; "..." stands for further dims, which
    broadcast. Without "->" the output has the labels that occur once, sorted, after "...". Also
    einsum(x, [0, 1], y, [1, 2], [0, 2]). RuntimeError where labels and shapes disagree.

    >>> import wengert as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> torch.einsum("ij,ij->i", x, x)
    tensor([ 5., 25.])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    if isinstance(args[0], str):
        operands = list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        key: Any = args[0]
        terms = output = None
    else:
        operands, terms, output = _from_lists(args)
        key = (tuple(map(tuple, terms)), None if output is None else tuple(output))
    for n, x in enumerate(operands):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected Tensor as element {n} in argument 1, but got {type(x).__name__}"
            )
    for x in operands[1:]:
        if x._spec.dtype is not operands[0]._spec.dtype:
            raise RuntimeError(
                f"expected scalar type {operands[0]._spec.dtype.scalar_name} but found "
                f"{x._spec.dtype.scalar_name}"
            )
    shapes = tuple([x._spec.shape for x in operands])
    plan = _plans.get((key, shapes))
    if plan is None:
        if terms is None:
            terms, output = _parse(args[0])
        if len(_plans) > 512:
            _plans.clear()
        plan = _plans[key, shapes] = Plan(terms, output, shapes)
    return plan.run(operands)


# ------------------------------------------------------------------- tensordot and friends
@public("torch", out=True)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sum of products over dims of both: the last `dims` of a with the first of b.

    `dims` may also be two lists of dims, ([of a], [of b]), or a 2 x n integer tensor.

    >>> import wengert as torch
    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 4), 1).shape
    torch.Size([2, 4])
    """
    n, m = checked(a, "tensordot", "a")._spec.ndim, checked(b, "tensordot", "b", 2)._spec.ndim
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(n, m):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        da, db = list(range(n - dims, n)), list(range(dims))
    else:
        da, db = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(da) != len(db):
        raise RuntimeError("both dimension lists should have same length")
    if a._spec.dtype is not b._spec.dtype:
        raise RuntimeError("both inputs should have same dtype")
    da, db = [wrap_dim(d, n) for d in da], [wrap_dim(d, m) for d in db]
    for dd in (da, db):
        twice = [d for k, d in enumerate(dd) if d in dd[:k]]
        if twice:
            raise RuntimeError(f"dim {twice[0]} appears multiple times in the list of dims")
    for i, j in zip(list(da), list(db), strict=True):
        sa, sb = a.shape[i], b.shape[j]
        if sa == sb:
            continue
        if sa == 1:
            b = T.sum(b, (j,), True)
        elif sb == 1:
            a = T.sum(a, (i,), True)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {sa} in dim {i - n} and "
                f"second has size {sb} in dim {j}"
            )
    lx = tuple(range(n))
    ly = tuple([da[db.index(d)] if d in db else n + d for d in range(m)])
    lo = tuple([d for d in lx if d not in da]) + tuple([d for d in ly if d >= n])
    return contract(a, b, lx, ly, lo)


@public("torch", "Tensor", out=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sum of products over the last dims of both; a 0-d operand multiplies.

    >>> import wengert as torch
    >>> torch.inner(torch.tensor([1., 2., 3.]), torch.tensor([0., 2., 1.]))
    tensor(7.)
    """
    n, m = checked(input, "inner")._spec.ndim, checked(other, "inner", "other", 2)._spec.ndim
    if not n or not m:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{shown(input.shape)} and {shown(other.shape)}"
        )
    return tensordot(input, other, ([n - 1], [m - 1]))


@public("torch", "Tensor", out=True)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: every element of input times the whole of other, in blocks.

    >>> import wengert as torch
    >>> torch.kron(torch.eye(2), torch.tensor([[1., 2.]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    n, m = checked(input, "kron")._spec.ndim, checked(other, "kron", "other", 2)._spec.ndim
    rank = max(n, m)
    a = (1,) * (rank - n) + tuple(input.shape)
    b = (1,) * (rank - m) + tuple(other.shape)
    x = T.reshape(input, sum([(s, 1) for s in a], ()))
    y = T.reshape(other, sum([(1, s) for s in b], ()))
    return T.unsafe_view(x * y, tuple([i * j for i, j in zip(a, b, strict=True)]))
