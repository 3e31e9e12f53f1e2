"""The profiler: contract rows A-080 to A-089. Layouts are exact, times are any times."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
import threading

import pytest
from against import REAL, leaf, raises, torch

profiler = torch.autograd.profiler
util = torch.autograd.profiler_util


def rows(prof, **options):
    return {row.key: row for row in prof.key_averages(**options)}


def training_step(**options):
    x, y = leaf(2, 3), torch.ones(2, 3) * 2
    with profiler.profile(**options) as prof:
        (x * y).sum().backward()
    return prof


# ------------------------------------------------------------------- what is noted
def test_A_080_calls_are_counted_and_timed():
    x = torch.ones(2, 3)
    with profiler.profile() as prof:
        for _ in range(5):
            y = x * x
        y.exp()
    table = rows(prof)
    assert (table["aten::mul"].count, table["aten::exp"].count) == (5, 1)
    assert table["aten::mul"].cpu_time_total >= table["aten::mul"].cpu_time > 0
    assert prof.self_cpu_time_total > 0
    assert prof.total_average().key == "Total"
    assert prof.total_average().count == 6
    events = prof.function_events
    assert [e.name for e in events] == ["aten::mul"] * 5 + ["aten::exp"]
    assert all(a.time_range.end <= b.time_range.start for a, b in itertools.pairwise(events))


def test_A_080_nothing_is_watched_outside():
    x = torch.ones(2)
    with profiler.profile() as prof:
        x * x
    x * x
    assert [e.name for e in prof.function_events] == ["aten::mul"]


def test_A_080_switched_off():
    with profiler.profile(enabled=False) as prof:
        torch.ones(2) * 2
    assert prof is None


def test_A_080_a_profile_runs_once():
    prof = profiler.profile()
    assert str(prof) == "<unfinished torch.autograd.profile>"
    with prof:
        torch.ones(2) * 2
    with raises(RuntimeError, "Profiler context manager is not reentrant"):
        prof.__enter__()
    assert "aten::mul" in str(prof)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_A_080_there_is_no_device():
    with (
        pytest.warns(FutureWarning, match="The attribute `use_cuda` will be deprecated soon"),
        pytest.warns(UserWarning, match="CUDA is not available, disabling CUDA profiling"),
        profiler.profile(use_cuda=True) as prof,
    ):
        torch.ones(2) * torch.ones(2)
    assert "aten::mul" in rows(prof)
    with pytest.warns(UserWarning, match="The abacus is not a valid device option."):
        profiler.profile(use_device="abacus")


def test_A_080_an_error_in_the_block_ends_profiling():
    x = torch.ones(2)
    with raises(ValueError, "boom"), profiler.profile() as prof, profiler.record_function("label"):
        x * x
        raise ValueError("boom")
    x * x
    assert [e.name for e in prof.function_events] == ["label", "aten::mul"]


def test_A_080_an_error_in_a_call_ends_its_event():
    with profiler.profile() as prof:
        with pytest.raises(RuntimeError):
            torch.ones(2, 3) @ torch.ones(2, 3)
        torch.ones(2) * torch.ones(2)
    product = prof.function_events[-1]
    assert product.name == "aten::mul"
    assert product.cpu_parent is None


def test_A_087_backward_rows():
    prof = training_step()
    table = rows(prof)
    for name in ("MulBackward0", "SumBackward0", "torch::autograd::AccumulateGrad"):
        assert table[name].count == 1
        outer = table["autograd::engine::evaluate_function: " + name]
        assert outer.count == 1
        assert outer.cpu_time_total >= table[name].cpu_time_total
    events = {e.name: e for e in reversed(prof.function_events)}  # the first of each name
    inner = events["MulBackward0"]
    assert inner.cpu_parent.name == "autograd::engine::evaluate_function: MulBackward0"
    assert inner.scope == 1
    assert inner.sequence_nr == events["aten::mul"].sequence_nr >= 0


def test_A_087_custom_functions():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with profiler.profile() as prof:
        Twice.apply(leaf(2)).sum().backward()
    assert {"Twice", "TwiceBackward"} <= rows(prof).keys()


def test_A_081_labels():
    @profiler.record_function("decorated")
    def work(x):
        return x * x

    with profiler.profile() as prof:
        with profiler.record_function("outer"), profiler.record_function("inner"):
            work(torch.ones(2))
        work(torch.ones(2))
    table = rows(prof)
    assert (table["outer"].count, table["inner"].count, table["decorated"].count) == (1, 1, 2)
    events = {e.name: e for e in prof.function_events}
    assert events["inner"].cpu_parent is events["outer"]
    assert events["outer"].is_user_annotation
    assert table["outer"].self_cpu_time_total <= table["outer"].cpu_time_total


def test_A_081_labels_without_a_profiler():
    with profiler.record_function("nobody listens"):
        assert (torch.ones(2) + 1).tolist() == [2.0, 2.0]


def test_A_080_shapes():
    prof = training_step(record_shapes=True)
    averages = prof.key_averages(group_by_input_shape=True)
    assert next(a.input_shapes for a in averages if a.key == "aten::mul") == [[2, 3], [2, 3]]
    assert all(a.input_shapes == "" for a in prof.key_averages())
    shapes = {e.name: e.input_shapes for e in prof.function_events}
    assert shapes["MulBackward0"] == [[2, 3]]


def test_A_080_memory():
    x, y = torch.ones(256), torch.ones(256)
    with profiler.profile(profile_memory=True) as prof, profiler.record_function("block"):
        z = x * y
        z = z / y
    table = rows(prof)
    assert table["aten::mul"].self_cpu_memory_usage == 1024
    assert table["aten::div"].cpu_memory_usage == 1024
    assert table["block"].cpu_memory_usage == 1024  # the product was freed inside
    assert z.numel() == 256
    header = prof.key_averages().table().splitlines()[1]
    assert "       CPU Mem  Self CPU Mem    # of Calls  " in header
    assert prof.total_average().self_cpu_memory_usage >= 1024


def test_A_080_memory_freed_between_calls():
    x = torch.ones(256)
    with profiler.profile(profile_memory=True) as prof:
        y = x * x
        del y
    assert rows(prof)["[memory]"].cpu_memory_usage == -1024


def test_A_080_flops():
    x, w = torch.ones(2, 3), torch.ones(3, 4)
    with profiler.profile(with_flops=True) as prof:
        x @ w
        x * x
    table = rows(prof)
    assert table["aten::mm"].flops == 2 * 2 * 3 * 4
    assert table["aten::mul"].flops == 6
    assert "Total FLOPs" in prof.key_averages().table()


def test_A_080_pausing():
    x = torch.ones(2)
    with profiler.profile() as prof:
        x * x
        prof.toggle_collection_dynamic(False, [])
        x.exp()
        prof.toggle_collection_dynamic(True, [])
        x / x
    names = [e.name for e in prof.function_events]
    assert names.count("aten::mul") == names.count("aten::div") == 1
    assert REAL or "aten::exp" not in names


# ------------------------------------------------------------------- the table
EVENTS = [
    {"id": 1, "name": "aten::mul", "thread": 1, "start_us": 0.0, "end_us": 10.0},
    {"id": 2, "name": "aten::add", "thread": 1, "start_us": 2.0, "end_us": 4.5},
    {"id": 3, "name": "aten::add", "thread": 1, "start_us": 20.0, "end_us": 5004.5},
    {"id": 4, "name": "second", "thread": 1, "start_us": 6000.0, "end_us": 6000000.5},
]


def event_list(events, module=util, **options):
    made = []
    for e in events:
        extra = {k: v for k, v in e.items() if k not in EVENTS[0]}
        first = [e[k] for k in EVENTS[0]]
        made.append(module.FunctionEvent(*first, **{"flops": 0, "stack": [], **extra}))
    found = module.EventList(made, **options)
    found._build_tree()
    return found


RULE = "-------------" + "  ------------" * 6 + "  \n"
TABLE = (
    RULE + "         Name    Self CPU %      Self CPU   CPU total %     CPU total  CPU time avg"
    "    # of Calls  \n"
    + RULE + "       second        99.92%        5.994s        99.92%        5.994s        5.994s"
    "             1  \n"
    "    aten::add         0.08%       4.987ms         0.08%       4.987ms       2.494ms"
    "             2  \n"
    "    aten::mul         0.00%       7.500us         0.00%      10.000us      10.000us"
    "             1  \n" + RULE + "Self CPU time total: 5.999s\n"
)  # fmt: skip


def test_A_087_the_layout():
    averages = event_list(EVENTS).key_averages()
    assert averages.table(sort_by="self_cpu_time_total") == TABLE


def test_A_087_limits_and_headers():
    averages = event_list(EVENTS).key_averages()
    lines = averages.table(row_limit=1, header="My table").splitlines()
    assert set(lines[0]) == {"="}
    assert len(lines[0]) == len(RULE) - 3
    assert lines[1] == "My table"
    assert len(lines) == 2 + 3 + 1 + 2
    assert averages.table(row_limit=-1).count("aten::") == 2
    tops = event_list(EVENTS).table(top_level_events_only=True)
    assert "This report only display top-level ops statistics" in tops
    assert tops.count("aten::add") == 1


def test_A_087_long_names_are_cut():
    label = "a label that is much longer than the fifty-five characters allowed"
    table = event_list([{**EVENTS[0], "name": label}]).table()
    assert "a label that is much longer than the fifty-five char...  " in table
    narrow = event_list([{**EVENTS[0], "name": label}]).table(max_name_column_width=20)
    assert "a label that is m...  " in narrow


def test_A_087_sorting():
    averages = event_list(EVENTS).key_averages()

    def order(key):
        return re.findall(r"^ *(\S+) .*%", averages.table(sort_by=key), re.MULTILINE)[1:]

    assert order("count")[0] == "aten::add"
    assert order("cpu_time_total") == order("cpu_time") == ["second", "aten::add", "aten::mul"]
    with raises(AttributeError, "'FunctionEventAvg' object has no attribute 'nonsense'"):
        averages.table(sort_by="nonsense")


def test_an_empty_table():
    assert util.EventList([]).table() == ""
    with profiler.profile() as prof:
        pass
    assert prof.key_averages().table() == ""


def random_events(count):
    """Events that make every branch of the table: long names, stacks, wide shapes, big numbers."""
    pick = random.Random(count).choice
    start, events = 0.0, []
    for k in range(count):
        begin = start + pick([0, 1, 2.5])
        length = pick([0.0, 0.5, 10.0, 999.9996, 1000.0, 54321.0, 1e6, 2.5e7])
        start = pick([begin, begin + length / 3, begin + length + 1])
        events.append(
            {
                "id": k + 1,
                "name": "n" * pick([1, 9, 16, 17, 18, 51, 52, 53, 55, 60]),
                "thread": 1,
                "start_us": begin,
                "end_us": begin + length,
                "input_shapes": pick([[], [[2, 3]], [[2] * pick(range(1, 40))]]),
                "stack": pick(
                    [[], ["a.py(1): f"], [f"b.py({j}): {'g' * pick([1, 90])}" for j in range(3)]]
                ),
                "cpu_memory_usage": pick([0, 24, 1023, -3000, 5 * 2**20, 3 * 2**30]),
                "flops": pick([0, 0, 999, 1000, 1500, 2 * 10**6, 7 * 10**15, 10**19]),
            }
        )
    return events


@pytest.mark.torch
@pytest.mark.wengert_only
def test_tables_are_those_of_pytorch_to_the_byte():
    pytest.importorskip("torch")
    from torch.autograd import profiler_util as theirs

    tables = [
        {},
        {"row_limit": 2},
        {"row_limit": -1, "max_name_column_width": 20, "header": "title"},
        {"max_src_column_width": 30, "max_shapes_column_width": 15, "sort_by": "count"},
        {"top_level_events_only": True, "header": "title", "sort_by": "self_cpu_time_total"},
        {"max_name_column_width": None, "max_shapes_column_width": None},
        {"time_unit": "ms"},
    ]
    groups = [{}, {"group_by_input_shapes": True}, {"group_by_stack_n": 2}]
    for count in range(1, 60):
        events = random_events(count % 9 + 1) if count > 8 else random_events(count)
        if count % 2:  # PyTorch exchanges the cells of these two columns when both are there
            events = [{**e, "stack": []} for e in events]
        options = {"profile_memory": bool(count % 3), "with_flops": bool(count % 2)}
        a, b = event_list(events, theirs, **options), event_list(events, util, **options)
        assert repr(a.total_average()) == repr(b.total_average())
        for table in tables:
            assert a.table(**table) == b.table(**table)
            for group in groups:
                want, have = a.key_averages(**group), b.key_averages(**group)
                assert want.table(**table) == have.table(**table)


@pytest.mark.wengert_only
def test_flops_and_stacks_stand_in_their_own_columns():
    table = event_list(
        [{**EVENTS[0], "stack": ["a.py(1): f"], "flops": 5}], with_flops=True
    ).table()
    header, cells = table.splitlines()[1], table.splitlines()[3]
    assert cells[header.index("Source Location") :].startswith("a.py(1): f")
    assert cells.rstrip().endswith("5.000")


def test_events_know_their_children():
    events = event_list(EVENTS)
    first, inside = events[0], events[1]
    assert first.cpu_children == [inside]
    assert inside.cpu_parent is first
    assert (first.cpu_time_total, first.self_cpu_time_total) == (10.0, 7.5)
    assert first.cpu_time_str == "10.000us"
    assert events.self_cpu_time_total == 5998995.0


def test_averages_can_be_added():
    averages = event_list(EVENTS).key_averages()
    add = averages[1]
    add += event_list(EVENTS).key_averages()[1]
    assert (add.key, add.count) == ("aten::add", 4)
    with pytest.raises(AssertionError):
        add.add(averages[0])


# ------------------------------------------------------------------- traces and stacks
def trace_of(prof, path):
    prof.export_chrome_trace(str(path))
    return json.loads(path.read_text(encoding="utf-8"))


def test_A_088_the_trace(tmp_path):
    with profiler.profile(record_shapes=True) as prof, profiler.record_function("label"):
        (leaf(2, 3) * torch.ones(2, 3)).sum().backward()
    trace = trace_of(prof, tmp_path / "trace.json")
    assert {"schemaVersion", "deviceProperties", "trace_id", "displayTimeUnit"} <= trace.keys()
    assert {"baseTimeNanoseconds", "traceEvents", "traceName"} <= trace.keys()
    events = trace["traceEvents"]
    assert {e["ph"] for e in events} >= {"X", "M", "s", "f", "i"}
    spans = {e["name"]: e for e in events[::-1] if e["ph"] == "X" and e["cat"] != "Trace"}
    assert spans["label"]["cat"] == "user_annotation"
    product = spans["aten::mul"]
    assert product["cat"] == "cpu_op"
    assert product["args"]["Input Dims"] == [[2, 3], [2, 3]]
    assert product["args"]["Input type"] == ["float", "float"]
    assert product["args"]["Input Strides"] == [[3, 1], [3, 1]]
    label = spans["label"]
    assert label["ts"] <= product["ts"]
    assert product["ts"] + product["dur"] <= label["ts"] + label["dur"] + 0.01


def test_A_088_arrows_lead_from_calls_to_their_backward(tmp_path):
    trace = trace_of(training_step(), tmp_path / "trace.json")["traceEvents"]
    spans = [e for e in trace if e["ph"] == "X" and e.get("cat") == "cpu_op"]
    starts = {e["id"]: e for e in trace if e["ph"] == "s"}
    ends = {e["id"]: e for e in trace if e["ph"] == "f"}
    assert starts.keys() == ends.keys()
    pairs = set()
    for number, start in starts.items():
        end = ends[number]
        assert start["cat"] == end["cat"] == "fwdbwd"
        assert end["bp"] == "e"
        call = [s["name"] for s in spans if s["ts"] == start["ts"]]
        node = [s["name"] for s in spans if s["ts"] == end["ts"]]
        pairs.add((call[0], node[-1]))
    assert pairs == {("aten::mul", "MulBackward0"), ("aten::sum", "SumBackward0")}


def test_A_088_memory_in_the_trace(tmp_path):
    x = torch.ones(256)
    with profiler.profile(profile_memory=True) as prof:
        y = x * x
    del y
    trace = trace_of(prof, tmp_path / "trace.json")["traceEvents"]
    (made,) = [e for e in trace if e["name"] == "[memory]" and e["args"]["Bytes"] == 1024]
    assert made["ph"] == "i"


@pytest.mark.wengert_only
def test_traces_may_be_compressed_and_carry_metadata(tmp_path):
    path = tmp_path / "trace.json.gz"
    training_step().export_chrome_trace(str(path), {"run": 7})
    with gzip.open(path, "rt", encoding="utf-8") as file:
        assert json.load(file)["run"] == 7


@pytest.mark.wengert_only
def test_the_trace_of_a_list_of_events(tmp_path):
    path = tmp_path / "trace.json"
    event_list(EVENTS).export_chrome_trace(str(path))
    spans = [e for e in json.loads(path.read_text())["traceEvents"] if e["ph"] == "X"]
    assert [s["dur"] for s in spans] == [10.0, 2.5, 4984.5, 5994000.5]


def test_A_080_stacks_of_events(tmp_path):
    events = [{**EVENTS[0], "stack": ["a.py(1): f", "b.py(2): g"]}, {**EVENTS[2], "stack": []}]
    path = tmp_path / "stacks.txt"
    event_list(events).export_stacks(str(path), "self_cpu_time_total")
    assert path.read_text() == "b.py(2):_g;a.py(1):_f 10\n"
    with raises(ValueError, "metric should be one of: ['self_cpu_time_total',"):
        event_list(events).export_stacks(str(path), "colour")
    with raises(AssertionError, "export_stacks() requires with_stack=True"):
        profiler.profile().export_stacks(str(path))


@pytest.mark.wengert_only
def test_stacks_name_the_users_lines(tmp_path):
    with profiler.profile(with_stack=True) as prof:
        torch.ones(2) * torch.ones(2)
    (event,) = prof.function_events
    assert re.match(r".*test_profiler.py\(\d+\): test_stacks_name_the_users_lines", event.stack[0])
    assert "Source Location" in prof.key_averages(group_by_stack_n=1).table()
    prof.export_stacks(str(tmp_path / "stacks.txt"))
    assert "test_stacks_name_the_users_lines" in (tmp_path / "stacks.txt").read_text()


# ------------------------------------------------------------------- ours
@pytest.mark.wengert_only
def test_names_are_pytorchs():
    x = leaf(2, 3)
    calls = {
        "aten::mul": lambda: 2 * x,
        "aten::pow": lambda: x**2,
        "aten::select": lambda: x[0],
        "aten::slice": lambda: x[:1],
        "aten::index": lambda: x[[0]],
        "aten::_to_copy": lambda: x.double(),
        "aten::_softmax": lambda: x.softmax(1),
        "aten::t": lambda: x.t(),
        "aten::gt": lambda: x > 0,
        "aten::argmax": lambda: x.argmax(),
    }
    for name, call in calls.items():
        with profiler.profile() as prof:
            call()
        assert [e.name for e in prof.function_events] == [name]


@pytest.mark.wengert_only
def test_profiles_nest_and_leave_nothing_behind():
    from wengert.autograd import profiler_record
    from wengert.core import state

    x = leaf(2)
    with profiler.profile() as outer:
        x * x
        with profiler.profile() as inner:
            x.exp().sum().backward()
        x / x
    assert [e.name for e in inner.function_events][:2] == ["aten::exp", "aten::sum"]
    assert {"aten::mul", "aten::exp", "ExpBackward0", "aten::div"} <= rows(outer).keys()
    assert (state.MODE, state.ANOMALY, profiler_record.active) == (None, None, ())


@pytest.mark.wengert_only
def test_threads_have_numbers_of_their_own():
    x = torch.ones(2)
    with profiler.profile() as prof:
        thread = threading.Thread(target=lambda: x * x)
        thread.start()
        thread.join()
        x / x
    threads = {e.name: e.thread for e in prof.function_events}
    assert threads["aten::mul"] != threads["aten::div"]


@pytest.mark.wengert_only
def test_an_unfinished_profile_says_so(tmp_path):
    with raises(RuntimeError, "didn't finish running"):
        profiler.profile().export_chrome_trace(str(tmp_path / "trace.json"))


@pytest.mark.wengert_only
def test_profiling_with_anomaly_detection():
    with torch.autograd.set_detect_anomaly(True), profiler.profile() as prof:
        x = leaf(2)
        (x * x).sum().backward()
    assert "MulBackward0" in rows(prof)
    assert x.grad.tolist() == [2.0, 2.0]


# ------------------------------------------------------------------- torch.profiler
again = pytest.mark.skipif(REAL, reason="PyTorch crashes when it profiles often in one process")


def steps(plan, count):
    windows = []
    x = torch.ones(2)

    def ready(prof):
        table = {row.key: row.count for row in prof.key_averages()}
        windows.append((prof.step_num, table.get("aten::mul", 0)))

    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], schedule=plan, on_trace_ready=ready
    ) as prof:
        for _ in range(count):
            x * x
            prof.step()
    return windows


@again
@pytest.mark.parametrize(
    ("plan", "count", "windows"),
    [
        (None, 3, [(3, 3)]),
        ({"wait": 1, "warmup": 1, "active": 2, "repeat": 1}, 8, [(4, 2)]),
        ({"wait": 1, "warmup": 1, "active": 2, "repeat": 2}, 12, [(4, 2), (8, 2)]),
        ({"wait": 1, "warmup": 1, "active": 2, "repeat": 2}, 7, [(4, 2), (7, 1)]),
        ({"wait": 0, "warmup": 1, "active": 1}, 4, [(2, 1), (4, 1)]),
        ({"wait": 2, "warmup": 1, "active": 1, "skip_first": 2}, 9, [(6, 1), (9, 0)]),
    ],
)
def test_A_089_schedules(plan, count, windows):
    schedule = None if plan is None else torch.profiler.schedule(**plan)
    assert steps(schedule, count) == windows


def test_A_089_actions():
    plan = torch.profiler.schedule(wait=2, warmup=1, active=2, skip_first=1, skip_first_wait=1)
    assert " ".join(plan(k).name for k in range(9)) == (
        "NONE WARMUP RECORD RECORD_AND_SAVE NONE NONE WARMUP RECORD RECORD_AND_SAVE"
    )
    assert torch.profiler.supported_activities() == {torch.profiler.ProfilerActivity.CPU}


@again
def test_A_089_results(tmp_path):
    with (
        torch.profiler.profile(record_shapes=True) as prof,
        torch.profiler.record_function("label"),
    ):
        torch.ones(2) * torch.ones(2)
    assert "label" in prof.key_averages().table(sort_by="cpu_time_total", row_limit=5)
    assert {"label", "aten::mul"} <= {e.name for e in prof.events()}
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


@again
def test_A_089_a_directory_of_traces(tmp_path):
    handler = torch.profiler.tensorboard_trace_handler(str(tmp_path), worker_name="worker")
    with torch.profiler.profile(on_trace_ready=handler):
        torch.ones(2) * torch.ones(2)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("worker.")
    assert path.name.endswith(".pt.trace.json")
