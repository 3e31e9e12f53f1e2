"""`save` and `load`: round trips, PyTorch both ways, sharing, devices, safe writing, safetensors."""

from __future__ import annotations

import base64
import io
import os
import stat
import zipfile
import zlib
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
from against import REAL, raises, torch

nn = torch.nn

# What `torch.save` of PyTorch 2.13 wrote for the object that test_a_recorded_file describes.
RECORDED = zlib.decompress(base64.b85decode(
    'c-qBT349b+8J|r;0t+N090{>fuC|M`VUO%?0wIBINx(&p0c54cb+S9zUD)fJeH)IN8l?$@Vha>1RISvC7Aa_}LeX-'
    'x*jf-O)mo@l(IR3msV#-7sC~y|nRz1wcI(giF|#|f^FQ8u-'
    '}~P8!YprofgtqmEf|ggLYW{bfpDZ%9v765RFzyDZS)ii3v@?&UK<D&UoQ-ZC4zDkOo2cm8kGYml8C3wGnJsM$idqp0c3'
    '`}F(Tw!d_>DywM34D!UzfiD1k+){Am=4rp$gtZcay{K|hk?sf6NhwVR=r#o{Z%m=u0f3dvB&Am+wsLPB%cLo*clOoSJD'
    '`||N;Aen|f-'
    'U0;X*<Qh$=gsSczWBq`3H`dl#7BPw#UhmW3aOdqh?If>VXPD`3^OJhl!p6w^AMC#h7K6$HFdxsh8~PyhzRAhDYovWROs'
    '+_7|QUKD*j^xe;vbr9KkRVuBYlYraoMUcEAXR9;u>75%g$=z5&6FBHZLFrf4M{k4NGme@vF*V9~Ku!x+Z$36*6mVY!*H'
    '+=8G=gmJ$9I+j*R0jrM02{uMzS4kX%q?(a95x7Kf`vy~zcsk~9mQWxpr~F8f0*mD!)G#u2%%&&eq0ErgQhpbV$NVM)6E'
    'OdnF^snk!9)@2({0e;>w{mytwR!tLYPE<pKS4w7zIxo+)9I^RaR0s;@~!~DWyijls0G#XYOs#)CN=WeO@Y^YNn)#B#Oi'
    '$%Vh<owZSJ@5T}rYWbn4Zbc<JLgHKs}1@x($gc-VSal=ezdzQxbYy_eRbEqSEY0@vXhG4D^Rs-'
    '|GG%!D%3C#H{Fnx^TGYA%laJ$cZiNc=(xI@QM3kw;`XEQ8*#_~DFA|YrNA&~Z(+8}5NU$UM@y21)F^WLKI9zqZnArhXe'
    'f7b?!*zhk_hd)Y&KgKX|1PKw6;XCvgI{?EdDkeoRh+)zQT18lr_TtR3)L_j4%b2z08f$kV_`C>hytQh$i^+UJm1!q3Uu'
    '2jsAy^^8-Mlp?bTCY(idji8s~DyW!D<oiNqh6#V2#0=3%<;(-'
    'K(*7AA+?atmCb@VLg+%UzOQFWHvI)0|>q%!Y1BY4QytZ2UW~h3Fd1I^K}FdiSUhd+Sd=io0JqO<_{@}bTS277Q(}A@J$'
    'P4i7N0&Q^TIk<am%qbTghgDfm`X!&^tlakQ!7?1dLz8M1P0Cv2s;QpOzLZmOTM?B3U`YsOQ4meKq{IUp^A?|20o&{8ZF'
    'Qlua}+C}qTOj=534{YnAKer?lSqg;VyEAC)2BaiPD^hb*hV5N6RRtq0EqF1AqX>QaSQoX|l1||)v15jB2zf;g;3h@opk'
    'L=;XBW+swACs2-'
    'a`03o}6A2j`(~zEv4xcZH>rF;BkGA*1{9GM+*`BU^aQT1Aa()^hc~mcOlp<!jo)%OEDStbc4ex>c?ap3OnE@1oad{?M1'
    'Lpg#C0DA~?W9o+gldG9RD8{_;EFAcOrB!LuSfN5#TYv;}^qON&$SqfA<So|?B?;SdYA!-'
    'Nw%_&K>8VSGmsydc6a==h~^WFG5b8FiT9#Y=is>QZW+7e~vIaxf$POD1iDU$IDhNtOOJxxCDzkE@>3kvOus%y0t1D<b@'
    'cHmxNph2Xckrg;*HXomk)#&3t;G5+7Hk$#f!|AF!U5y5LBoT5Fv9R8#uyEPHR(Xmv&@}Fj;4)`<cuQRIYzmUu8jPwlzZ'
    ';J314Wm>*isDu7ZFTHw8N3?)%HU@;v-=$ce-'
    'q(d8mMwCiI%~8x(Ks7;T%TcNO+%!3S{8VvqXG>F?@jF?;`wzt~WG(WrWw8e_m#|GH;mSqF%@a|6=z3t+wtz_@W57lc<h'
    'j!rzdRhp(cNkFTrf(*pc$rP7N&EyP#WkYpkdR*LYgH=mAL9BV4Q$<L&Fa3wJO;5MZXxhL~Fo<Lz-'
    '87OA_U<R8lWX<f0Z`DzmgYV5sKSGG-WT(;}f9p_+scK2LYLG;lGT;)bg$$yr+N_k4R|s!3l0r%uzFVja#8-'
    '>g)HJDp6{D*H{s1m711Yl{Ctu9UAc7)Yb8x>hxZ8VFLXo&l8G`RSm2zsJf_@*0uQHu2&5@8&iSJhT=`M69rK@Ini+cN;'
    'cAS0=XD)Kix@=WkE;ut)aTQK^F$wwA+N059<BH>}IBZ0E_t{rhkZ>pG<)teH_a$j{2K%LGBovR~q}u3lT)X;$1+Hphpk'
    'WETPWm$MiUvxBhKzycWk^nt;=a){AsgN9BN{;{DiaSK6Hg5#V_0}a55+>gZdWqS+UOadgMpoo9N)V!|GxVB51-'
    '!`n0$O6adNS~;@tss2Xtj8)p{qkMvwKHoxGg9XW!Ib>+6Z`UisOnM5uQUx^;S8d!wf&>mF!nX=w=Ilj!f9*V-'
    'oweMc_(gmL71Pwgf8$8Mi+Ll*kgx#-'
    '(_O__M+Kp7qP{ho_Uv(R_uqF=f;)=)QdJ?($x)Zxup=(}>!H>s>d|H8>t+p^Gi=QjTBwC#%)J^UES^#wg>Ptt4GG<xcC'
    'Nk0n`qqo$MbE9|at{eAH+eN$_gmWcX%>UYK=Kq<g!>y<BIdt#xu}?SOHJ0cfdi=TrJ?obU4le)TR5(ufpZ0%=W(8oHwj'
    'A?6rG0+S6U4)Tljq;)IsQt737iL<0Np|k`giW0Kbq)|YB+Z+8+}Jk`nmOgb&maCa_C6C|Hu)#{;U~4&6-'
    'X7ojJ6BYyTB>r%G4U5&f!jo{QP&yZ(>;@BRql|LBqFcH-gs<J;fPru{WJ#($!0#VDeG;{ATxv(c~3QJ;(fsl)L<e756r'
    '%Ov8beC?Ta75ImW9{h~u>LHv5Z@OAP0*(B+B~P~ZT>q8`lQ|`v{U+wL{46M<D{sx+n~Jm1x96;HqWb$rJ>$zp-'
    ';uL^_t+B`ty>$avWP!>bq?{Duc?1lpV;xHUSGH>{ao_jmD)Lw)4_SJMEJ<^S7z6mQ~q+8iTaBVh354fKf?t3r41}?Qc6'
    '}Lcn7;&BL7?Dj|3Y%Ro7_7>U6oCZnxD{YqMHw9qt;J-'
    'EFhmYigY?r=te{WUqGG?Jfs#Ie*leatrohp)O6tY{sW{_dmekod16?9<ANLm+O#2`U;o(djU_P-Go=_NY-'
    'gd3_E|GN4t?O)$x?|6O0>p9<JT}7VF>-^b@$fH;>isVD;GH{W+|S$7*+<dh8}1Yv-}roueLGQOsc-JXX8w<8*m!HILQq'
    '*f`x14(sHx+T9kX%VS+URy*4{-2oid&11E@8$EUdkFDXc+MNkEzNH+t_DY^hbl5FC)@BGS?bbjK9#qDI4Uwg->-'
    'FGG2C)6=ZC4EB!G_q<R@8d%1_Rg-T-tJ&Qy#>FomX#rlL2f9FKr>p_4Z&MY=|#y70D?Zz=i<RmV8{BhwxxSglVfdJ@`='
    '`Y&S%hwgl6I%gTAMA;PrvlODX@05(LJw(Q}QD|oOW!n8FD*V_hgCc^%ES)=Rip*;8+BCOp2Hbj`VV9<kK(tt0sP-'
    '@rlVLGr_DfCcb%<>i%-rQY}<lmA(j^I8&C{jNwyX(V3`sAIF?4JFpzE>f`jG*tccRvIc31AT'
))  # fmt: skip
WEIGHT = [[-0.1052926629781723, 0.2793242037296295], [-0.4820142686367035, -0.42042073607444763]]
EXP_AVG = [
    [7.636180816916749e-05, 7.636180816916749e-05],
    [-2.9846316920156823e-06, -3.006259703397518e-06],
]


