"""Event files: read back with the decoder of event_files.py."""

from __future__ import annotations

import glob
import importlib
import io
import os
import struct
import wave

import numpy as np
import pytest
from against import NAME, REAL, raises, torch
from event_files import all_of, crc32c, decoded_png, events, fields, get, records

if REAL:
    pytest.importorskip("tensorboard")

board = importlib.import_module(f"{NAME}.utils.tensorboard")
SummaryWriter = board.SummaryWriter


def test_the_decoder_knows_the_standard():
    assert crc32c(b"123456789") == 0xE3069283
    assert fields(b"\x08\x96\x01\x12\x02hi") == [(1, 150), (2, b"hi")]


# ------------------------------------------------------------------ files


def test_files(tmp_path):
    writer = SummaryWriter(tmp_path, filename_suffix=".mine")
    assert str(writer.get_logdir()) == str(writer.log_dir) == str(tmp_path)
    (name,) = os.listdir(tmp_path)
    assert name.startswith("events.out.tfevents.1")
    assert name.endswith(".mine")
    writer.close()
    ((tag, step, event),) = events(tmp_path)
    assert (tag, step) == (None, 0)
    assert get(event, 3) == b"brain.Event:2"
    assert struct.unpack("<d", get(event, 1))[0] > 1.6e9


def test_the_default_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr") as writer:
        assert writer.log_dir.startswith("runs" + os.sep)
        assert writer.log_dir.endswith("_lr")
    assert len(glob.glob("runs/*_lr/events.out.tfevents.*")) == 1


def test_purging(tmp_path):
    SummaryWriter(tmp_path, purge_step=7).close()
    found = events(tmp_path)
    assert [(step, get(e, 3), get(e, 7)) for _, step, e in found] == [
        (0, b"brain.Event:2", None),
        (7, b"brain.Event:2", None),
        (7, None, b"\x08\x01"),
    ]


