"""Modules that hold modules and parameters: Sequential, ModuleList, ModuleDict, parameter containers."""

from __future__ import annotations

from collections import OrderedDict

from against import raises, torch

nn = torch.nn


def test_sequential():
    s = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh())
    assert len(s) == 3
    assert isinstance(s[-1], nn.Tanh)
    assert [type(m).__name__ for m in s[:2]] == ["Linear", "ReLU"]
    del s[1]
    assert list(s._modules) == ["0", "1"]
    s.append(nn.ReLU()).insert(0, nn.Identity())
    assert [type(m).__name__ for m in s] == ["Identity", "Linear", "Tanh", "ReLU"]
    assert isinstance(s.pop(0), nn.Identity)
    assert len(s + s) == 6
    assert len(2 * s) == 6
    s *= 2
    s.extend([nn.Tanh()])
    assert len(s) == 7
    s[0] = nn.ReLU()
    assert isinstance(s[0], nn.ReLU)
    named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert named.b(torch.zeros(1)).item() == 0
    assert [n for n, _ in named[1:].named_children()] == ["b"]
    for bad, error, text in [
        (lambda: s[9], IndexError, "index 9 is out of range"),
        (lambda: s["a"], TypeError, "'str' object cannot be interpreted as an integer"),
        (lambda: s + 3, ValueError, "add operator supports only objects of Sequential class"),
        (lambda: s * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda: s * "a", TypeError, "unsupported operand type(s) for *"),
        (lambda: s.insert(99, nn.ReLU()), IndexError, "Index out of range: 99"),
        (lambda: s.insert(0, 3), AssertionError, "module should be of type"),
        (lambda: s.append(3), TypeError, "int is not a Module subclass"),
        (lambda: nn.Sequential(3), TypeError, "int is not a Module subclass"),
    ]:
        with raises(error, text):
            bad()
    assert len(s) == 7


def test_module_list():
    m = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    m += [nn.ReLU()]
    m.insert(2, nn.Identity())
    assert [type(k).__name__ for k in m] == ["ReLU", "Tanh", "Identity", "ReLU"]
    assert isinstance(m.pop(-1), nn.ReLU)
    assert isinstance(m[:2], nn.ModuleList)
    del m[0]
    assert list(m._modules) == ["0", "1"]
    assert len(m + m) == 4
    with raises(TypeError, "ModuleList.extend should be called with an iterable, but got int"):
        m.extend(3)
    with raises(IndexError, "index 5 is out of range"):
        _ = m[5]
    with raises(NotImplementedError, 'Module [ModuleList] is missing the required "forward"'):
        m(1)


def test_module_dict():
    d = nn.ModuleDict([["a", nn.ReLU()], ["b", nn.Tanh()]])
    assert isinstance(d.pop("a"), nn.ReLU)
    assert list(d) == ["b"]
    assert "b" in d
    d.update({"c": nn.ReLU()})
    d["e"] = nn.ReLU()
    assert len(d) == 3
    assert list(d.keys()) == ["b", "c", "e"]
    assert [type(v).__name__ for v in d.values()] == ["Tanh", "ReLU", "ReLU"]
    del d["c"]
    d.update(nn.ModuleDict({"x": nn.ReLU()}))
    assert [k for k, _ in d.items()] == ["b", "e", "x"]
    d.clear()
    assert len(d) == 0
    with raises(KeyError, "a"):
        _ = d["a"]
    with raises(TypeError, "ModuleDict update sequence element #0 should be Iterable"):
        d.update([3])
    with raises(ValueError, "ModuleDict update sequence element #0 has length 1; 2 is required"):
        d.update([("a",)])
    with raises(
        TypeError, "ModuleDict.update should be called with an iterable of key/value pairs"
    ):
        d.update(3)
    with raises(KeyError, "attribute 'keys' already exists"):
        nn.ModuleDict({"keys": nn.ReLU()})


def test_parameter_list():
    items = nn.ParameterList([nn.Parameter(torch.zeros(2)), 3])
    items.append(torch.ones(1))
    assert len(items) == 3
    assert [n for n, _ in items.named_parameters()] == ["0", "2"]
    assert isinstance(items[2], nn.Parameter)
    items[0] = torch.ones(3)
    items += [torch.zeros(1)]
    assert repr(items) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 3]\n"
        "    (1): Object of type: int\n"
        "    (2): Parameter containing: [torch.float32 of size 1]\n"
        "    (3): Parameter containing: [torch.float32 of size 1]\n"
        ")"
    )
    assert len(items[1:3]) == 2
    with raises(IndexError, "index 9 is out of range"):
        items[9] = 1
    with raises(TypeError, "ParameterList.extend should be called with an iterable, but got int"):
        nn.ParameterList(3)
    with raises(RuntimeError, "ParameterList should not be called."):
        items(1)


def test_parameter_dict():
    d = nn.ParameterDict({"a": torch.zeros(2, 3), "b": 2})
    assert list(d) == ["a", "b"]
    assert d["a"].requires_grad
    assert d.pop("b") == 2
    assert d.get("q", 5) == 5
    assert d.setdefault("r", torch.ones(1)).requires_grad
    assert repr(d) == (
        "ParameterDict(\n"
        "    (a): Parameter containing: [torch.FloatTensor of size 2x3]\n"
        "    (r): Parameter containing: [torch.FloatTensor of size 1]\n"
        ")"
    )
    assert d.popitem()[0] == "r"
    assert list(d | {"z": torch.ones(1)}) == ["a", "z"]
    assert list(d.copy().state_dict()) == ["a"]
    assert list(nn.ParameterDict.fromkeys(d, ["k"], torch.ones(1))) == ["k"]
    assert list(reversed(nn.ParameterDict({"a": 1, "b": 2}))) == ["b", "a"]
    d.clear()
    assert len(d) == 0
    with raises(TypeError, "cannot be used as a key as it is not a string (type is 'int')"):
        d[1] = torch.ones(1)
    with raises(RuntimeError, "ParameterDict should not be called."):
        d(1)