def again(value, **options):
    """Save and load."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, **options)


def same(a, b):
    """Whether two loaded objects are equal, tensors in dtype, strides and values."""
    if type(a).__name__ != type(b).__name__:
        return False
    if type(a).__name__ in ("Tensor", "Parameter"):
        return (
            str(a.dtype) == str(b.dtype) and tuple(a.shape) == tuple(b.shape)
            and a.stride() == b.stride() and a.tolist() == b.tolist()
            and a.requires_grad == b.requires_grad
        )  # fmt: skip
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b or str(a) == str(b)


def everything(lib):
    base = lib.arange(6.0)
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2))
    optimizer = lib.optim.Adam(model.parameters(), lr=0.1)
    model(lib.arange(4.0).reshape(2, 2)).pow(2).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "view": base[2:5],
        "same": base, "t": base.reshape(2, 3).t(), "half": lib.tensor([1.5], dtype=lib.float16),
        "u16": lib.tensor([7], dtype=lib.uint16), "flag": lib.tensor([True, False]),
        "z": lib.tensor([1 + 2j]), "scalar": lib.tensor(3), "empty": lib.zeros(0, 2),
        "expanded": lib.ones(1).expand(3), "parameter": lib.nn.Parameter(lib.ones(1)),
        "wants": lib.ones(1, requires_grad=True), "epoch": 3, "name": "run \u00e9", "nothing": None,
        "size": lib.Size([1, 2]), "dtype": lib.float64, "device": lib.device("cpu"),
        "list": [1, 2.5, (True, b"\xff", b""), (), (1, 2, 3, 4, 5)], "big": 2**70, "small": -(2**63),
        "edge": [255, 256, 65535, 65536, 2**31 - 1, 2**31, -1, -129], "complex": 1 - 2j,
        "set": {1, "a"}, "bytes": bytearray(b"x"), "count": Counter("aab"), "text" * 80: "",
        "int8": lib.tensor([-1], dtype=lib.int8), "float": [float("inf"), -0.0, 1e-300],
        "double": lib.tensor([0.1], dtype=lib.float64),
    }  # fmt: skip


# ------------------------------------------------------------------ round trips


def test_round_trip():
    value = everything(torch)
    back = again(value, weights_only=False)
    assert same(back, value)
    assert dict(back["model"]._metadata) == dict(value["model"]._metadata)
    assert type(back["model"]) is OrderedDict
    nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).load_state_dict(back["model"])


def test_a_recorded_file():
    back = torch.load(io.BytesIO(RECORDED))
    assert back["model"]["0.weight"].tolist() == WEIGHT
    assert back["optimizer"]["state"][0]["exp_avg"].tolist() == EXP_AVG
    assert back["optimizer"]["state"][0]["step"].item() == 1
    assert back["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert back["view"].tolist() == [2.0, 3.0, 4.0]
    assert back["t"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    back["same"][2] = 99.0  # one storage
    assert back["view"][0].item() == 99
    assert back["t"][2, 0].item() == 99
    assert back["half"].dtype is torch.float16
    assert back["u16"].tolist() == [7]
    assert back["u16"].dtype is torch.uint16
    assert back["flag"].tolist() == [True, False]
    assert back["z"].tolist() == [1 + 2j]
    assert back["scalar"].item() == 3
    assert back["scalar"].shape == ()
    assert back["empty"].shape == (0, 2)
    assert isinstance(back["parameter"], nn.Parameter)
    assert back["name"] == "run \u00e9"
    assert back["size"] == torch.Size([1, 2])
    assert back["dtype"] is torch.float64
    assert back["list"] == [1, 2.5, (True, b"\xff")]
    assert back["big"] == 2**70
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.load_state_dict(back["model"])
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(back["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
def test_our_files_in_pytorch():
    oracle = pytest.importorskip("torch")
    value = everything(torch)
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    theirs = oracle.load(file, weights_only=True)
    assert same(theirs, value)
    assert theirs["view"].untyped_storage().data_ptr() == theirs["t"].untyped_storage().data_ptr()
    model = oracle.nn.Sequential(oracle.nn.Linear(2, 2), oracle.nn.BatchNorm1d(2))
    assert not any(model.load_state_dict(theirs["model"]))
    oracle.optim.Adam(model.parameters()).load_state_dict(theirs["optimizer"])


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pytorchs_files_here(protocol):
    oracle = pytest.importorskip("torch")
    value = everything(oracle)
    file = io.BytesIO()
    oracle.save(value, file, pickle_protocol=protocol)
    ours = torch.load(file)
    assert same(ours, value)
    again_there = io.BytesIO()
    torch.save(ours, again_there)
    again_there.seek(0)
    assert same(oracle.load(again_there, weights_only=True), value)


def test_containers_are_shared_and_may_be_cyclic():
    shared = [1]
    value = {"a": shared, "b": shared, "t": (shared, shared)}
    value["self"] = value
    back = again(value)
    assert back["a"] is back["b"]
    assert back["t"][0] is back["a"]
    assert back["self"] is back
    factory = defaultdict(list, {1: [2]})
    assert again(factory, weights_only=False)[1] == [2]


def test_tensors_keep_sharing_memory():
    base = torch.arange(10.0)
    value = [base[2:4], base[3:8:2], base]
    back = again(value)
    back[2][3] = 77.0
    assert back[0].tolist() == [2.0, 77.0]
    assert back[1].tolist() == [77.0, 5.0, 7.0]
    tensor = torch.ones(2)
    a, b = again([tensor, tensor])
    assert a is b


@pytest.mark.wengert_only
def test_only_the_used_part_of_a_memory_is_written():
    base = torch.zeros(100_000)
    file = io.BytesIO()
    torch.save([base[5:9], base[7:20]], file)
    assert len(file.getvalue()) < 4000
    a, b = torch.load(file)
    a[2] = 1.0
    assert b[0].item() == 1


@pytest.mark.wengert_only
def test_arrays_that_pytorch_cannot_hold():
    flipped = torch.from_numpy(np.arange(4.0)[::-1].copy())
    flipped._array = np.arange(4.0)[::-1]
    assert again(flipped).tolist() == [3.0, 2.0, 1.0, 0.0]


@pytest.mark.wengert_only
def test_numpy_values():
    value = {
        "array": np.arange(6).reshape(2, 3), "fortran": np.asfortranarray(np.ones((2, 2))),
        "float": np.float64(3), "int": np.int32(4), "flag": np.bool_(True),
        "text": np.array(["ab", "c"]), "other order": np.arange(3, dtype=">i4"), "none": np.zeros(0),
    }  # fmt: skip
    back = again(value)
    for key, item in value.items():
        assert type(back[key]) is type(item)
        assert np.array_equal(back[key], item)
    back["array"][0, 0] = 5


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
def test_numpy_values_both_ways():
    oracle = pytest.importorskip("torch")
    value = {"a": np.arange(6.0).reshape(2, 3), "s": np.float64(3), "t": np.array(["ab"])}
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    theirs = oracle.load(file, weights_only=False)
    file = io.BytesIO()
    oracle.save(value, file)
    ours = torch.load(file)
    for back in (ours, theirs):
        assert all(
            np.array_equal(back[k], v) and type(back[k]) is type(v) for k, v in value.items()
        )


# ------------------------------------------------------------------ files


def test_paths(tmp_path):
    for name in ("a.pt", "b.tar", "c"):
        torch.save({"x": torch.ones(1)}, tmp_path / name)
        assert torch.load(str(tmp_path / name))["x"].item() == 1
    with open(tmp_path / "d.pt", "wb") as file:
        torch.save(1, file)
    with open(tmp_path / "d.pt", "rb") as file:
        assert torch.load(file) == 1
    mapped = torch.load(tmp_path / "a.pt", mmap=True)["x"]
    mapped += 1
    assert torch.load(tmp_path / "a.pt")["x"].item() == 1
    names = zipfile.ZipFile(tmp_path / "a.pt").namelist()
    assert names[0] == "a/data.pkl"
    assert "a/data/0" in names


def test_storages_are_aligned(tmp_path):
    torch.save([torch.ones(3), torch.ones(5)], tmp_path / "a.pt")
    raw = (tmp_path / "a.pt").read_bytes()
    for info in zipfile.ZipFile(tmp_path / "a.pt").infolist():
        if "/data/" in info.filename:
            start = info.header_offset + 30 + int.from_bytes(
                raw[info.header_offset + 26 : info.header_offset + 28], "little") + int.from_bytes(
                raw[info.header_offset + 28 : info.header_offset + 30], "little")  # fmt: skip
            assert start % 64 == 0
            assert raw[start : start + 4] == np.float32(1).tobytes()


@pytest.mark.wengert_only
def test_equal_objects_make_equal_files():
    a, b = io.BytesIO(), io.BytesIO()
    for file in (a, b):
        torch.save({"x": torch.ones(3)}, file)
    assert a.getvalue() == b.getvalue()


@pytest.mark.wengert_only
def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(1, path)
    with raises(TypeError, "cannot save obj['a'][1], of type builtins.function"):
        torch.save({"a": [1, lambda: 0]}, path)
    assert torch.load(path) == 1
    assert os.listdir(tmp_path) == ["a.pt"]


@pytest.mark.wengert_only
def test_a_write_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    from wengert.serialization import archive

    path = tmp_path / "a.pt"
    torch.save(1, path)

    def breaks(file, prefix, members):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(archive, "write_archive", breaks)
    with raises(OSError, "disk full"):
        torch.save(2, path)
    assert torch.load(path) == 1
    assert os.listdir(tmp_path) == ["a.pt"]


@pytest.mark.wengert_only
def test_links_and_modes_survive(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    torch.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    torch.save(2, link)
    assert link.is_symlink()
    assert torch.load(real) == 2
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_errors_of_paths_and_files(tmp_path):
    with raises(RuntimeError, "Parent directory", "does not exist"):
        torch.save(1, tmp_path / "no" / "a.pt")
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "a.pt")
    with raises(AttributeError, "expected 'f' to be string, path, or a file-like object"):
        torch.save(1, 3)
    with raises(AttributeError, "You can only torch.load from a file that is seekable"):
        torch.load(3)
    with pytest.raises(EOFError):
        torch.load(io.BytesIO())
    with raises(ValueError, "file path"):
        torch.load(io.BytesIO(RECORDED), mmap=True)


@pytest.mark.wengert_only
def test_whole_modules_are_not_saved():
    with raises(TypeError, "cannot save obj['net']", "state_dict()"):
        torch.save({"net": nn.Linear(1, 1)}, io.BytesIO())
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with raises(ValueError, "nested too deeply"):
        torch.save(nested, io.BytesIO())


# ------------------------------------------------------------------ map_location


def on_cuda(value):
    """A file as a machine with a GPU writes it: the same, with another location."""
    file = io.BytesIO()
    torch.save(value, file)
    out = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename.endswith("data.pkl"):
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            target.writestr(info.filename, data)
    out.seek(0)
    return out


def test_map_location():
    file = on_cuda(torch.ones(2))
    with raises(RuntimeError, "Attempting to deserialize object on a CUDA device", "map_location"):
        torch.load(file)
    for place in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
        file.seek(0)
        assert torch.load(file, map_location=place).tolist() == [1.0, 1.0]
    seen = []
    file.seek(0)
    torch.load(file, map_location=lambda storage, location: seen.append(location) or storage)
    assert seen == ["cuda:0"]


# ------------------------------------------------------------------ safetensors


@pytest.mark.wengert_only
def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "a.safetensors"
    value = {
        "t": torch.arange(6.0).reshape(2, 3).t(), "step": torch.tensor(3),
        "half": torch.ones(2, dtype=torch.float16), "flag": torch.tensor([True]),
        "strided": torch.arange(10)[::3], "empty": torch.zeros(0, 2),
    }  # fmt: skip
    torch.save_safetensors(value, path)
    back = torch.load_safetensors(path)
    for key, item in value.items():
        assert back[key].dtype is item.dtype
        assert back[key].shape == item.shape
        assert back[key].tolist() == item.tolist()
    back["t"] += 1
    assert os.listdir(tmp_path) == ["a.safetensors"]
    with raises(TypeError, "'a' is a int"):
        torch.save_safetensors({"a": 3}, path)
    with raises(TypeError, "expected a dict of tensors"):
        torch.save_safetensors(torch.ones(1), path)
    path.write_bytes(b"\xff" * 20)
    with raises(RuntimeError, "no valid safetensors file"):
        torch.load_safetensors(path)


@pytest.mark.wengert_only
def test_safetensors_without_the_library(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with raises(ImportError, "pip install 'wengert[files]'"):
        torch.save_safetensors({"a": torch.ones(1)}, tmp_path / "a")


@pytest.mark.torch
@pytest.mark.skipif(REAL, reason="compares with itself")
def test_safetensors_in_pytorch(tmp_path):
    oracle = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    torch.save_safetensors({"t": torch.arange(6.0).reshape(2, 3).t()}, tmp_path / "a")
    assert library.load_file(tmp_path / "a")["t"].tolist() == [[0, 3], [1, 4], [2, 5]]
    library.save_file({"t": oracle.ones(2, 1)}, tmp_path / "b")
    assert torch.load_safetensors(tmp_path / "b")["t"].tolist() == [[1.0], [1.0]]