def test_closing_and_going_on(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("a", 1, 0)
    writer.add_scalar("a", 2, 1)
    writer.flush()
    assert [step for tag, step, _ in events(tmp_path) if tag == "a"] == [0, 1]
    assert len(os.listdir(tmp_path)) == 2
    writer.close()
    writer.close()


@pytest.mark.wengert_only
def test_events_are_handed_on(tmp_path):
    def seen():
        return sum(tag == "a" for tag, _, _ in events(tmp_path))

    writer = SummaryWriter(tmp_path, max_queue=3)
    for k in range(2):
        writer.add_scalar("a", k, k)
    assert seen() == 0
    writer.add_scalar("a", 2, 2)
    assert seen() == 3
    writer.add_scalar("a", 3, 3)
    writer.flush()
    assert seen() == 4
    writer.close()
    with SummaryWriter(tmp_path / "at_once", flush_secs=0) as writer:
        writer.add_scalar("a", 1)
        assert [tag for tag, _, _ in events(tmp_path / "at_once")] == [None, "a"]


@pytest.mark.wengert_only
def test_checksums_of_long_records():
    from wengert.utils.tensorboard import _wire

    data = np.random.RandomState(0).bytes(20000)
    for n in (0, 1, 511, 512, 4608, 4609, 5000, 20000):
        assert _wire.crc32c(data[:n]) == crc32c(data[:n])
    assert _wire.varint(-1) == b"\xff" * 9 + b"\x01"


@pytest.mark.wengert_only  # FileWriter.reopen needs an older TensorBoard there
def test_file_writer(tmp_path):
    writer = board.FileWriter(str(tmp_path))
    assert writer.get_logdir() == str(tmp_path)
    writer.close()
    with raises(ValueError, "the event file is closed: reopen() begins another one"):
        writer.add_summary(b"")
    writer.reopen()
    writer.close()
    assert len(os.listdir(tmp_path)) == 2


# ------------------------------------------------------------------ numbers


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss/train", 1.5, 3)
        writer.add_scalar("loss/train", torch.tensor([2.5]), torch.tensor(4), walltime=100.25)
        writer.add_scalar("zero", np.float64(0), -5)
        writer.add_scalar("new", 3, 1, new_style=True)
        writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
    found = events(tmp_path)[1:]
    assert [(tag, step) for tag, step, _ in found] == [
        ("loss/train", 3), ("loss/train", 4), ("zero", -5), ("new", 1), ("double", 1)
    ]  # fmt: skip
    assert [struct.unpack("<f", get(v, 2))[0] for _, _, v in found[:3]] == [1.5, 2.5, 0.0]
    assert get(found[3][2], 9, 1, 1) == b"scalars"
    assert (get(found[3][2], 8, 1), get(found[3][2], 8, 5)) == (1, struct.pack("<f", 3))
    assert (get(found[4][2], 8, 1), get(found[4][2], 8, 6)) == (2, struct.pack("<d", 0.1))
    (path,) = glob.glob(f"{tmp_path}/events*")
    assert struct.pack("<d", 100.25) in [get(e, 1) for e in records(path)]


def test_scalars_of_one_chart(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("run/14", {"a": 1.0, "b": torch.tensor(2.0)}, 5)
        writer.add_scalars("run/14", {"a": 3.0}, 6)
    a, b = (events(tmp_path / f"run_14_{name}")[1:] for name in "ab")
    assert [(t, s, struct.unpack("<f", get(v, 2))[0]) for t, s, v in a] == [
        ("run/14", 5, 1.0), ("run/14", 6, 3.0)
    ]  # fmt: skip
    assert len(b) == 1


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "float64",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
    ],
)
def test_tensors(tmp_path, dtype):
    if REAL and dtype == "float16":
        pytest.skip("its bits are those of float32 there")
    t = torch.tensor([[1, 0, 3]]).to(getattr(torch, dtype))
    with SummaryWriter(tmp_path) as writer:
        writer.add_tensor("t", t, 1)
    ((_, _, value),) = events(tmp_path)[1:]
    number, field, form = {
        "float32": (1, 5, "<f4"), "float64": (2, 6, "<f8"), "int32": (3, 7, None),
        "uint8": (4, 16, None), "int16": (5, 7, None), "int8": (6, 7, None),
        "complex64": (8, 9, "<c8"), "int64": (9, 10, None), "bool": (10, 11, None),
        "float16": (19, 13, None),
    }[dtype]  # fmt: skip
    assert get(value, 9, 1, 1) == b"tensor"
    assert get(value, 8, 1) == number
    assert [get(dim, 1) for dim in all_of(get(value, 8, 2), 2)] == [1, 3]
    content = get(value, 8, field)
    if form:
        assert np.frombuffer(content, form).tolist() == t.reshape(-1).tolist()
    elif dtype == "float16":
        assert content == b"\x80\x78\x00\x80\x84\x01"  # 0x3C00, 0, 0x4200
    else:
        assert list(content) == [int(x) for x in t.reshape(-1).tolist()]


def histogram_of(value):
    numbers = [struct.unpack("<d", get(value, 5, k) or bytes(8))[0] for k in range(1, 6)]
    return numbers, *(np.frombuffer(get(value, 5, k), "<f8").tolist() for k in (6, 7))


def test_histograms(tmp_path):
    values = np.random.RandomState(0).standard_normal(1000)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("normal", values, 1)
        writer.add_histogram("small", torch.arange(10), 2, bins=4)
        writer.add_histogram("joined", np.arange(10), 2, bins=4, max_bins=2)
        writer.add_histogram("auto", torch.tensor([0.0, 0.0, 4.0]), 2, bins="auto")
        writer.add_histogram("one", np.zeros(3), 2)
        writer.add_histogram_raw("raw", 0, 1, 3, 1.5, 1.0, [0.5, 1.0], [1, 2], 3)
    found = {tag: histogram_of(v) for tag, _, v in events(tmp_path)[1:]}
    numbers, limits, counts = found["normal"]
    assert numbers == pytest.approx(
        [values.min(), values.max(), 1000, values.sum(), (values**2).sum()]
    )
    assert len(limits) == len(counts)
    assert sum(counts) == 1000
    assert limits[0] <= values.min()
    assert limits[-1] >= values.max()
    for k in range(1, len(limits)):  # each bin holds what lies below its limit
        inside = (values >= limits[k - 1]) & (values < limits[k])
        assert counts[k] == inside.sum()
    assert found["small"][1:] == ([0, 2.25, 4.5, 6.75, 9], [0, 3, 2, 2, 3])
    assert found["joined"][1:] == ([0, 4.5, 9], [0, 5, 5])
    assert found["one"][1:] == ([0, 1e-12], [0, 3])
    assert found["raw"] == ([0, 1, 3, 1.5, 1.0], [0.5, 1.0], [1, 2])
    assert sum(found["auto"][2]) == 3


