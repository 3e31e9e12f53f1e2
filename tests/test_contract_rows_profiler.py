"""Rows of contract section 2.6 that test_profiler.py leaves out: events, helpers, other tools."""

from __future__ import annotations

import gzip
import importlib
import json

import pytest
from against import NAME, REAL, raises, torch

profiler = torch.autograd.profiler
util = importlib.import_module(f"{NAME}.autograd.profiler_util")


def profiled(**options):
    x = torch.ones(2, 3, requires_grad=True)
    with profiler.profile(**options) as prof:
        with profiler.record_function("block"):
            y = (x * 2).sum()
        y.backward()
    return prof


# ------------------------------------------------------------------- events
def test_A_082_lists_of_events(tmp_path):
    events = profiled(record_shapes=True, with_stack=True).function_events
    assert isinstance(events, util.EventList)
    assert isinstance(events, list)
    assert "aten::mul" in events.table(sort_by="cpu_time_total")
    averages = events.key_averages()
    assert "aten::mul" in [a.key for a in averages]
    assert events.total_average().count > 3
    assert events.self_cpu_time_total > 0
    assert set(events.supported_export_stacks_metrics()) >= {"self_cpu_time_total"}
    events.export_chrome_trace(str(tmp_path / "trace.json"))
    assert json.loads((tmp_path / "trace.json").read_text())
    events.export_stacks(str(tmp_path / "stacks.txt"), "self_cpu_time_total")


def test_A_083_one_event():
    events = profiled(record_shapes=True).function_events
    e = next(e for e in events if e.name == "aten::mul")
    assert (e.key, e.count, e.is_async, e.scope) == ("aten::mul", 1, False, 0)
    assert e.input_shapes[0] == [2, 3]
    assert e.cpu_time == e.cpu_time_total >= e.self_cpu_time_total > 0
    assert e.cpu_parent.name == "block"
    assert e in e.cpu_parent.cpu_children
    assert e.sequence_nr >= 0
    assert e.thread == e.cpu_parent.thread
    assert e.time_range.elapsed_us() == pytest.approx(e.cpu_time_total)
    assert (e.cpu_memory_usage, e.self_cpu_memory_usage, e.stack or []) == (0, 0, [])
    back = next(e for e in events if e.name == "MulBackward0")
    assert back.sequence_nr == e.sequence_nr


def test_A_084_averages():
    x = torch.ones(2)
    with profiler.profile() as prof:
        for _ in range(3):
            x * 2
    (average,) = (a for a in prof.key_averages() if a.key == "aten::mul")
    assert isinstance(average, util.FunctionEventAvg)
    assert average.count == 3
    assert average.cpu_time == pytest.approx(average.cpu_time_total / 3)
    assert average.cpu_time_total_str.endswith("s")
    before = average.cpu_time_total
    average.add(average)
    assert (average.count, average.cpu_time_total) == (6, pytest.approx(2 * before))


# ------------------------------------------------------------------- helpers
def test_A_085_helpers():
    assert util.Interval(2, 5).elapsed_us() == 3
    kernel = util.Kernel("name", 0, 5)
    assert (kernel.name, kernel.device, kernel.duration) == ("name", 0, 5)
    table = util.StringTable()
    assert (table["words"], dict(table)) == ("words", {"words": "words"})
    assert {"grid", "stream", "is_async"} <= set(util.EventMetadata._fields)
    assert issubclass(util.FunctionEvent, util.FormattedTimesMixin)

    class Record:
        def __init__(self, start):
            self.start = start

        def start_ns(self):
            return self.start

    records = [(Record(n), n) for n in (30, 10, 20)]
    found = util.MemRecordsAcc(records).in_interval(10, 20)
    assert [n for _, n in found] == [10, 20]
    assert list(util.MemRecordsAcc([]).in_interval(0, 9)) == []


def test_A_086_unique_keys():
    unique = profiler.EnforceUnique()
    unique.see(1, "a")
    unique.see(1, "b")
    with raises(RuntimeError, "duplicate key: (1, 'a')"):
        unique.see(1, "a")


