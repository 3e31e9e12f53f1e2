"""torch.utils.data: data sets, samplers, the DataLoader and its workers."""

from __future__ import annotations

import collections
import gc
import threading
import time

import numpy as np
import pytest
from against import raises, torch

data = torch.utils.data


def plain(x):
    """Tensors as lists, containers as they are."""
    if isinstance(x, torch.Tensor):
        return x.tolist()
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x


def batches(*args, **kwargs):
    return plain(list(data.DataLoader(*args, **kwargs)))


# -------------------------------------------------------------------- order
# what PyTorch 2.13 gives after manual_seed(0)
ORDERS = {
    "shuffled": lambda: batches(range(12), batch_size=5, shuffle=True),
    "two epochs": lambda: [plain(list(loader)) for loader in [
        data.DataLoader(range(5), batch_size=2, shuffle=True)] for _ in range(2)],
    "last batch dropped": lambda: batches(range(7), batch_size=3, shuffle=True, drop_last=True),
    "own generator": lambda: batches(
        range(7), 3, shuffle=True, generator=torch.Generator().manual_seed(8)),
    "no batches": lambda: batches(range(7), batch_size=None, shuffle=True),
    "subset": lambda: batches(range(20), 2, sampler=data.SubsetRandomSampler([3, 9, 4, 17, 11])),
    "weighted": lambda: batches(range(4), 4, sampler=data.WeightedRandomSampler([1, 2, 3, 4], 8)),
    "weighted, no replacement": lambda: list(
        data.WeightedRandomSampler([1, 2, 3, 4], 3, replacement=False)),
    "replacement": lambda: list(data.RandomSampler(range(9), replacement=True, num_samples=35)),
    "more than there are": lambda: list(data.RandomSampler(range(3), num_samples=7)),
    "split": lambda: [s.indices for s in data.random_split(range(8), [3, 5])],
    "split in shares": lambda: [s.indices for s in data.random_split(range(10), [0.33, 0.33, 0.34])],
    "tensors": lambda: batches(
        data.TensorDataset(torch.arange(6).reshape(3, 2), torch.arange(3.0)), 2, shuffle=True),
    "distributed": lambda: [list(data.DistributedSampler(range(8), 3, r, seed=1)) for r in range(3)],
    "state after": lambda: (batches(range(5), shuffle=True), torch.randint(100, (3,)).tolist())[1],
}  # fmt: skip
GOLDEN = {
    "shuffled": [[6, 11, 9, 8, 2], [1, 4, 5, 3, 10], [7, 0]],
    "two epochs": [[[1, 4], [2, 3], [0]], [[2, 3], [4, 0], [1]]],
    "last batch dropped": [[0, 4, 1], [5, 2, 6]],
    "own generator": [[3, 4, 1], [5, 0, 6], [2]],
    "no batches": [0, 4, 1, 5, 2, 6, 3],
    "subset": [[17, 9], [3, 11], [4]],
    "weighted": [[3, 2, 3, 3], [3, 1, 2, 2]],
    "weighted, no replacement": [2, 1, 3],
    "replacement": [
        3, 8, 5, 3, 6, 8, 6, 6, 4, 7, 7, 1, 4, 2, 2, 8, 3, 2, 1, 6, 8, 8, 7, 3, 7, 4, 8,
        7, 8, 3, 8, 5, 2, 2, 6
    ],
    "more than there are": [0, 1, 2, 2, 0, 1, 0],
    "split": [[4, 0, 7], [3, 2, 5, 1, 6]],
    "split in shares": [[4, 1, 7, 5], [3, 9, 0], [8, 6, 2]],
    "tensors": [[[[0, 1], [4, 5]], [0.0, 2.0]], [[[2, 3]], [1.0]]],
    "distributed": [[5, 6, 1], [4, 7, 0], [2, 3, 5]],
    "state after": [63, 79, 27],
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_order(name):
    torch.manual_seed(0)
    assert ORDERS[name]() == GOLDEN[name]


@pytest.mark.torch
@pytest.mark.wengert_only
def test_order_against_torch():
    oracle = pytest.importorskip("torch")
    import torch.utils.data as theirs

    for seed in range(5):
        torch.manual_seed(seed)
        oracle.manual_seed(seed)
        for n, size in ((1, 1), (33, 4), (1000, 64)):
            got = batches(range(n), batch_size=size, shuffle=True)
            expected = [
                b.tolist() for b in theirs.DataLoader(range(n), batch_size=size, shuffle=True)
            ]
            assert got == expected
        assert torch.rand(1).item() == oracle.rand(1).item()


def test_a_fixed_order_draws_one_seed_and_no_more():
    torch.manual_seed(3)
    list(data.DataLoader(range(5)))
    after = torch.get_rng_state()
    torch.manual_seed(3)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.equal(after, torch.get_rng_state())


# ----------------------------------------------------------------- data sets
def test_tensor_dataset():
    d = data.TensorDataset(torch.arange(6).reshape(3, 2), torch.arange(3))
    assert len(d) == 3
    assert plain(d[1]) == [[2, 3], 1]
    assert plain(d[0:2]) == [[[0, 1], [2, 3]], [0, 1]]
    assert isinstance(d[0], tuple)
    with raises(AssertionError, "Size mismatch between tensors"):
        data.TensorDataset(torch.ones(3), torch.ones(4))


def test_gradients_flow_through_a_tensor_dataset():
    x = torch.arange(4.0, requires_grad=True)
    for (part,) in data.DataLoader(data.TensorDataset(x), batch_size=2):
        (part * part).sum().backward()
    assert x.grad.tolist() == [0, 2, 4, 6]


def test_batches_of_tensors_are_what_stacking_gives():
    x, y = torch.randn(20, 3).t()[:, ::2].t(), torch.arange(10)
    d = data.TensorDataset(x, y)
    part = data.Subset(data.Subset(d, [9, 1, 5, 0]), [3, 1, 2])

    class Doubled(data.TensorDataset):
        def __getitem__(self, i):
            return tuple(2 * t for t in super().__getitem__(i))

    for each, expected in (
        (d, [[d[i] for i in k] for k in ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))]),
        (part, [[d[0], d[1], d[5]]]),
        (Doubled(y), [[(2 * y[i],) for i in k] for k in ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))]),
    ):
        got = list(data.DataLoader(each, batch_size=4))
        assert plain(got) == plain([data.default_collate(b) for b in expected])
        assert all(type(b) is list and all(t.is_contiguous() for t in b) for b in got)


