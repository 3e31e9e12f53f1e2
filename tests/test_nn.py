"""`nn.Module`: registration, walking, state dicts, conversion, printing, copying."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
from against import raises, torch

nn = torch.nn


class Net(nn.Module):
    """Two layers, a buffer and a shared activation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.act = nn.ReLU()
        self.second = nn.Linear(3, 2)
        self.again = self.act
        self.register_buffer("scale", torch.ones(2))
        self.register_buffer("cache", torch.zeros(1), persistent=False)

    def forward(self, x):
        return self.second(self.act(self.first(x))) * self.scale


# ------------------------------------------------------------------ registration


def test_attributes_register_parameters_modules_and_buffers():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "first.weight", "first.bias", "second.weight", "second.bias"]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == ["scale", "cache"]
    assert [n for n, _ in net.named_children()] == ["first", "act", "second"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "act", "second"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == [
        "", "first", "act", "second", "again"]  # fmt: skip
    assert len(list(net.modules())) == 4
    assert all(p.requires_grad for p in net.parameters())
    assert isinstance(net.first.weight, nn.Parameter)


def test_prefix_and_recurse():
    net = Net()
    assert next(net.named_parameters(prefix="net"))[0] == "net.first.weight"
    assert list(net.named_parameters(recurse=False)) == []
    assert [n for n, _ in net.first.named_parameters(recurse=False)] == ["weight", "bias"]


def test_a_shared_parameter_is_listed_once():
    net = Net()
    net.second.bias = net.second.bias
    net.tied = net.first.weight
    assert len(list(net.parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5


@pytest.mark.parametrize(
    ("value", "kind"),
    [(lambda: nn.Linear(1, 1), "module"), (lambda: nn.Parameter(torch.zeros(1)), "parameters")],
)
def test_assigning_before_init(value, kind):
    class Early(nn.Module):
        def __init__(self):
            self.x = value()

    with raises(AttributeError, f"cannot assign {kind} before Module.__init__() call"):
        Early()


def test_register_buffer_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.register_buffer("x", torch.zeros(1))

    with raises(AttributeError, "cannot assign buffer before Module.__init__() call"):
        Early()


def test_calling_without_init():
    class Never(nn.Module):
        def __init__(self):
            self.x = 1

        def forward(self, x):
            return x

    with raises(AttributeError, "'Never' object has no attribute"):
        Never()(1)


def test_replacing_a_registered_name_by_another_kind():
    layer = nn.Linear(2, 3)
    with raises(
        TypeError,
        "cannot assign 'torch.FloatTensor' as parameter 'weight' (torch.nn.Parameter or None expected)",
    ):
        layer.weight = torch.zeros(3)
    with raises(TypeError, "cannot assign 'int' as parameter 'weight'"):
        layer.weight = 3
    net = Net()
    with raises(
        TypeError, "cannot assign 'int' as child module 'first' (torch.nn.Module or None expected)"
    ):
        net.first = 3
    with raises(
        TypeError,
        "cannot assign 'int' as buffer 'scale' (torch.nn.Buffer, torch.Tensor or None expected)",
    ):
        net.scale = 3
    assert net.scale.tolist() == [1.0, 1.0]


def test_none_and_replacement_keep_the_place():
    layer = nn.Linear(2, 3)
    layer.bias = None
    assert layer.bias is None
    assert "bias" in layer._parameters
    layer.bias = nn.Parameter(torch.ones(3))
    assert list(layer.state_dict()) == ["weight", "bias"]
    net = Net()
    net.scale = torch.zeros(2)
    assert "scale" in net._buffers
    net.scale = None
    assert "scale" not in net.state_dict()
    net.first = None
    assert [n for n, _ in net.named_children()] == ["act", "second"]


def test_a_plain_attribute_becomes_a_parameter_and_back():
    module = nn.Module()
    module.w = 3
    module.w = nn.Parameter(torch.zeros(1))
    assert "w" not in module.__dict__
    del module.w
    module.w = 5
    assert module.w == 5
    assert list(module.parameters()) == []


def test_buffer_class():
    module = nn.Module()
    module.b = nn.Buffer(torch.ones(2))
    module.c = nn.Buffer(torch.ones(2), persistent=False)
    assert list(module.state_dict()) == ["b"]
    assert len(list(module.buffers())) == 2


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("a.b", KeyError, "{} name can't contain"),
        ("", KeyError, "{} name can't be empty string"),
        (3, TypeError, "{} name should be a string. Got int"),
        ("forward", KeyError, "attribute 'forward' already exists"),
    ],
)
@pytest.mark.parametrize("kind", ["parameter", "buffer", "module"])
def test_names_that_are_refused(kind, name, error, text):
    layer = nn.Linear(2, 3)
    text = text.format(kind)
    with pytest.raises(error) as caught:
        getattr(layer, f"register_{kind}")(name, None)
    assert text in caught.value.args[0]


def test_values_that_are_refused():
    layer = nn.Linear(2, 3)
    with raises(TypeError, "int is not a Module subclass"):
        layer.add_module("q", 3)
    with raises(
        TypeError, "cannot assign 'int' object to buffer 'q' (torch Tensor or None required)"
    ):
        layer.register_buffer("q", 3)
    with raises(TypeError, "cannot assign 'torch.FloatTensor' object to parameter 'q'"):
        layer.register_parameter("q", torch.zeros(3))


def test_missing_attribute():
    with raises(AttributeError, "'Linear' object has no attribute 'wieght'"):
        _ = nn.Linear(1, 1).wieght
    assert "weight" in dir(nn.Linear(1, 1))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_init_arguments():
    with raises(TypeError, "Module.__init__() takes 1 positional argument but 2 were given"):
        nn.Module(3)
    with raises(TypeError, "Module.__init__() got an unexpected keyword argument 'a'"):
        nn.Module(a=3)
    with raises(NotImplementedError, 'Module [Module] is missing the required "forward" function'):
        nn.Module()(1)


# ------------------------------------------------------------------ look-ups


def test_get_submodule_parameter_buffer():
    net = nn.Sequential(OrderedDict(body=Net(), head=nn.Linear(2, 1)))
    assert net.get_submodule("body.first") is net.body.first
    assert net.get_submodule("") is net
    assert net.get_parameter("body.first.weight") is net.body.first.weight
    assert net.get_buffer("body.scale") is net.body.scale
    with raises(AttributeError, "Net has no attribute `third`"):
        net.get_submodule("body.third")
    with raises(AttributeError, "`weight` is not an nn.Module"):
        net.get_submodule("head.weight")
    with raises(AttributeError, "`body` is not an nn.Parameter"):
        net.get_parameter("body")
    with raises(AttributeError, "`weight` is not a buffer"):
        net.get_buffer("head.weight")
    net.set_submodule("body.act", nn.Tanh())
    assert isinstance(net.body.act, nn.Tanh)
    with raises(ValueError, "Cannot set the submodule without a target name!"):
        net.set_submodule("", nn.Tanh())


# ------------------------------------------------------------------ modes


def test_train_eval_requires_grad_zero_grad_apply():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with raises(ValueError, "training mode is expected to be boolean"):
        net.train(3)
    net(torch.ones(1, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Net"]


# ------------------------------------------------------------------ conversion


def test_conversion_keeps_the_parameter_objects():
    net = Net()
    net.register_buffer("count", torch.tensor(3))
    before = list(net.parameters())
    net(torch.ones(1, 4)).sum().backward()
    net.double()
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert all(p.dtype is torch.float64 and p.grad.dtype is torch.float64 for p in before)
    assert net.scale.dtype is torch.float64
    assert net.count.dtype is torch.int64
    assert all(p.requires_grad and p.is_leaf for p in before)
    net.to(torch.float32)
    assert before[0].dtype is torch.float32
    assert net.to("cpu").to(torch.zeros(1, dtype=torch.float64)).scale.dtype is torch.float64
    net.half().float().cpu()
    assert before[0].dtype is torch.float32
    assert net.type(torch.float64).scale.dtype is torch.float64


def test_conversion_errors():
    net = Net()
    with raises(
        TypeError,
        "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int32",
    ):
        net.to(torch.int32)
    with raises(TypeError, "to() received an invalid combination of arguments"):
        net.to("cpu", 2, 3)


def test_share_memory_and_to_empty():
    net = Net()
    assert net.share_memory() is net
    assert net.to_empty(device="cpu").first.weight.shape == (3, 4)


# ------------------------------------------------------------------ state dicts


def test_state_dict():
    net = Net()
    state = net.state_dict()
    assert list(state) == ["scale", "first.weight", "first.bias", "second.weight", "second.bias"]
    assert isinstance(state, OrderedDict)
    assert state["first.weight"].data_ptr() == net.first.weight.data_ptr()
    assert not state["first.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert next(iter(net.state_dict(prefix="net."))) == "net.scale"
    assert dict(state._metadata) == {
        "": {"version": 1}, "first": {"version": 1}, "act": {"version": 1},
        "second": {"version": 1}, "again": {"version": 1}}  # fmt: skip
    target = OrderedDict()
    assert net.state_dict(destination=target) is target


def test_load_state_dict():
    a, b = Net(), Net()
    keys = b.load_state_dict(a.state_dict())
    assert str(keys) == "<All keys matched successfully>"
    assert torch.equal(a.first.weight, b.first.weight)
    assert a.first.weight.data_ptr() != b.first.weight.data_ptr()
    state = a.state_dict()
    del state["scale"]
    state["extra"] = torch.ones(1)
    keys = b.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale"]
    assert keys.unexpected_keys == ["extra"]
    assert str(keys) == "_IncompatibleKeys(missing_keys=['scale'], unexpected_keys=['extra'])"
    assert tuple(keys) == (["scale"], ["extra"])


def test_load_state_dict_errors_are_listed_together():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = net.state_dict()
    state["0.weight"] = torch.zeros(2, 2)
    state["1.bias"] = 4
    state["2.bias"] = torch.zeros(1)
    del state["0.bias"]
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "2.bias". \n'
        "\tsize mismatch for 0.weight: copying a param with shape torch.Size([2, 2]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2]).\n"
        '\tWhile copying the parameter named "1.bias", expected torch.Tensor or Tensor-like object '
        "from checkpoint but received <class 'int'>"
    )
    with raises(TypeError, "Expected state_dict to be dict-like, got <class 'int'>."):
        net.load_state_dict(3)


@pytest.mark.wengert_only
def test_a_failed_load_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = [p.detach().clone() for p in net.parameters()]
    state = OrderedDict((k, torch.full_like(v, 7.0)) for k, v in net.state_dict().items())
    del state["1.bias"]
    with pytest.raises(RuntimeError):
        net.load_state_dict(state)
    assert all(torch.equal(p, b) for p, b in zip(net.parameters(), before, strict=True))


def test_load_with_assign():
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    b.weight.requires_grad_(False)
    state = a.double().state_dict()
    b.load_state_dict(state, assign=True)
    assert b.weight.dtype is torch.float64
    assert isinstance(b.weight, nn.Parameter)
    assert not b.weight.requires_grad
    assert b.weight.data_ptr() == state["weight"].data_ptr()


def test_load_keeps_a_stale_graph_from_running():
    layer = nn.Linear(2, 2)
    x = torch.ones(1, 2, requires_grad=True)
    out = (layer(x) ** 2).sum()
    layer.load_state_dict(layer.state_dict())
    with raises(RuntimeError, "modified by an inplace operation"):
        out.backward()


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state():
    a, b = Counting(), Counting()
    a.count = 5
    state = a.state_dict()
    assert state["_extra_state"] == {"count": 5}
    b.load_state_dict(state)
    assert b.count == 5
    with raises(RuntimeError, 'Missing key(s) in state_dict: "_extra_state"'):
        b.load_state_dict({})


def test_state_dict_hooks():
    net = nn.Linear(2, 3)
    calls = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep_vars: calls.append(("pre", prefix)))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop("bias"))
    with pytest.raises(RuntimeError):  # the hook returned something
        net.state_dict()
    net = nn.Linear(2, 3)
    handle = net._register_state_dict_hook(
        lambda m, state, prefix, meta: {"renamed": state["weight"]}
    )
    assert list(net.state_dict()) == ["renamed"]
    handle.remove()
    assert list(net.state_dict()) == ["weight", "bias"]

    def rename(module, state, prefix, meta, strict, missing, unexpected, errors):
        state[prefix + "weight"] = state.pop(prefix + "w")

    net.register_load_state_dict_pre_hook(rename)
    net.load_state_dict({"w": torch.ones(3, 2), "bias": torch.zeros(3)})
    assert net.weight.tolist() == [[1.0, 1.0]] * 3

    def forgive(module, keys):
        keys.missing_keys.clear()

    net = nn.Linear(2, 3)
    net.register_load_state_dict_post_hook(forgive)
    net.load_state_dict({"weight": torch.ones(3, 2)})
    assert net.weight.tolist() == [[1.0, 1.0]] * 3


# ------------------------------------------------------------------ printing


def test_repr():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.1)))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.1, inplace=False)\n"
        "  )\n"
        ")"
    )

    class Described(nn.Module):
        def extra_repr(self):
            return "a\nb"

    assert (
        repr(nn.Sequential(Described())) == "Sequential(\n  (0): Described(\n    a\n    b\n  )\n)"
    )
    assert repr(nn.Module()) == "Module()"


def test_repr_of_module_list_folds_repeats():
    assert repr(nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU()])) == (
        "ModuleList(\n"
        "  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (3): ReLU()\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    nested = nn.ModuleList([nn.ModuleList([nn.ReLU(), nn.ReLU()])] * 2)
    assert repr(nested) == ("ModuleList(\n  (0-1): 2 x ModuleList(\n    (0-1): 2 x ReLU()\n  )\n)")


# ------------------------------------------------------------------ copying


def test_deepcopy_and_pickle():
    net = Net()
    net.register_forward_hook(_double)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net)
        assert torch.equal(other.first.weight, net.first.weight)
        assert other.first.weight is not net.first.weight
        assert other.first.weight.requires_grad
        assert isinstance(other.first.weight, nn.Parameter)
        assert other.act is other.again
        x = torch.ones(1, 4)
        assert torch.equal(other(x), net(x))
    twin = copy.copy(net)
    assert twin.first is net.first


def _double(module, args, output):
    return output * 2
