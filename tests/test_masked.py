"""`torch.masked`: what a mask leaves out does not count; what nothing is left of; refusals."""

import math

import numpy as np
import pytest
from against import raises, torch
from oracle import against_torch, numbers

M = torch.masked
X = [[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]]
MASK = [[True, False, True], [False, False, False]]
inf, nan = math.inf, math.nan
ALONG_ROWS = {
    "sum": [4.0, 0.0], "prod": [3.0, 1.0], "amax": [3.0, -inf], "amin": [1.0, inf], "mean": [2.0, nan],
    "var": [2.0, nan], "median": [1.0, nan], "argmax": [2.0, 0.0], "argmin": [0.0, 0.0],
    "logsumexp": [math.log(math.exp(1) + math.exp(3)), -inf],
}  # fmt: skip


@pytest.mark.parametrize("name", ALONG_ROWS)
def test_reductions(name):
    x, mask = torch.tensor(X), torch.tensor(MASK)
    got = getattr(M, name)(x, 1, mask=mask)
    np.testing.assert_allclose(got.numpy(), ALONG_ROWS[name], rtol=1e-6)
    assert getattr(M, name)(x, 1, keepdim=True, mask=mask).shape == (2, 1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "cumsum", "cumprod"])
def test_along_a_dim_as_if_the_others_were_not_there(name):
    x = torch.tensor(X)
    got = getattr(M, name)(x, 1, mask=torch.tensor([True, False, True]))
    alone = getattr(M, name)(x[:, ::2].contiguous(), 1)
    np.testing.assert_allclose(got.numpy()[:, ::2], alone.numpy(), rtol=1e-6)


def test_norms_and_logaddexp():
    x, mask = torch.tensor(X), torch.tensor(MASK)
    np.testing.assert_allclose(M.norm(x, 2.0, 1, mask=mask).numpy(), [math.sqrt(10), 0.0], rtol=1e-6)
    got = M.normalize(x, 2.0, 1, mask=mask)
    np.testing.assert_allclose(got.numpy()[0], np.array([1, 0, 3]) / math.sqrt(10), rtol=1e-6)
    assert got[1].tolist() == [0.0, 0.0, 0.0]
    assert torch.equal(M.logaddexp(x, x, input_mask=mask, other_mask=~mask), x)


def test_no_mask_and_other_dtypes():
    x = torch.tensor(X)
    assert torch.equal(M.sum(x, 0), x.sum(0))
    assert torch.equal(M.mean(x), x.mean())
    assert M.sum(x, 1, dtype=torch.float64).dtype is torch.float64
    small = torch.tensor([[100, 100, 100]], dtype=torch.int8)
    assert M.sum(small, 1, mask=torch.tensor([True, True, False])).tolist() == [200]
    with raises(ValueError, "mean(): Could not infer output dtype. Input dtype must be either a floating point"):
        M.mean(torch.tensor([1]))


def test_gradients_stop_at_the_mask():
    x = torch.tensor(X, requires_grad=True)
    M.sum(x * x, 1, mask=torch.tensor(MASK)).sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0, 6.0], [0.0, 0.0, 0.0]]


@pytest.mark.torch
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "amax", "amin", "var", "std", "logsumexp"])
def test_against_torch(name):
    x, m = numbers(0, 3, 4), np.random.default_rng(1).random((3, 4)) < 0.6
    m[:, 0] = m[0] = True
    for dim in (None, 0, (0, 1)):
        against_torch(lambda T, x, m, d=dim: getattr(T.masked, name)(x, d, mask=m), x, m, names=False)
