"""What indexing and writing by index promise: gradients that add up, refusals that change nothing."""

import numpy as np
import pytest

import wengert as torch


def test_one_index_tensor_per_dim_reads_as_in_numpy():
    rng = np.random.RandomState(0)
    a = rng.rand(4, 5, 6)
    x = torch.tensor(a)
    i, j = rng.randint(-4, 4, (3, 2)), rng.randint(-5, 5, (3, 2))
    np.testing.assert_array_equal(x[torch.tensor(i)].numpy(), a[i])
    np.testing.assert_array_equal(x[torch.tensor(i), torch.tensor(j)].numpy(), a[i, j])
    np.testing.assert_array_equal(x[torch.tensor(i), :, torch.tensor(j)].numpy(), a[i, :, j])
    np.testing.assert_array_equal(x[x > 0.5].numpy(), a[a > 0.5])


def test_the_gradient_of_repeated_indices_adds_up():
    for index in ([0, 0, 0], [[0, 1], [0, 0]], list(range(40)) * 30):
        x = torch.zeros(40, 8, dtype=torch.float64, requires_grad=True)
        g = torch.tensor(np.random.RandomState(1).rand(*np.shape(index), 8))
        (x[torch.tensor(index)] * g).sum().backward()
        expected = np.zeros((40, 8))
        np.add.at(expected, np.array(index), g.numpy())
        np.testing.assert_allclose(x.grad.numpy(), expected)


def test_many_duplicates_along_any_dim_add_up():
    rng = np.random.RandomState(2)
    for dim in range(3):
        shape = [6, 5, 4]
        index = rng.randint(0, shape[dim], 300)
        shape_of_source = [*shape[:dim], 300, *shape[dim + 1 :]]
        source = rng.rand(*shape_of_source)
        expected = np.zeros(shape)
        np.add.at(expected, (slice(None),) * dim + (index,), source)
        got = torch.zeros(shape, dtype=torch.float64).index_add_(
            dim, torch.tensor(index), torch.tensor(source)
        )
        np.testing.assert_allclose(got.numpy(), expected)


INDEX = torch.tensor([0, 9])
COLUMN = torch.tensor([[0], [9]])
BAD_WRITES = {
    "assign a number": lambda x: x.__setitem__(INDEX, 1.0),
    "assign a tensor": lambda x: x.__setitem__(INDEX, torch.ones(2, 3)),
    "assign at pairs": lambda x: x.__setitem__((torch.tensor([0, 1]), INDEX), 1.0),
    "assign a wrong shape": lambda x: x.__setitem__(0, torch.ones(4)),
    "index_put_": lambda x: x.index_put_((INDEX,), torch.ones(2, 3), accumulate=True),
    "index_add_": lambda x: x.index_add_(0, INDEX, torch.ones(2, 3)),
    "index_copy_": lambda x: x.index_copy_(0, INDEX, torch.ones(2, 3)),
    "index_fill_": lambda x: x.index_fill_(0, INDEX, 1.0),
    "scatter_": lambda x: x.scatter_(0, COLUMN, 1.0),
    "scatter_add_": lambda x: x.scatter_add_(0, COLUMN, torch.ones(2, 1)),
    "scatter_reduce_": lambda x: x.scatter_reduce_(0, COLUMN, torch.ones(2, 1), "amax"),
    "put_": lambda x: x.put_(torch.tensor([0, 99]), torch.ones(2)),
    "copy_": lambda x: x.copy_(torch.ones(4)),
    "masked_fill_": lambda x: x.masked_fill_(torch.ones(4) > 0, 1.0),
    "fill_": lambda x: x.fill_(1e300),
}


@pytest.mark.parametrize("name", sorted(BAD_WRITES))
def test_a_refused_write_changes_nothing(name):
    x = torch.zeros(2, 3)
    with pytest.raises((IndexError, RuntimeError)):
        BAD_WRITES[name](x)
    assert x._version == 0
    assert not x.any()


def test_errors_say_which_index_and_which_size():
    x = torch.zeros(2, 3)
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 1 with size 3"):
        x[0, 5]
    with pytest.raises(IndexError, match="index 9 is out of bounds for dimension 0 with size 2"):
        x[[0, 9]]
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 2"):
        x[0, 0, 0]
    with pytest.raises(ValueError, match="step must be greater than zero"):
        x[::-1]
    with pytest.raises(RuntimeError, match="index 7 is out of bounds for dimension 1 with size 3"):
        x.gather(1, torch.tensor([[7]]))
    with pytest.raises(IndexError, match=r"shape of the mask \[3\] at index 0"):
        x[torch.tensor([True, False, True])]