# ------------------------------------------------------------------ pictures, sounds, text


def picture_of(value):
    height, width, colors = (get(value, 4, k) for k in (1, 2, 3))
    pixels = decoded_png(get(value, 4, 4))
    assert pixels.shape == (height, width, colors)
    return pixels


@pytest.mark.wengert_only  # the decoder knows the filters that this writer uses
def test_images(tmp_path):
    r = np.random.RandomState(0)
    color, grey = r.rand(3, 4, 5).astype("f"), r.randint(0, 256, (4, 5)).astype("uint8")
    batch = r.randint(0, 256, (10, 2, 3, 3)).astype("uint8")
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("color", torch.tensor(color), 1)
        writer.add_image("grey", grey, 1, dataformats="HW")
        writer.add_image("one channel", grey[None], 1)
        writer.add_image("alpha", r.rand(4, 5, 4), 1, dataformats="HWC")
        writer.add_images("batch", batch, 1, dataformats="NHWC")
        writer.add_image_with_boxes(
            "boxes", np.zeros((3, 20, 30), "uint8"), np.array([[5.0, 4, 20, 15]]), 1
        )
    found = {tag: picture_of(v) for tag, _, v in events(tmp_path)[1:]}
    np.testing.assert_array_equal(found["color"], (color.transpose(1, 2, 0) * 255).astype("uint8"))
    np.testing.assert_array_equal(found["grey"], np.stack([grey] * 3, 2))
    np.testing.assert_array_equal(found["one channel"], found["grey"])
    assert found["alpha"].shape == (4, 5, 4)
    assert found["batch"].shape == (4, 24, 3)
    np.testing.assert_array_equal(found["batch"][:2, 3:6], batch[1])
    np.testing.assert_array_equal(found["batch"][2:, :3], batch[8])
    assert not found["batch"][2:, 6:].any()
    boxes = found["boxes"]
    assert boxes[4, 5].tolist() == boxes[15, 20].tolist() == [255, 0, 0]
    assert not boxes[10, 10].any()
    assert not boxes[..., 1:].any()


def test_figures(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(1, 0.5), dpi=40)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("figure", figure, 1, close=False)
        writer.add_figure("two", [figure, figure], 1)
    assert not pyplot.fignum_exists(figure.number)
    found = {tag: (get(v, 4, 1), get(v, 4, 2)) for tag, _, v in events(tmp_path)[1:]}
    assert found == {"figure": (20, 40), "two": (20, 80)}


def test_audio(tmp_path):
    sound = np.sin(np.arange(100) / 10.0)
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("sound", torch.tensor(sound), 1, sample_rate=8000)
    ((_, _, value),) = events(tmp_path)[1:]
    assert struct.unpack("<f", get(value, 6, 1))[0] == 8000
    assert (get(value, 6, 2), get(value, 6, 3)) == (1, 100)
    assert get(value, 6, 5) == b"audio/wav"
    with wave.open(io.BytesIO(get(value, 6, 4))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 8000, 2)
        samples = np.frombuffer(file.readframes(100), "<i2")
    np.testing.assert_allclose(samples / 32767, sound, atol=1e-4)


def test_text(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "*grüße*", 2)
    ((tag, step, value),) = events(tmp_path)[1:]
    assert (tag, step) == ("note/text_summary", 2)
    assert get(value, 8, 8).decode() == "*grüße*"
    assert get(value, 8, 1) == 7
    assert get(value, 9, 1, 1) == b"text"


# ------------------------------------------------------------------ plugins