def test_dataset_without_getitem():
    with raises(NotImplementedError, "Subclasses of Dataset should implement __getitem__"):
        data.Dataset()[0]
    with raises(TypeError, "abstract"):
        data.IterableDataset()
    assert data.Dataset[int] is not None  # may be subscripted in annotations


class Squares(data.Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return i * i


def test_concat_and_chain():
    d = Squares(2) + Squares(3)
    assert isinstance(d, data.ConcatDataset)
    assert [d[i] for i in range(5)] == [0, 1, 0, 1, 4]
    assert d[-1] == 4
    assert len(d) == 5
    assert d.cumulative_sizes == [2, 5]
    with raises(ValueError, "absolute value of index should not exceed dataset length"):
        d[-6]
    with pytest.raises(IndexError):
        d[5]
    with raises(AssertionError, "datasets should not be an empty iterable"):
        data.ConcatDataset([])
    chain = Counting(2) + Counting(3)
    assert list(chain) == [0, 1, 0, 1, 2]
    with raises(AssertionError, "ChainDataset only supports IterableDataset"):
        list(data.ChainDataset([[1]]))
    with raises(AssertionError, "ConcatDataset does not support IterableDataset"):
        data.ConcatDataset([Counting(2)])


def test_stack():
    assert data.StackDataset([1, 2], [3, 4])[1] == (2, 4)
    d = data.StackDataset(a=[1, 2], b=Squares(2))
    assert d[1] == {"a": 2, "b": 1}
    assert len(d) == 2
    assert d.__getitems__([1, 0]) == [{"a": 2, "b": 1}, {"a": 1, "b": 0}]
    with raises(ValueError, "Size mismatch between datasets"):
        data.StackDataset([1, 2], [3])
    with raises(ValueError, "At least one dataset should be passed"):
        data.StackDataset()
    with raises(ValueError, "both types are given"):
        data.StackDataset([1], a=[2])


def test_subset():
    s = data.Subset(Squares(9), [8, 2, 5])
    assert [s[i] for i in range(3)] == [64, 4, 25]
    assert len(s) == 3
    rows = data.Subset(data.TensorDataset(torch.arange(9)), [8, 2, 5])
    assert plain(rows[[0, 2]]) == [[8, 5]]
    assert batches(rows, batch_size=2) == [[[8, 2]], [[5]]]


def test_getitems_fetches_a_batch_at_once():
    class Whole(Squares):
        calls = []

        def __getitems__(self, indices):
            self.calls.append(list(indices))
            return [self[i] for i in indices]

    assert batches(data.Subset(Whole(9), [8, 2, 5]), batch_size=2) == [[64, 4], [25]]
    assert Whole.calls == [[8, 2], [5]]


def test_random_split_errors():
    with raises(ValueError, "Sum of input lengths does not equal the length of the input dataset!"):
        data.random_split(range(10), [3, 6])
    with raises(ValueError, "Fraction at index 0 is not between 0 and 1"):
        data.random_split(range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        assert [len(s) for s in data.random_split(range(1), [0.5, 0.5])] == [1, 0]


# ------------------------------------------------------------------ samplers
def test_batch_sampler():
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(data.BatchSampler(range(5), 2, False)) == 3
    assert len(data.BatchSampler(range(5), 2, True)) == 2
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]


def test_distributed_sampler():
    parts = [list(data.DistributedSampler(range(5), 2, r, shuffle=False)) for r in (0, 1)]
    assert parts == [[0, 2, 4], [1, 3, 0]]
    cut = [
        list(data.DistributedSampler(range(5), 2, r, shuffle=False, drop_last=True)) for r in (0, 1)
    ]
    assert cut == [[0, 2], [1, 3]]
    s = data.DistributedSampler(range(50), 2, 0)
    first = list(s)
    assert list(s) == first
    s.set_epoch(1)
    assert list(s) != first
    assert len(s) == 25
    with raises(ValueError, "Invalid rank 2"):
        data.DistributedSampler(range(5), 2, 2)


ERRORS = {
    "RandomSampler([])": (ValueError, "positive integer value, but got num_samples=0"),
    "RandomSampler([1], num_samples=-1)": (ValueError, "but got num_samples=-1"),
    "RandomSampler([1], replacement=1)": (
        TypeError,
        "should be a boolean value, but got replacement=1",
    ),
    "WeightedRandomSampler([1, 2], 0)": (
        ValueError,
        "positive integer value, but got num_samples=0",
    ),
    "WeightedRandomSampler([[1, 2]], 1)": (
        ValueError,
        "should be a 1d sequence but given weights have shape (1, 2)",
    ),
    "WeightedRandomSampler([1], 2, 1)": (
        ValueError,
        "should be a boolean value, but got replacement=1",
    ),
    "BatchSampler(range(3), 0, True)": (ValueError, "positive integer value, but got batch_size=0"),
    "BatchSampler(range(3), 2, 1)": (ValueError, "boolean value, but got drop_last=1"),
    "DataLoader([1], batch_size=-1)": (ValueError, "positive integer value, but got batch_size=-1"),
    "DataLoader([1], batch_size=None, drop_last=True)": (
        ValueError,
        "mutually exclusive with drop_last",
    ),
    "DataLoader([1], num_workers=-1)": (ValueError, "num_workers option should be non-negative"),
    "DataLoader([1], timeout=-1)": (ValueError, "timeout option should be non-negative"),
    "DataLoader([1], prefetch_factor=3)": (
        ValueError,
        "prefetch_factor option could only be specified",
    ),
    "DataLoader([1], persistent_workers=True)": (
        ValueError,
        "persistent_workers option needs num_workers > 0",
    ),
    "DataLoader([1], shuffle=True, sampler=[0])": (
        ValueError,
        "sampler option is mutually exclusive with shuffle",
    ),
    "DataLoader([1], batch_sampler=[[0]], batch_size=2)": (
        ValueError,
        "batch_sampler option is mutually exclusive",
    ),
    'DataLoader([1], multiprocessing_context="fork")': (
        ValueError,
        "multiprocessing_context can only be used",
    ),
    'DataLoader([1], num_workers=1, multiprocessing_context="nothing")': (
        ValueError,
        "multiprocessing_context option should specify a valid start method in",
    ),
    "DataLoader([1], num_workers=1, multiprocessing_context=3)": (
        TypeError,
        "multiprocessing_context option should be a valid context object or a string",
    ),
    "DataLoader(Counting(3), shuffle=True)": (
        ValueError,
        "expected unspecified shuffle option, but got shuffle=True",
    ),
    "DataLoader(Counting(3), sampler=[1])": (ValueError, "expected unspecified sampler option"),
    "DataLoader(Counting(3), batch_sampler=[[1]])": (
        ValueError,
        "expected unspecified batch_sampler option",
    ),
    'setattr(DataLoader([1]), "batch_size", 3)': (
        ValueError,
        "should not be set after DataLoader is initialized",
    ),
    "batches([torch.ones(2), torch.ones(3)], 2)": (
        RuntimeError,
        "stack expects each tensor to be equal size",
    ),
    "batches([object()])": (
        TypeError,
        "batch must contain tensors, numpy arrays, numbers, dicts or lists; found",
    ),
    "batches([None])": (TypeError, "found <class 'NoneType'>"),
    'batches([np.array(["a"])])': (TypeError, "default_collate: batch must contain tensors"),
    "batches([(1,), (1, 2)], 2)": (
        RuntimeError,
        "each element in list of batch should be of equal size",
    ),
    "len(DataLoader(Counting(3)))": (TypeError, ""),
}


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call):
    kind, phrase = ERRORS[call]
    with raises(kind, phrase):
        eval(call, {**globals(), **vars(data)})


