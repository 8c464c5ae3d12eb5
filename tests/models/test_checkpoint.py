import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models import checkpoint as checkpoint_module
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from cxr_gradcam.models.preprocessing import Preprocessing

CHECKPOINT = Checkpoint(
    {
        "conv.weight": torch.linspace(-3, 3, 24).view(2, 3, 2, 2),
        "fc.weight": torch.tensor([[0.1, 1e-3], [1 / 3, 512.7]]),
        "bn.running_var": torch.tensor([1e-12, 0.1, 123456.789]),
        "bn.num_batches_tracked": torch.tensor(70_001),
    },
    ("No finding", "Pneumonia"),
    Preprocessing(96, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
    {"images": 17, "auc": 0.5},
)


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "weights.safetensors", CHECKPOINT)
    return tmp_path / "weights.safetensors"


def test_what_travels_with_the_weights_comes_back(path):
    loaded = load_checkpoint(path)
    assert loaded.class_names == CHECKPOINT.class_names
    assert loaded.preprocessing == CHECKPOINT.preprocessing
    assert loaded.training == CHECKPOINT.training


def test_nothing_but_the_file_is_left(path):
    assert list(path.parent.iterdir()) == [path]


def test_vectors_come_back_exactly_and_matrices_in_half_precision(path):
    loaded, saved = load_checkpoint(str(path)).state_dict, CHECKPOINT.state_dict
    assert loaded.keys() == saved.keys()
    for name in ("bn.running_var", "bn.num_batches_tracked"):
        assert loaded[name].dtype == saved[name].dtype
        assert torch.equal(loaded[name], saved[name])
    for name in ("conv.weight", "fc.weight"):
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], saved[name].half().float())


@settings(deadline=None, max_examples=25)
@given(value=st.floats(2**-14, 65504, width=32))
def test_half_precision_keeps_eleven_bits(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("half") / "weights.safetensors"
    weights = Checkpoint({"weight": torch.tensor([[value]])}, ("a",), Preprocessing())
    save_checkpoint(path, weights)
    loaded = load_checkpoint(path).state_dict["weight"].item()
    assert abs(loaded - value) <= value * 2**-11


def test_matrices_take_two_bytes_a_number(tmp_path):
    path = tmp_path / "new folder" / "weights.safetensors"
    save_checkpoint(path, Checkpoint({"weight": torch.ones(1000, 100)}, ("a",), Preprocessing()))
    assert 200_000 < path.stat().st_size < 202_000


def test_a_transposed_tensor_can_be_saved(tmp_path):
    matrix = torch.arange(6.0).view(2, 3).T
    save_checkpoint(tmp_path / "w", Checkpoint({"weight": matrix}, ("a",), Preprocessing()))
    assert torch.equal(load_checkpoint(tmp_path / "w").state_dict["weight"], matrix)


def test_saving_that_fails_leaves_the_old_file_whole(path, monkeypatch):
    before = path.read_bytes()

    def fill_the_disk(_tensors, file, metadata):
        Path(file).write_bytes(json.dumps(metadata).encode())
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", fill_the_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, CHECKPOINT)
    assert path.read_bytes() == before


def test_the_bundled_weights_say_what_they_are():
    bundled = load_checkpoint(bundled_checkpoint())
    assert bundled.class_names == ("Normal", "Pneumonia")
    assert bundled.state_dict["resnet50.fc.weight"].shape == (2, 2048)
    assert len(bundled.preprocessing.mean) == len(bundled.preprocessing.std) == 3


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights at .*nowhere\.safetensors"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("content", [b"", b"\0" * 4, b"not a safetensors file", b"\x80\x04K\x01."])
def test_file_that_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(tmp_path / "weights.safetensors")


def test_file_cut_short_is_refused(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(path)


def test_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_file_without_our_header_is_refused_with_the_remedy(tmp_path, metadata):
    save_file({"weight": torch.ones(2)}, tmp_path / "w", metadata=metadata)
    with pytest.raises(CheckpointError, match="write it with save_checkpoint"):
        load_checkpoint(tmp_path / "w")


@pytest.mark.parametrize(
    "header",
    ["{}", "no json", "[]", '{"class_names": ["a"], "preprocessing": {}, "training": {}}'],
)
def test_damaged_header_is_refused(tmp_path, header):
    save_file({"weight": torch.ones(2)}, tmp_path / "w", metadata={"cxr_gradcam": header})
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "w")


def test_hugging_face_repository_is_fetched_by_its_name(path, monkeypatch):
    asked = []

    def fetch(*args):
        asked.append(args)
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert load_checkpoint("hf://owner/name").class_names == CHECKPOINT.class_names
    assert asked == [("owner/name", "model.safetensors")]


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), ConnectionError("offline")])
def test_hugging_face_out_of_reach_says_what_to_do(monkeypatch, error):
    def fetch(*_args):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    with pytest.raises(CheckpointError, match=r"'owner/name' cannot be fetched.*give its path"):
        load_checkpoint("hf://owner/name")


@pytest.mark.parametrize("repository", ["", "a/b/c", "no such name"])
def test_impossible_repository_name_is_refused_before_any_request(repository):
    with pytest.raises(CheckpointError, match="check the name"):
        load_checkpoint(f"hf://{repository}")


def test_the_finding_travels_with_the_weights_and_older_files_name_it(tmp_path):
    path = tmp_path / "weights.safetensors"
    names = ("Covid", "Normal")
    save_checkpoint(path, Checkpoint({}, names, Preprocessing(), finding="Covid"))
    assert load_checkpoint(path).finding == "Covid"
    save_checkpoint(path, Checkpoint({}, names, Preprocessing(), finding="Flu"))
    with pytest.raises(CheckpointError, match="does not name its classes"):
        load_checkpoint(path)
    assert load_checkpoint(bundled_checkpoint()).finding == "Pneumonia"  # by its operating point