def test_hparams(tmp_path):
    settings = {"lr": 0.1, "size": 4, "name": "x", "flag": True, "none": None}
    metrics = {"hparam/acc": 10, "hparam/loss": torch.tensor(2.0)}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(settings, metrics, {"lr": [0.1, 0.2]}, run_name="first", global_step=3)
    found = {tag: v for tag, _, v in events(tmp_path / "first")[1:]}
    assert list(found) == [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info",
        "hparam/acc", "hparam/loss",
    ]  # fmt: skip
    assert get(found["_hparams_/experiment"], 9, 1, 1) == b"hparams"
    experiment = get(found["_hparams_/experiment"], 9, 1, 2, 2)
    described = all_of(experiment, 4)
    assert [(get(d, 1), get(d, 4)) for d in described] == [
        (b"lr", 3), (b"size", 3), (b"name", 1), (b"flag", 3)
    ]  # fmt: skip
    assert [get(v, 2) for v in all_of(get(described[0], 5), 1)] == [
        struct.pack("<d", x) for x in (0.1, 0.2)
    ]
    assert [get(m, 1, 2) for m in all_of(experiment, 5)] == [b"hparam/acc", b"hparam/loss"]
    started = all_of(get(found["_hparams_/session_start_info"], 9, 1, 2, 3), 1)
    values = {get(entry, 1): get(entry, 2, 2) or get(entry, 2, 3) for entry in started}
    assert values == {
        b"lr": struct.pack("<d", 0.1), b"size": struct.pack("<d", 4), b"name": b"x",
        b"flag": struct.pack("<d", 1),
    }  # fmt: skip
    assert get(found["_hparams_/session_end_info"], 9, 1, 2, 4, 1) == 1
    assert struct.unpack("<f", get(found["hparam/loss"], 2))[0] == 2


def test_hparams_beside_other_values(tmp_path):
    """What many scripts do: the three summaries into the event file of the run itself."""
    from_summary = importlib.import_module(f"{NAME}.utils.tensorboard.summary").hparams
    with SummaryWriter(tmp_path) as writer:
        for content in from_summary({"lr": 0.1}, {"acc": 0}):
            writer.file_writer.add_summary(content)
        writer.add_scalar("acc", 0.5)
    assert [tag for tag, _, _ in events(tmp_path)[1:]] == [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "acc"
    ]  # fmt: skip


def test_pr_curve(tmp_path):
    labels, scores = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.8, 0.6, 0.4, 0.3])
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("pr", torch.tensor(labels), torch.tensor(scores), 2, num_thresholds=5)
        writer.add_pr_curve_raw("raw", [2, 1], [1, 0], [0, 1], [0, 1], [0.5, 1], [1, 0.5], 1, 2)
    first, second = (v for _, _, v in events(tmp_path)[1:])
    table = np.frombuffer(get(first, 8, 5), "<f4").reshape(6, 5)
    for k, threshold in enumerate((0, 0.25, 0.5, 0.75, 1)):
        chosen = scores >= threshold
        tp, fp = (chosen & (labels == 1)).sum(), (chosen & (labels == 0)).sum()
        assert table[:4, k].tolist() == [tp, fp, 2 - fp, 3 - tp]
        assert table[4, k] == pytest.approx(tp / (tp + fp) if chosen.any() else 0)
        assert table[5, k] == pytest.approx(tp / 3)
    assert get(first, 9, 1, 1) == b"pr_curves"
    assert get(first, 9, 1, 2) == b"\x10\x05"
    assert np.frombuffer(get(second, 8, 5), "<f4").tolist()[:4] == [2, 1, 1, 0]


def test_layouts(tmp_path):
    layout = {"A": {"many": ["Multiline", ["a", "b"]], "band": ["Margin", ["m", "lo", "hi"]]}}
    with SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars(layout)
        writer.add_custom_scalars_multilinechart(["x", "y"])
        writer.add_custom_scalars_marginchart(["x", "y", "z"])
    found = events(tmp_path)[1:]
    assert {tag for tag, _, _ in found} == {"custom_scalars__config__"}
    category = get(get(found[0][2], 8, 8), 2)
    assert get(category, 1) == b"A"
    many, band = all_of(category, 2)
    assert all_of(get(many, 2), 1) == [b"a", b"b"]
    assert [get(band, 3, 1, k) for k in (1, 2, 3)] == [b"m", b"lo", b"hi"]
    assert get(found[1][2], 8, 8, 2, 1) == b"default"