# ------------------------------------------------------------------- batches
Point = collections.namedtuple("Point", "x y")


def test_collate():
    collate = data.default_collate
    assert plain(collate([1, 2])) == [1, 2]
    assert collate([1.5, 2.0]).dtype is torch.float64
    assert collate([True, False]).dtype is torch.bool
    assert collate([np.float32(1), np.float32(2)]).dtype is torch.float32
    assert plain(collate([np.arange(2), np.arange(2)])) == [[0, 1], [0, 1]]
    assert plain(collate([torch.ones(2), torch.zeros(2)])) == [[1, 1], [0, 0]]
    assert collate(["a", "b"]) == ["a", "b"]
    assert collate([b"a", b"b"]) == [b"a", b"b"]
    both = collate([(1, "a"), (2, "b")])
    assert isinstance(both, list)
    assert plain(both) == [[1, 2], ["a", "b"]]
    assert plain(collate([[1, 2], [3, 4]])) == [[1, 3], [2, 4]]
    assert plain(collate([{"x": 1, "y": {"z": 2.0}}, {"x": 3, "y": {"z": 4.0}}])) == {
        "x": [1, 3], "y": {"z": [2.0, 4.0]},
    }  # fmt: skip
    point = collate([Point(1, 2), Point(3, 4)])
    assert isinstance(point, Point)
    assert plain(point.y) == [2, 4]
    ordered = collate([collections.OrderedDict(b=1, a=2)])
    assert isinstance(ordered, collections.OrderedDict)
    assert list(ordered) == ["b", "a"]


