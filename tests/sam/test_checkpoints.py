import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from persam_video.errors import ModelError
from persam_video.sam.build import build_network
from persam_video.sam.checkpoints import load_weights, read_state_dict, recognise, weight_file
from persam_video.sam.registry import MODELS

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    "saved",
    [
        STATE,
        {"model": STATE},
        {"state_dict": STATE},
        {"model_state": STATE, "iteration": 10},
        {"model": STATE, "epoch": 3, "optimizer": {"lr": 0.1}},
    ],
    ids=["bare", "model", "state_dict", "micro-sam", "a training script's"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files(tmp_path, saved, zipped):
    file = tmp_path / "weights.pth"
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    assert equal(read_state_dict(file), STATE)


@pytest.mark.parametrize(
    "url", ["https://host.org/a/w.pth", "HTTP://host.org/a/w.pth", "s3://host.org/a/w.pth"]
)
def test_a_url_is_refused(url):
    with pytest.raises(
        ModelError, match=f"^{url} is a URL, .*: download the file yourself"
    ) as caught:
        weight_file(Path(url))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no colons in names")
def test_a_folder_with_a_colon_is_no_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path("run:/w.pth")
    file.parent.mkdir()
    file.touch()
    assert weight_file(file) == file


def test_safetensors(tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file(STATE, file)
    assert equal(read_state_dict(file), STATE)


@pytest.mark.parametrize("protocol", [None, 0, 2, 4])
def test_code_in_a_file_is_not_run(tmp_path, protocol):
    file, folder = tmp_path / "bomb.pth", tmp_path / "exploded"
    content = {"a.weight": STATE["a.weight"], "b": Bomb(folder)}
    if protocol is None:
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(ModelError, match="never run"):
        read_state_dict(file)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a complete weight file"),
        (b"\0" * 1000, "not a complete weight file"),
        (b"<html>404: not found</html>", "not a plain weight file"),
    ],
    ids=["empty", "zeros", "html"],
)
def test_foreign_bytes(tmp_path, content, message):
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_state_dict(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"model": {"a": "text"}}, STATE["a.bias"]])
def test_other_objects_are_no_weights(tmp_path, content):
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    with pytest.raises(ModelError, match="not a state dict"):
        read_state_dict(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no checkpoint at .*nowhere"):
        read_state_dict(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["weights.pth", "legacy.pth", "weights.safetensors"])
@settings(max_examples=60)
@given(data=st.data())
def test_damage_is_one_clear_line_or_harmless(tmp_path, name, data):
    file = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(STATE, file)
    else:
        torch.save(STATE, file, _use_new_zipfile_serialization=name != "legacy.pth")
    whole = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans(), label="cut"):
        del whole[place:]
    else:
        whole[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(whole)
    try:
        read_state_dict(file)
    except ModelError as error:
        assert str(file) in str(error)
        assert "\n" not in str(error)


def test_weights_of_another_model_are_named(nano, nano_network):
    with torch.device("meta"):
        large = build_network(MODELS["vit_l"], 1024).state_dict()
        tiny = build_network(MODELS["vit_t"], 1024).state_dict()
        lite = build_network(MODELS["lite"], 768).state_dict()
    for state, other in ((large, "vit_l"), (tiny, "vit_t"), (lite, "lite")):
        assert recognise(state) == other
        with pytest.raises(ModelError, match=f"holds {other}, not nano: pass --model {other}"):
            load_weights(nano_network, state, nano.name, file="x.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("mask_decoder.iou_token.weight"), "1 weights missing"),
        (lambda state: state.update(more=torch.zeros(1)), "1 unknown"),
        (
            lambda state: state.update({"mask_decoder.iou_token.weight": torch.zeros(1, 8)}),
            "1 of another shape",
        ),
    ],
)
def test_weights_must_fit_exactly(nano, nano_network, change, message):
    state = dict(nano_network.state_dict())
    change(state)
    with pytest.raises(ModelError, match=message):
        load_weights(nano_network, state, nano.name, file="x.pth")


def test_half_precision_weights_are_widened(nano, nano_network):
    state = {name: value.half() for name, value in nano_network.state_dict().items()}
    with torch.device("meta"):
        network = build_network(nano, nano.image_size)
    load_weights(network, state, nano.name, file="x.pth")
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}


def test_mobile_sam_s_weights_without_a_batch_norm(tmp_path):
    file = tmp_path / "mobile_sam.pt"
    torch.save({"image_encoder.patch_embed.seq.0.c.weight": torch.zeros(1, 1, 3, 3)}, file)
    with pytest.raises(ModelError, match="lacks some"):
        read_state_dict(file)