def test_a_later_write_to_an_index_is_noticed():
    x = torch.ones(3, requires_grad=True) * 2
    index = torch.tensor([0, 1])
    y = x[index]
    index.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_later_write_to_what_was_indexed_is_fine():
    leaf = torch.ones(3, requires_grad=True)
    x = leaf * 2
    y = x[torch.tensor([0, 0])]
    x.zero_()
    y.sum().backward()
    assert leaf.grad.tolist() == [4, 0, 0]


def test_an_assignment_cuts_the_old_and_records_the_new():
    leaf, value = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    x = leaf * 2
    x[1] = value * 5
    assert type(x.grad_fn).__name__ == "CopySlices"
    x.sum().backward()
    assert leaf.grad.tolist() == [[2, 2, 2], [0, 0, 0]]
    assert value.grad.tolist() == [5, 5, 5]


def test_assigning_recorded_values_makes_a_constant_require_grad():
    leaf = torch.ones(2, requires_grad=True)
    x = torch.zeros(3)
    x[1:] = leaf * 3
    assert x.requires_grad
    x.sum().backward()
    assert leaf.grad.tolist() == [3, 3]


def test_integers_stay_without_gradient():
    x = torch.zeros(2, dtype=torch.int64)
    x[0] = torch.ones((), requires_grad=True) * 2
    assert x.tolist() == [2, 0]
    assert not x.requires_grad


def test_a_leaf_may_not_be_assigned_to_and_stays_as_it_was():
    x = torch.ones(3, requires_grad=True)
    for write in (
        lambda: x.__setitem__(0, 2.0), lambda: x.__setitem__([0], 2.0), x.zero_,
        lambda: x.copy_(torch.zeros(3)), lambda: x.masked_fill_(x > 0, 0.0),
        lambda: x.index_add_(0, torch.tensor([0]), torch.ones(1)),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"a (view of a )?leaf Variable that requires grad"):
            write()
    assert x.tolist() == [1, 1, 1]
    with torch.no_grad():
        x[0] = 5
    assert x.tolist() == [5, 1, 1]
    assert x._version == 1


def test_versions_count_every_way_of_writing():
    x = torch.zeros(4)
    writes = [
        lambda: x.__setitem__(0, 1.0), lambda: x.__setitem__([1], 1.0), x.zero_,
        lambda: x.fill_(2), lambda: x.copy_(torch.ones(4)), lambda: x.__setitem__(x > 0, 3.0),
        lambda: x.masked_fill_(x > 0, 1.0), lambda: x.index_put_((torch.tensor([0]),), torch.ones(1)),
        lambda: x.index_add_(0, torch.tensor([0]), torch.ones(1)),
        lambda: x.scatter_(0, torch.tensor([0]), 1.0), lambda: x.unsqueeze_(0), lambda: x.squeeze_(),
    ]  # fmt: skip
    for n, write in enumerate(writes, 1):
        write()
        assert x._version == n


def test_byte_masks_are_deprecated_but_work():
    byte = torch.tensor([1, 0, 1], dtype=torch.uint8)
    with pytest.warns(UserWarning, match="indexing with dtype torch.uint8"):
        assert torch.arange(3)[byte].tolist() == [0, 2]
    with pytest.warns(UserWarning, match="uint8 condition tensor"):
        assert torch.where(byte, torch.ones(3), 0.0).tolist() == [1, 0, 1]


def test_casting_complex_to_real_warns():
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert torch.zeros(1).copy_(torch.tensor([1 + 2j])).tolist() == [1]


def test_assignment_takes_numpy_arrays_too():
    x = torch.zeros(2, 2)
    x[0] = np.array([1.0, 2.0])
    assert x.tolist() == [[1, 2], [0, 0]]


def test_values_overlapping_what_is_written_are_read_first():
    x = torch.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x = torch.arange(4.0)
    x[[0, 1]] = x[[2, 3]]
    assert x.tolist() == [2, 3, 2, 3]


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_in_forward_mode(reduce, include_self):
    rng = np.random.RandomState(4)
    x, y = (torch.tensor(rng.rand(2, 3) + 0.5) for _ in range(2))
    tx, ty = (torch.tensor(rng.rand(2, 3)) for _ in range(2))
    index = torch.tensor([[0, 0, 2], [1, 1, 1]])

    def f(x, y):
        return x.scatter_reduce(1, index, y, reduce, include_self=include_self)

    _, tangent = torch.autograd.functional.jvp(f, (x, y), (tx, ty))
    h = 1e-6
    by_differences = (f(x + h * tx, y + h * ty) - f(x - h * tx, y - h * ty)) / (2 * h)
    np.testing.assert_allclose(tangent.numpy(), by_differences.numpy(), rtol=1e-6, atol=1e-9)