def test_convert():
    convert = data.default_convert
    assert isinstance(convert(np.arange(2)), torch.Tensor)
    assert convert(np.float64(2)).dtype is torch.float64
    assert convert("a") == "a"
    assert convert(np.array(["a"]))[0] == "a"
    assert plain(convert({"a": [1, np.array(2)]})) == {"a": [1, 2]}
    assert plain(convert((1, np.array([2])))) == [1, [2]]
    assert isinstance(convert(Point(1, np.array(2))), Point)


def test_options_of_the_loader():
    assert batches(range(5), batch_size=2) == [[0, 1], [2, 3], [4]]
    assert batches(range(5), batch_size=2, drop_last=True) == [[0, 1], [2, 3]]
    assert batches(range(3), batch_size=None) == [0, 1, 2]
    assert batches(range(9), batch_sampler=[[1, 2], [8]]) == [[1, 2], [8]]
    assert batches(range(4), 2, collate_fn=tuple) == [[0, 1], [2, 3]]
    loader = data.DataLoader(range(7), 3)
    assert (loader.batch_size, loader.num_workers, loader.drop_last) == (3, 0, False)
    assert len(loader) == 3
    assert len(data.DataLoader(range(7), 3, drop_last=True)) == 2
    assert len(data.DataLoader(range(7), None)) == 7
    assert next(iter(loader)).tolist() == [0, 1, 2]


def test_pinned_memory_warns():
    loader = data.DataLoader(range(2), pin_memory=True)
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert plain(list(loader)) == [[0], [1]]


