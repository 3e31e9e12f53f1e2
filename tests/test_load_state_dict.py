"""`load_state_dict` of modules and optimisers: what it returns, changes, calls and says when it refuses."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from against import collected_warnings, raises, torch

nn = torch.nn


def net():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def error(module, state, **options):
    """The text of the RuntimeError."""
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state, **options)
    return str(caught.value)


KEYS = [f"0.{k}" for k in ("weight", "bias")] + [
    f"1.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
]
HEAD = "Error(s) in loading state_dict for Sequential:\n\t"


# ------------------------------------------------------------------ keys and shapes


def test_all_keys_match():
    result = net().load_state_dict(net().state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result == ([], [])


def test_missing_keys():
    names = ", ".join(f'"{k}"' for k in KEYS[:-1])  # the counter is younger than such states
    assert error(net(), {}) == f"{HEAD}Missing key(s) in state_dict: {names}. "


def test_unexpected_keys():
    state = net().state_dict()
    state["0.weight.z"] = state["1.running_mean.a"] = state["0.q"] = state["x.y"] = torch.ones(1)
    text = 'Unexpected key(s) in state_dict: "x.y", "0.weight.z", "0.q", "1.running_mean.a". '
    assert error(net(), state) == HEAD + text


def test_everything_wrong_at_once():
    state = net().state_dict()
    state["0.weight"], state["x.y"] = torch.ones(3, 3), torch.ones(1)
    del state["1.bias"]
    model = net()
    before = model[0].bias.tolist()
    assert error(model, state) == (
        HEAD
        + 'Missing key(s) in state_dict: "1.bias". \n\tUnexpected key(s) in state_dict: "x.y". \n\t'
        "size mismatch for 0.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, "
        "the shape in current model is torch.Size([3, 2])."
    )
    if torch.__name__ == "wengert":
        assert model[0].bias.tolist() == before  # nothing is half-loaded


def test_not_strict():
    state = net().state_dict()
    state["x.y"] = torch.ones(1)
    del state["1.bias"]
    result = net().load_state_dict(state, strict=False)
    assert repr(result) == "_IncompatibleKeys(missing_keys=['1.bias'], unexpected_keys=['x.y'])"
    assert tuple(result) == (result.missing_keys, result.unexpected_keys) == (["1.bias"], ["x.y"])
    state["0.weight"] = torch.ones(3, 3)
    assert error(net(), state, strict=False).startswith(HEAD + "size mismatch for 0.weight:")


def test_what_is_no_dict():
    for state, name in (([1], "list"), (None, "NoneType"), (torch.ones(1), "Tensor")):
        with raises(TypeError, "Expected state_dict to be dict-like, got <class '", f"{name}'>."):
            net().load_state_dict(state)


def test_values_that_are_no_tensors():
    state = net().state_dict()
    state["0.weight"] = [1.0]
    assert error(net(), state) == (
        HEAD + 'While copying the parameter named "0.weight", expected torch.Tensor or Tensor-like '
        "object from checkpoint but received <class 'list'>"
    )


def test_scalars_of_very_old_files():
    state = net().state_dict()
    state["1.num_batches_tracked"] = torch.tensor([5])
    model = net()
    model.load_state_dict(state)
    assert model[1].num_batches_tracked.item() == 5
    text = error(nn.Linear(1, 1), {"weight": torch.ones(1, 1), "bias": torch.ones(())})
    assert "copying a param with shape torch.Size([]) from checkpoint" in text


def test_metadata_of_versions():
    state = net().state_dict()
    assert state._metadata[""] == {"version": 1}
    assert state._metadata["1"] == {"version": 2}
    del state["1.num_batches_tracked"]
    assert "Missing key" in error(net(), state)
    old = dict(state)  # without metadata the file is older than the counter
    assert str(net().load_state_dict(old)) == "<All keys matched successfully>"


def test_prefixes():
    state = OrderedDict((f"module.{k}", v) for k, v in net().state_dict().items())
    text = error(net(), state)
    assert 'Missing key(s) in state_dict: "0.weight"' in text
    assert 'Unexpected key(s) in state_dict: "module.0.weight"' in text
    state._metadata = OrderedDict(
        {"": {"version": 1}, "module": {"version": 1}, "module.1": {"version": 2}}
    )
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == KEYS
    assert dict(state._metadata) == {"": {"version": 1}, "1": {"version": 2}}
    assert str(net().load_state_dict(state)) == "<All keys matched successfully>"
    assert list(nn.Linear(1, 1).state_dict(prefix="a.")) == ["a.weight", "a.bias"]


def test_buffers_that_are_not_saved():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("kept", torch.ones(2))
            self.register_buffer("passing", torch.ones(2), persistent=False)
            self.register_buffer("nothing", None)

    assert list(Model().state_dict()) == ["kept"]
    state = {"kept": torch.ones(2), "passing": torch.ones(2), "nothing": torch.ones(2)}
    assert 'Unexpected key(s) in state_dict: "passing", "nothing". ' in error(Model(), state)


# ------------------------------------------------------------------ copying and assigning


def test_values_are_copied_in_the_dtype_of_the_module():
    model, state = net(), OrderedDict((k, v.double()) for k, v in net().state_dict().items())
    weight = model[0].weight
    model.load_state_dict(state)
    assert model[0].weight is weight
    assert weight.dtype is torch.float32
    assert torch.equal(weight, state["0.weight"].float())
    state["0.weight"] += 1
    assert not torch.equal(weight, state["0.weight"].float())


def test_assign_takes_the_tensors_themselves():
    model, state = net(), OrderedDict((k, v.double()) for k, v in net().state_dict().items())
    model[0].bias.requires_grad_(False)
    model.load_state_dict(state, assign=True)
    assert model[0].weight.data_ptr() == state["0.weight"].data_ptr()
    assert isinstance(model[0].weight, nn.Parameter)
    assert model[0].weight.requires_grad
    assert not model[0].bias.requires_grad
    assert model[1].running_mean is state["1.running_mean"]
    frozen = nn.Parameter(torch.ones(3, 2), requires_grad=False)
    model.load_state_dict({**state, "0.weight": frozen}, assign=True)
    assert model[0].weight is frozen
    assert frozen.requires_grad
    assert "size mismatch" in error(net(), {**state, "0.bias": torch.ones(2)}, assign=True)


# ------------------------------------------------------------------ hooks and extra state


def test_hooks():
    model, log = net(), []
    model.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("save", prefix, keep)))
    model.register_state_dict_post_hook(lambda m, s, prefix, meta: s.__delitem__("0.bias"))
    model[1].register_load_state_dict_pre_hook(
        lambda m, state, prefix, *rest: log.append((type(m).__name__, prefix, rest[1]))
    )
    model.register_load_state_dict_post_hook(lambda m, keys: log.append(str(keys)))
    state = model.state_dict()
    assert "0.bias" not in state
    model.load_state_dict(state, strict=False)
    missing = "_IncompatibleKeys(missing_keys=['0.bias'], unexpected_keys=[])"
    assert log == [("save", "", False), ("BatchNorm1d", "1.", True), missing]


def test_a_hook_renames_keys_of_old_files():
    model = nn.Linear(1, 1)

    def rename(module, state, prefix, *rest):
        state[prefix + "weight"] = state.pop(prefix + "w")

    model.register_load_state_dict_pre_hook(rename)
    given = {"w": torch.full((1, 1), 7.0), "bias": torch.ones(1)}
    assert str(model.load_state_dict(given)) == "<All keys matched successfully>"
    assert model.weight.item() == 7
    assert "w" in given


def test_post_hooks_may_forgive():
    model = net()
    model.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert str(model.load_state_dict({})) == "<All keys matched successfully>"
    model.register_load_state_dict_post_hook(lambda m, keys: 3)
    with raises(
        AssertionError, "register_load_state_dict_post_hook", "not expected to return new values"
    ):
        model.load_state_dict({})


def test_extra_state():
    class Model(nn.Module):
        def get_extra_state(self):
            return {"a": 1}

        def set_extra_state(self, state):
            self.got = state

    model = Model()
    assert dict(model.state_dict()) == {"_extra_state": {"a": 1}}
    model.load_state_dict(model.state_dict())
    assert model.got == {"a": 1}
    assert 'Missing key(s) in state_dict: "_extra_state". ' in error(model, {})
    assert 'Unexpected key(s) in state_dict: "_extra_state". ' in error(
        nn.ReLU(), {"_extra_state": 1}
    )


# ------------------------------------------------------------------ optimisers


def adam(n=2, **options):
    params = [nn.Parameter(torch.ones(2)) for _ in range(n)]
    return torch.optim.Adam(params, **options), params


def stepped():
    o, params = adam(lr=0.1)
    sum(p.sum() for p in params).backward()
    o.step()
    return o


def test_optimiser_states_that_do_not_fit():
    with raises(ValueError, "loaded state dict has a different number of parameter groups"):
        adam()[0].load_state_dict({"state": {}, "param_groups": []})
    with raises(
        ValueError,
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
    ):
        adam(2)[0].load_state_dict(adam(3)[0].state_dict())
    with raises(KeyError, "param_groups"):
        adam()[0].load_state_dict({})
    with raises(KeyError, "state"):
        adam()[0].load_state_dict({"param_groups": adam()[0].state_dict()["param_groups"]})
    with raises(AttributeError, "'NoneType' object has no attribute 'copy'"):
        adam()[0].load_state_dict(None)


def test_optimiser_state_is_copied_and_cast():
    state = stepped().state_dict()
    o = torch.optim.Adam(
        [nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2)], lr=5.0
    )
    o.load_state_dict(state)
    mine = o.state_dict()
    assert mine["state"][0]["exp_avg"].dtype is torch.float64
    assert mine["state"][0]["step"].dtype is torch.float32
    assert o.param_groups[0]["lr"] == 0.1
    mine["state"][0]["exp_avg"] += 1
    assert state["state"][0]["exp_avg"].tolist() == pytest.approx([0.1, 0.1])


def test_optimiser_hooks():
    (o, _), log = adam(), []
    o.register_state_dict_pre_hook(lambda o: log.append("saving"))
    o.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    o.register_load_state_dict_pre_hook(lambda o, s: log.append(sorted(s)))
    o.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    o.load_state_dict(o.state_dict())
    assert log == ["saving", ["more", "param_groups", "state"], "loaded"]


def test_state_of_unknown_parameters_is_kept():
    o, _ = adam()
    state = o.state_dict()
    state["state"] = {5: {"x": 1}}
    o.load_state_dict(state)
    assert o.state_dict()["state"] == {5: {"x": 1}}


# ------------------------------------------------------------------ Module.compile


def test_a_module_can_be_asked_to_compile():
    model, x = net(), torch.ones(4, 2)
    want = model(x).tolist()
    with collected_warnings() as caught:
        assert model.compile(backend="eager") is None
    assert not caught
    assert model(x).tolist() == want
    assert list(model.state_dict()) == KEYS


@pytest.mark.wengert_only
def test_compiling_says_once_that_there_is_no_compiler(monkeypatch):
    from wengert.ops import questions

    monkeypatch.setattr(questions, "_told", False)
    model = net()
    with collected_warnings() as caught:
        model.compile()
        model.compile(mode="max-autotune")
    assert [str(w.message) for w in caught] == [
        "torch.compile(): wengert has no compiler; the function is returned as it is"
    ]