def test_meshes(tmp_path):
    points = np.arange(9, dtype="f").reshape(1, 3, 3)
    faces = torch.tensor([[[0, 1, 2]]])
    with SummaryWriter(tmp_path) as writer:
        writer.add_mesh("m", torch.tensor(points), faces=faces, config_dict={"a": 1}, global_step=2)
    found = events(tmp_path)[1:]
    assert [(tag, step) for tag, step, _ in found] == [("m_VERTEX", 2), ("m_FACE", 2)]
    assert np.frombuffer(get(found[0][2], 8, 5), "<f4").tolist() == list(range(9))
    content = get(found[1][2], 9, 1, 2)
    assert (get(content, 2), get(content, 3), get(content, 5), get(content, 6), get(content, 7)) == (
        b"m", 2, b'{"a": 1}', b"\1\1\3", 6
    )  # fmt: skip


def test_embeddings(tmp_path):
    points = np.array([[1.0, 2.5], [3.0, -4.0], [5.0, 6.0]])
    pictures = torch.rand(3, 3, 2, 2)
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(torch.tensor(points), ["a", "b", "c"], pictures, 1, "layer/one")
        writer.add_embedding(
            points[:2], [["a", 1], ["b", 2]], metadata_header=["n", "k"], global_step=2
        )
    folder = tmp_path / "00001" / "layer%2fone"
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert (folder / "tensors.tsv").read_text() == "1.0\t2.5\n3.0\t-4.0\n5.0\t6.0\n"
    assert (folder / "sprite.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "00002/default/metadata.tsv").read_text() == "n\tk\na\t1\nb\t2\n"
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert config.count("embeddings {") == 2
    assert 'tensor_name: "layer/one:00001"' in config
    assert 'image_path: "00001/layer%2fone/sprite.png"' in config
    if NAME == "wengert":
        assert decoded_png((folder / "sprite.png").read_bytes()).shape == (4, 4, 3)


# ------------------------------------------------------------------ graphs


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x, y):
        return self.head(self.body(x) + y), y * 2


@pytest.mark.wengert_only
def test_graphs(tmp_path):
    net = Net()
    with SummaryWriter(tmp_path) as writer, torch.no_grad():
        writer.add_graph(net, (torch.ones(5, 3), torch.ones(4)))
    (path,) = glob.glob(f"{tmp_path}/events*")
    (graph,) = [get(event, 4) for event in records(path) if get(event, 4) is not None]
    nodes = {
        get(node, 1).decode(): (get(node, 2).decode(), [i.decode() for i in all_of(node, 3)])
        for node in all_of(graph, 1)
    }
    assert nodes["input/input.1"] == nodes["input/input.2"] == ("IO Node", [])
    assert nodes["Net/Sequential[body]/Linear[0]/weight"] == ("Parameter", [])
    assert nodes["Net/Sequential[body]/ReLU[1]/Relu"] == (
        "Relu", ["Net/Sequential[body]/Linear[0]/Addmm"]
    )  # fmt: skip
    assert nodes["Net/Add"] == ("Add", ["Net/Sequential[body]/ReLU[1]/Relu", "input/input.2"])
    assert nodes["Net/Mul"] == ("Mul", ["input/input.2"])
    assert nodes["output/output.1"] == ("IO Node", ["Net/Linear[head]/Addmm"])
    assert nodes["output/output.2"] == ("IO Node", ["Net/Mul"])
    for name, (_, inputs) in nodes.items():
        assert set(inputs) <= set(nodes), name
    shapes = {get(n, 1): get(n, 5, 2, 1, 7) for n in all_of(graph, 1) if get(n, 5)}
    assert [get(d, 1) for d in all_of(shapes[b"Net/Linear[head]/weight"], 2)] == [2, 4]
    assert not net.head._forward_hooks
    assert net.head.weight.grad is None