def test_A_086_counting_steps():
    tracker = profiler.KinetoStepTracker
    begin = tracker.current_step()
    assert tracker.increment_step("mine") == begin + 1
    assert tracker.increment_step("other") == begin + 2
    assert tracker.increment_step("mine") == begin + 2
    tracker._step_dict["mine"] += 5
    with pytest.warns(UserWarning, match="Profiler step count has increased more than 1"):
        assert tracker.increment_step("mine") == begin + 8
    assert tracker.erase_step_count("mine")
    assert not tracker.erase_step_count("mine")
    tracker.init_step_count("new")
    assert tracker.increment_step("new") == tracker.current_step() == begin + 9
    for name in ("new", "other"):
        tracker.erase_step_count(name)


def test_A_086_tools_of_other_hardware():
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        with profiler.emit_nvtx():
            pass
    with profiler.emit_nvtx(enabled=False):
        pass
    with profiler.emit_itt(enabled=False):
        pass
    if not REAL:  # PyTorch has ITT, and reads nvprof's databases
        with raises(RuntimeError, "Intel's profilers is not available"):
            with profiler.emit_itt():
                pass
        for read in (profiler.load_nvprof, profiler.parse_nvprof_trace):
            with raises(NotImplementedError, "traces of nvprof are about CUDA kernels"):
                read("trace.nvvp")


def test_A_086_the_profiler_of_old():
    legacy = importlib.import_module(f"{NAME}.autograd.profiler_legacy")
    with legacy.profile(record_shapes=True) as prof:
        torch.ones(2) * 2
    assert "aten::mul" in [a.key for a in prof.key_averages()]
    with legacy.profile(enabled=False):
        pass


# ------------------------------------------------------------------- torch.profiler
@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_A_089_execution_traces(tmp_path, ending):
    path = str(tmp_path / f"trace{ending}")
    observer = torch.profiler.ExecutionTraceObserver()
    assert observer.register_callback(path) is observer
    x = torch.ones(2, 3, requires_grad=True)
    x * 5  # before it starts
    observer.start()
    with torch.profiler.record_function("block"):
        y = (x * 2).sum()
    y.backward()
    observer.stop()
    x * 7
    observer.unregister_callback()
    with gzip.open(path) if ending == ".json.gz" else open(path, "rb") as file:
        trace = json.load(file)
    assert trace["schema"].startswith("1.")
    nodes = {n["id"]: n for n in trace["nodes"]}
    named = {}
    for n in nodes.values():
        named.setdefault(n["name"], []).append(n)
    (mul,) = (n for n in named["aten::mul"] if nodes[n["ctrl_deps"]]["name"] == "block")
    assert mul["inputs"]["shapes"][0] == [2, 3]
    attributes = {a["name"]: a["value"] for a in mul["attrs"]}
    back = {a["name"]: a["value"] for a in named["MulBackward0"][0]["attrs"]}
    assert attributes["seq_id"] == back["seq_id"] >= 0
    assert "[pytorch|profiler|execution_trace|thread]" in named


@pytest.mark.wengert_only
def test_A_089_the_life_of_an_execution_trace(tmp_path):
    observer = torch.profiler.ExecutionTraceObserver()
    observer.start()  # there is no file
    assert (observer.is_running(), observer.is_registered) == (False, False)
    assert observer.get_output_file_path() is None
    path = str(tmp_path / "trace.json")
    observer.register_callback(path).register_callback("elsewhere")
    assert observer.get_output_file_path() == path
    for k in range(2):
        observer.start()
        observer.start()
        assert observer.is_running()
        torch.ones(2) * k
        observer.stop()
        observer.stop()
    observer.unregister_callback()
    observer.unregister_callback()
    names = [n["name"] for n in json.loads((tmp_path / "trace.json").read_text())["nodes"]]
    assert names.count("aten::mul") == 2


def test_A_090_intel_ranges():
    itt = importlib.import_module(f"{NAME}.profiler.itt")
    assert torch.profiler.itt is itt
    assert itt.is_available() in (True, False)
    if not REAL:
        assert not itt.is_available()
        for call in (lambda: itt.range_push("x"), itt.range_pop, lambda: itt.mark("x")):
            with raises(RuntimeError, "ITT functions not installed"):
                call()
        with raises(RuntimeError, "ITT functions not installed"):
            with itt.range("x"):
                pass