class Counting(data.IterableDataset):
    """0 ... n - 1; each worker says who it is."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        start = 0 if info is None else 100 * info.id
        return iter(range(start, start + self.n + (0 if info is None else info.id)))


def test_iterable():
    assert batches(Counting(5), batch_size=2) == [[0, 1], [2, 3], [4]]
    assert batches(Counting(5), batch_size=2, drop_last=True) == [[0, 1], [2, 3]]
    assert batches(Counting(2), batch_size=None) == [0, 1]


def test_an_iterable_that_is_longer_than_it_says_warns():
    class Liar(Counting):
        def __len__(self):
            return 2

    loader = data.DataLoader(Liar(3))
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="Length of IterableDataset"):
        assert len(list(loader)) == 3


# ------------------------------------------------------------------- workers
class Noisy(data.Dataset):
    def __len__(self):
        return 11

    def __getitem__(self, i):
        info = data.get_worker_info()
        assert info.num_workers == 3
        assert info.seed == torch.initial_seed()
        return i, info.id, torch.rand(1), torch.randn(2)


@pytest.mark.wengert_only
def test_workers_draw_from_streams_of_their_own():
    torch.manual_seed(5)
    loader = data.DataLoader(Noisy(), batch_size=2, shuffle=True, num_workers=3)
    got = [plain(b) for b in loader]
    # the same by hand: base seed, order, then one generator a worker
    torch.manual_seed(5)
    base = torch.empty((), dtype=torch.int64).random_().item()
    order = list(data.BatchSampler(data.RandomSampler(range(11)), 2, False))
    streams = [torch.Generator().manual_seed(base + k) for k in range(3)]
    for k, (batch, indices) in enumerate(zip(got, order)):
        g = streams[k % 3]
        noise = [(torch.rand(1, generator=g), torch.randn(2, generator=g)) for _ in indices]
        assert batch == [
            indices, [k % 3] * len(indices),
            [n[0].tolist() for n in noise], [n[1].tolist() for n in noise],
        ]  # fmt: skip
    assert torch.get_rng_state().shape == (5056,)


@pytest.mark.wengert_only
def test_workers_keep_the_order():
    class Slow(Squares):
        def __getitem__(self, i):
            time.sleep(0.02 if i % 4 == 0 else 0)
            return i

    expected = [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    assert batches(Slow(9), batch_size=2, num_workers=3) == expected
    assert sorted(batches(Slow(9), batch_size=2, num_workers=3, in_order=False)) == expected


@pytest.mark.wengert_only
def test_iterable_with_workers():
    # worker 1 has one sample more; it goes on alone once worker 0 has ended
    expected = [[0, 1], [100, 101], [2], [102, 103]]
    assert batches(Counting(3), batch_size=2, num_workers=2) == expected


@pytest.mark.wengert_only
def test_persistent_workers():
    started = []
    loader = data.DataLoader(
        Counting(2), num_workers=2, persistent_workers=True, worker_init_fn=started.append
    )
    first = plain(list(loader))
    half = iter(loader)
    next(half)
    assert plain(list(loader)) == first == [[0], [100], [1], [101], [102]]
    assert sorted(started) == [0, 1]


def workers_left():
    """How many worker threads there are, after waiting up to two seconds for there to be none."""
    for _ in range(100):
        left = sum(t.name.startswith("DataLoader worker") for t in threading.enumerate())
        if not left:
            break
        time.sleep(0.02)
    return left


@pytest.mark.wengert_only
def test_threads_end():
    assert workers_left() == 0
    loader = data.DataLoader(range(50), num_workers=4)
    abandoned = iter(loader)
    next(abandoned)
    kept = data.DataLoader(range(50), num_workers=2, persistent_workers=True)
    list(kept)
    assert sum(t.name.startswith("DataLoader worker") for t in threading.enumerate()) == 6
    del loader, abandoned, kept
    gc.collect()
    assert workers_left() == 0
    assert data.get_worker_info() is None


@pytest.mark.wengert_only
def test_errors_in_workers():
    class Broken(Squares):
        def __getitem__(self, i):
            if i == 3:
                raise KeyError("no sample 3")
            return i

    loader = iter(data.DataLoader(Broken(6), num_workers=2))
    assert plain([next(loader) for _ in range(3)]) == [[0], [1], [2]]
    with pytest.raises(KeyError, match="no sample 3") as caught:
        next(loader)
    assert caught.value.__notes__ == ["Caught in DataLoader worker 1 of 2."]
    assert plain(next(loader)) == [4]

    def refuse(worker):
        raise ValueError(f"not starting {worker}")

    with raises(ValueError, "not starting 0"):
        list(data.DataLoader(range(3), num_workers=1, worker_init_fn=refuse))


@pytest.mark.wengert_only
def test_a_worker_that_takes_too_long():
    class Stuck(Squares):
        def __getitem__(self, i):
            time.sleep(0.5)
            return i

    with raises(RuntimeError, "DataLoader timed out after 0.05 seconds"):
        list(data.DataLoader(Stuck(2), num_workers=1, timeout=0.05))


@pytest.mark.wengert_only
def test_workers_record_gradients_as_the_program_does():
    w = torch.ones(1, requires_grad=True)

    class Recorded(Squares):
        def __getitem__(self, i):
            return (w * i).requires_grad

    assert batches(Recorded(2), num_workers=1) == [[True], [True]]
