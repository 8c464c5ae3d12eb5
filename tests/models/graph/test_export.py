"""The exported file: what Python gives, by onnxruntime and by OpenVINO, and without torch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet, densenet121
from torchvision.models.resnet import BasicBlock, Bottleneck

from cxr_gradcam import CAM, ResNet50FineTuned, read_radiograph
from cxr_gradcam.cam.maps import resize
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.models.graph.test_graph_pass import fitted, grey

pytest.importorskip("openvino")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime
import openvino

from cxr_gradcam.models.graph.export import export
from cxr_gradcam.models.graph.onnx_operations import OnnxOperations

DOCUMENT = Path(__file__).parents[3] / "docs" / "export.md"


def run(path, pixels):
    """{output: array} by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels.numpy()}), strict=True))


def assert_equal(outputs, model, pixels, layers):
    """All outputs are the model's own within 1e-5 of their maximum.

    In one image in ten, rounding moves an activation across a ReLU's 0, and its gradient jumps.
    """
    recorded = model.record(model.preprocessing.normalize(pixels), layers)
    classes = range(len(model.class_names))
    expected = {
        "logits": recorded.logits,
        "probabilities": model.calibration.probabilities(recorded.logits, model.multi_label),
        "heatmaps": torch.stack([recorded.maps(index)[0] for index in classes], dim=1),
    }
    for layer in layers:
        maps = [
            recorded.raw_maps(target_weights(recorded.logits, index), "gradcam", [layer])[0]
            for index in classes
        ]
        expected[f"maps_{layer.removeprefix('resnet50.')}"] = torch.stack(maps, dim=1)
    assert outputs.keys() - {"ood_score"} == expected.keys()
    for name, values in expected.items():
        assert outputs[name].shape == values.shape, name
        assert values.abs().max() > 0, name
        apart = np.abs(outputs[name] - values.numpy()).reshape(len(values), -1).max(axis=1)
        shares = apart / max(1, float(values.abs().max()))
        assert np.median(shares) <= 1e-5, name
        assert shares.max() <= (1e-5 if name in ("logits", "probabilities") else 0.03), name


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """The bundled model with its file, and three radiographs as the file takes them."""
    model = ResNet50FineTuned.from_checkpoint(fast=False)
    path = tmp_path_factory.mktemp("onnx") / "chest.onnx"
    assert export(model, path, licence="Apache-2.0") < 1e-2
    size = (model.preprocessing.size,) * 2
    chests = [draw_phantom(seed, size=200, opacity=seed == 1).pixels for seed in (0, 1, 4)]
    pixels = torch.stack([resize(torch.tensor(each)[None, None], size)[0] for each in chests])
    return model, path, pixels.float()


def test_the_bundled_model_in_a_file_is_the_one_in_python(bundled):
    model, path, pixels = bundled
    outputs = run(path, pixels)
    assert_equal(outputs, model, pixels, DETAIL["fine"])
    features, _ = model.features(model.preprocessing.normalize(pixels))
    scores = model.ood_detector.score(features) / model.ood_detector.threshold
    np.testing.assert_allclose(outputs["ood_score"], scores, rtol=1e-3)


def test_openvino_gives_the_same(bundled):
    _, path, pixels = bundled
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given, expected = compiled({"pixels": pixels.numpy()}), run(path, pixels)
    for name, values in expected.items():
        np.testing.assert_allclose(given[name], values, rtol=1e-3, atol=1e-4)


def test_the_file_says_what_it_is(bundled):
    model, path, _ = bundled
    file = onnx.load(path, load_external_data=False)
    said = {each.key: each.value for each in file.metadata_props}
    assert json.loads(said["class_names"]) == list(model.class_names)
    assert json.loads(said["preprocessing"])["size"] == model.preprocessing.size
    assert json.loads(said["temperature"]) == model.calibration.temperature
    point = json.loads(said["operating_point"])
    assert point["class_name"] == model.calibration.operating_point.class_name
    assert json.loads(said["weights"])["sha256"] == model.provenance.sha256
    assert json.loads(said["layers"]) == list(DETAIL["fine"])
    assert said["licence"] == "Apache-2.0"
    assert said["trained_on"] == model.trained_on