@pytest.mark.wengert_only
def test_graph_errors(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with raises(RuntimeError, "this one recorded nothing"):
            writer.add_graph(torch.nn.Identity(), torch.ones(2, dtype=torch.int64))
        with raises(TypeError, "add_graph shows modules, not a int"):
            writer.add_graph(3)


def test_graph_of_a_layer_used_twice(tmp_path):
    layer = torch.nn.Linear(2, 2)
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(torch.nn.Sequential(layer, layer), torch.ones(1, 2))
    (path,) = glob.glob(f"{tmp_path}/events*")
    (graph,) = [get(event, 4) for event in records(path) if get(event, 4) is not None]
    names = [get(node, 1) for node in all_of(graph, 1)]
    assert len(names) == len(set(names))


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ("add_scalar('x', [1, 2])", NotImplementedError, "Got <class 'list'>, but numpy array or torch tensor are expected."),
        ("add_scalar('x', torch.ones(2))", AssertionError, "Tensor should contain one element (0 dimensions)."),
        ("add_scalar('x', 'y')", ValueError, "could not convert string to float"),
        ("add_histogram('x', np.array([]))", ValueError, "The input has no element."),
        ("add_image('x', np.ones((2, 3)))", AssertionError, "size of input tensor and input format are different."),
        ("add_image('x', np.ones((3, 3)), dataformats='CC')", AssertionError, "You can not use the same dimension shorthand twice."),
        ("add_hparams(3, {})", TypeError, "hparam_dict and metric_dict should be dictionary."),
        ("add_hparams({'a': [1]}, {})", ValueError, "value should be one of int, float, str, bool, or torch.Tensor"),
        ("add_hparams({'a': 1}, {}, {'a': ['x']})", TypeError, "hparam_domain_discrete[a] should be a list of same type"),
        ("add_embedding(np.ones((2, 2)), metadata=['a'])", AssertionError, "#labels should equal with #data points"),
        ("add_embedding(np.ones((2, 2)), label_img=torch.ones(3, 3, 2, 2))", AssertionError, "#images should equal with #data points"),
        ("add_embedding(np.ones(2))", AssertionError, "mat should be 2D"),
        ("add_audio('x', np.ones((2, 2, 2)))", AssertionError, "input tensor should be 1 dimensional."),
        ("add_mesh('x', np.ones((3, 3)))", ValueError, "Tensor shape should be of shape BxNx3"),
        ("add_custom_scalars_marginchart(['a'])", AssertionError, "Expected 3 tags, got 1."),
    ],
)  # fmt: skip
def test_errors(tmp_path, call, error, text):
    with SummaryWriter(tmp_path) as writer, raises(error, text):
        eval(f"writer.{call}", {"writer": writer, "torch": torch, "np": np})


@pytest.mark.wengert_only
@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("add_video('v', torch.ones(1, 2, 3, 4, 4))", "add_images"),
        ("add_onnx_graph('x')", "onnx"),
        ("add_image_with_boxes('b', torch.ones(3, 4, 4), [[0, 0, 1, 1]], labels=['a'])", "draws no labels"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, call, text):
    with SummaryWriter(tmp_path) as writer, raises(NotImplementedError, text):
        eval(f"writer.{call}", {"writer": writer, "torch": torch, "np": np})


def test_tensorboard_reads_it(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with SummaryWriter(tmp_path) as writer:
        for k in range(3):
            writer.add_scalar("loss", k / 2, k)
        writer.add_histogram("h", np.arange(5.0), 1)
        writer.add_image("i", torch.rand(3, 4, 4), 1)
        writer.add_text("t", "hello", 1)
        if not REAL:
            writer.add_graph(Net(), (torch.ones(5, 3), torch.ones(4)))
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert found.Histograms("h")[0].histogram_value.num == 5
    assert found.Images("i")[0].width == 4
    assert REAL or len(found.Graph().node) == 13
    assert found.Tensors("t/text_summary")[0].tensor_proto.string_val == [b"hello"]