def small(network=None, names=("a", "b", "c"), size=64, **options):
    torch.manual_seed(2)
    network = fitted(network or ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3))
    channels = network.conv1.in_channels
    how = Preprocessing(size, (0.4,) * channels, (0.3,) * channels)
    return CAM(network, class_names=names, preprocessing=how, **options)


def one_logit():
    return small(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=1), ("absent", "present"))


def in_grey():
    return small(grey(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3)))


def several_at_once():
    return small(multi_label=True, target_layers=["layer2", "layer4.0.conv2"])


def with_offsets():
    model = small()
    model.calibration = Calibration(0.7, offsets=(0.0, 1.5, -2.0))
    return model


def of_an_odd_size():
    return small(ResNet(Bottleneck, [1, 1, 1, 1], 3), size=75, target_layers=["layer2", "layer4"])


def in_groups():
    network = ResNet(Bottleneck, [1, 1, 1, 1], 3, groups=32, width_per_group=4)
    return small(network, target_layers="layer2")


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    "build", [one_logit, in_grey, several_at_once, with_offsets, of_an_odd_size, in_groups]
)
def test_every_resnet_in_a_file_is_the_one_in_python(build, half, tmp_path):
    model = build()
    for parameter in model.model.parameters():  # as many weights of files are
        parameter.data = parameter.data.half().float()
    export(model, tmp_path / "model.onnx", half=half)
    size, channels = model.preprocessing.size, model.model.conv1.in_channels
    pixels = torch.rand(5, channels, size, size)
    outputs = run(tmp_path / "model.onnx", pixels)
    assert_equal(outputs, model, pixels, tuple(model.target_layers))
    alone = run(tmp_path / "model.onnx", pixels[:1])
    for name, values in alone.items():
        np.testing.assert_allclose(values, outputs[name][:1], rtol=0, atol=0.03)


def test_grey_pixels_go_into_a_network_that_takes_colour(tmp_path):
    model = small()
    export(model, tmp_path / "model.onnx")
    pixels = torch.rand(2, 1, 64, 64)
    given, expected = (run(tmp_path / "model.onnx", x) for x in (pixels, pixels.repeat(1, 3, 1, 1)))
    np.testing.assert_allclose(given["heatmaps"], expected["heatmaps"], atol=1e-6)


def test_weights_in_16_bits_take_half_the_place(tmp_path):
    model = small()
    for half in (False, True):
        export(model, tmp_path / f"{half}.onnx", half=half)
    whole, halved = ((tmp_path / f"{half}.onnx").stat().st_size for half in (False, True))
    assert 0.49 < halved / whole < 0.53


def test_a_file_that_is_wrong_does_not_appear(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxOperations, "mask", lambda self, x: self.node("Relu", x))
    with pytest.raises(CheckpointError, match="the graph differs from the network by"):
        export(small(target_layers="layer3"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("build", "name", "message"),
    [
        (small, "model.pt", "let it end in .onnx"),
        (lambda: CAM(densenet121(weights=None)), "model.onnx", "a DenseNet cannot be exported"),
        (lambda: small(target_layers="layer1"), "model.onnx", "a map at layer1 cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_said(build, name, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        export(build(), tmp_path / name)


def test_a_detail_that_the_model_has_not_is_said(tmp_path):
    with pytest.raises(ValueError, match="maps of this model are coarse; there is no finest one"):
        export(small(), tmp_path / "model.onnx", detail="finest")


def test_the_documents_lines_run_without_torch_and_give_what_python_gives(bundled, tmp_path):
    model, path, _ = bundled
    picture = (draw_phantom(3, size=300, opacity=True).pixels[:250] * 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "image.png")
    (tmp_path / "chest.onnx").symlink_to(path)
    lines = re.search(r"```python\n(import json.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[1]
    code = f"{lines}\nimport sys\nassert 'torch' not in sys.modules\nnp.savez('given', **outputs)"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    radiograph = read_radiograph(tmp_path / "image.png")
    recorded = model.record(model.prepare(radiograph), DETAIL["fine"])
    given = np.load(tmp_path / "given.npz")
    probabilities = model.calibration.probabilities(recorded.logits)
    np.testing.assert_allclose(given["probabilities"], probabilities, atol=1e-5)
    np.testing.assert_allclose(given["heatmaps"][:, 1], recorded.maps(1)[0], atol=1e-4)
    assert [line.partition(":")[0] for line in told.splitlines()] == list(model.class_names)
