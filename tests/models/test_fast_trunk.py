"""The fast trunk: how near it comes to the network, when it is used; that it keeps up."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torchvision

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.models import fast_trunk as trunk
from cxr_gradcam.models.fast_trunk import _folded, _torch_trunk, fast_dtype
from cxr_gradcam.models.split_pass import RoundedForwardPass
from cxr_gradcam.models.stages import CONV3, DETAIL, SHORTCUT, STAGES, Trunk

BF16 = torch.bfloat16


def without_openvino(monkeypatch):
    monkeypatch.setattr(trunk, "find_spec", lambda _name: None)


@pytest.fixture
def fast(model):
    if find_spec("openvino") is None and fast_dtype(torch.device("cpu")) is None:
        pytest.skip("nothing is faster than the network on this processor")
    model.fast = True
    return model


@pytest.fixture(scope="module", params=["openvino", "torch"])
def bundled(request):
    """The bundled weights, served by one of the trunks."""
    model = ResNet50FineTuned.from_checkpoint()
    example = torch.zeros(1, 3, 64, 64)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "torch":
            without_openvino(patch)
        else:
            pytest.importorskip("openvino")
        if isinstance(model.record(example), HookedForwardPass):
            pytest.skip("torch alone is not faster on this processor")
    return model


@pytest.fixture(scope="module")
def exact():
    return ResNet50FineTuned.from_checkpoint(fast=False)


def correlation(first, second):
    """Correlate two maps; two empty ones are the same."""
    if not first.any() and not second.any():
        return 1
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@pytest.mark.parametrize("detail", DETAIL)
@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
def test_maps_and_probabilities_are_those_of_full_precision(bundled, exact, path, detail):
    radiograph = read_radiograph(path)
    for class_name in bundled.class_names:
        given, expected = (
            explain(model, radiograph, class_name, "hirescam", layers=DETAIL[detail])
            for model in (bundled, exact)
        )
        assert correlation(given.heatmap, expected.heatmap) > 0.999
        for name, probability in expected.probabilities.items():
            assert given.probabilities[name] == pytest.approx(probability, abs=0.005)


def test_folding_changes_nothing_but_rounding(shared_model, images):
    with torch.no_grad():
        folded = Trunk(_folded(shared_model.resnet50))(images)
        expected = Trunk(shared_model.resnet50)(images)
    for given, output in zip(folded, expected, strict=True):
        torch.testing.assert_close(given, output, rtol=1e-3, atol=1e-3 * output.abs().max().item())


def test_torchs_trunk_gives_the_stages_of_the_network(shared_model, images):
    run = _torch_trunk(shared_model.resnet50, BF16)
    with torch.no_grad():
        outputs = Trunk(shared_model.resnet50)(images)
    expected = dict(zip((*STAGES, SHORTCUT), outputs, strict=True))
    assert run(images, ()).keys() == {CONV3, SHORTCUT}
    for batch in (images, images[:1], images.contiguous(memory_format=torch.channels_last)):
        stages = run(batch, STAGES)
        for name, output in expected.items():
            given = stages[name]
            assert given.dtype == torch.float32
            assert not given.requires_grad
            assert correlation(given.numpy(), output[: len(batch)].numpy()) > 0.99


def test_the_trunk_follows_changed_weights(fast, images):
    before = fast.record(images).logits
    with torch.no_grad():
        fast.resnet50.layer1[0].conv1.weight *= 3
    after = fast.record(images)
    assert isinstance(after, RoundedForwardPass)
    fast.fast = False
    assert (before - after.logits).abs().max() > 0.01
    torch.testing.assert_close(after.logits, fast.record(images).logits, rtol=0.05, atol=0.05)
    fast.fast = True
    other = {name: tensor.clone() for name, tensor in fast.state_dict().items()}
    other["resnet50.layer1.0.conv1.weight"] /= 3
    fast.load_state_dict(other, assign=True)
    torch.testing.assert_close(fast.record(images).logits, before)


def test_the_trunk_follows_replaced_layers(fast, images):
    block = copy.deepcopy(fast.resnet50.layer1[0])
    torch.nn.init.normal_(block.conv1.weight)
    assert_follows(fast, images, lambda: fast.resnet50.layer1.__setitem__(0, block))
    conv1 = torch.nn.Conv2d(64, 64, 1, bias=False)
    assert_follows(fast, images, lambda: setattr(block, "conv1", conv1))
    network = torchvision.models.resnet50(num_classes=3).eval()
    assert_follows(fast, images, lambda: setattr(fast, "resnet50", network))


def test_the_trunk_follows_an_optimiser_that_leaves_no_trace(fast, images):
    def step():  # fused optimisers are not seen by version counters either
        fast.train()
        fast.resnet50.conv1.weight.data.mul_(3)
        fast.eval()

    assert_follows(fast, images, step)


def assert_follows(model, images, change):
    """After a change, the fast trunk is nearer to the new network than to the old one, by far."""
    before = model.record(images).logits
    change()
    after = model.record(images)
    assert isinstance(after, RoundedForwardPass)
    model.fast = False
    expected = model.record(images).logits
    model.fast = True
    assert (after.logits - expected).norm() < 0.2 * (before - expected).norm()


def test_an_image_has_in_a_batch_the_logits_that_it_has_alone(fast, images):
    pytest.importorskip("openvino")  # torch's convolutions round by the size of the batch
    batch = fast.record(images)
    for number, image in enumerate(images.split(1)):
        alone = fast.record(image)
        assert torch.equal(batch.logits[number], alone.logits[0])
        assert torch.equal(batch.features[number], alone.features[0])


def test_an_empty_batch_spoils_nothing(fast, images):
    logits, heatmaps = fast(images[:0], return_gradcam=True)
    assert logits.shape == (0, 3)
    assert heatmaps.shape == (0, 64, 96)
    with pytest.raises(ValueError, match=r"images \(N, 3, H, W\) are needed, not \(4, 1, 64, 96\)"):
        fast.record(images[:, :1])
    assert fast.record(images).logits.shape == (4, 3)


def test_a_foreign_hook_is_not_passed_by(fast, images):
    passed = []
    handle = fast.resnet50.layer2.register_forward_hook(lambda *_: passed.append(True))
    assert isinstance(fast.record(images), HookedForwardPass)
    handle.remove()
    assert isinstance(fast.record(images), RoundedForwardPass)
    assert passed == [True]


def slow_by_switch(model, _patch):
    model.fast = False


def slow_by_environment(_model, patch):
    patch.setenv("CXR_GRADCAM_FAST", "0")


def slow_by_training(model, _patch):
    model.train()


@pytest.mark.parametrize("slow", [slow_by_switch, slow_by_environment, slow_by_training])
def test_it_can_be_switched_off(fast, images, monkeypatch, slow):
    assert isinstance(fast.record(images), RoundedForwardPass)
    slow(fast, monkeypatch)
    assert isinstance(fast.record(images), HookedForwardPass)


def test_layers_that_are_no_stage_are_captured_by_hooks(fast, images):
    passed = fast.record(images, ["resnet50.layer1", fast.target_layer])
    assert isinstance(passed, HookedForwardPass)
    assert passed.layers == ("resnet50.layer1", "resnet50.layer4.2.conv3")


def test_who_wants_gradients_gets_the_network_itself(fast, images):
    fast.requires_grad_(True)
    logits, _ = fast(images, return_gradcam=True)
    assert logits.requires_grad
    torch.testing.assert_close(logits, fast(images), rtol=0, atol=0)
    with torch.no_grad():
        quick, heatmaps = fast(images, return_gradcam=True, gradcam_class_idx=1)
    expected = fast(images, return_gradcam=True, gradcam_class_idx=1)[1]
    torch.testing.assert_close(quick, logits.detach(), rtol=0.05, atol=0.05)
    assert correlation(heatmaps.numpy(), expected.numpy()) > 0.98


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_does_not_matter(fast, images, mode):
    expected = fast.record(images).maps(1)[0]
    with mode():
        given = fast.record(images).maps(1)[0]
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-6)


def test_double_precision_and_autocast_go_their_own_way(fast, images):
    with torch.autocast("cpu", torch.bfloat16):
        assert isinstance(fast.record(images), HookedForwardPass)
    fast.double()
    assert isinstance(fast.record(images.double()), HookedForwardPass)


def test_a_model_with_a_trunk_can_be_copied_and_saved(fast, images):
    expected = fast.record(images).logits
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert other.fast
        torch.testing.assert_close(other.record(images).logits, expected)


def test_without_openvino_torch_does_it(fast, images, monkeypatch):
    without_openvino(monkeypatch)
    fast.fast = False
    expected = fast.record(images).maps(1)[0]
    fast.fast = True
    passed = fast.record(images)
    assert isinstance(
        passed, RoundedForwardPass if fast_dtype(torch.device("cpu")) else HookedForwardPass
    )
    assert correlation(passed.maps(1)[0].numpy(), expected.numpy()) > 0.98


def test_a_failing_openvino_is_told_and_replaced(fast, images, monkeypatch):
    pytest.importorskip("openvino")

    def fail(*_):
        raise RuntimeError("no such device")

    monkeypatch.setattr("cxr_gradcam.models.graph.compiling.compile_network", fail)
    with pytest.warns(UserWarning, match=r"OpenVINO cannot run this network \(no such device\)"):
        fast.record(images)


def test_sixteen_threads_share_a_trunk(fast):
    images = torch.randn(16, 1, 3, 64, 64, generator=torch.Generator().manual_seed(3))

    def ask(turn):
        return fast.record(images[turn]).maps(turn % 3, "layercam")[0]

    expected = [ask(turn) for turn in range(16)]
    with ThreadPoolExecutor(16) as pool:
        for given, alone in zip(pool.map(ask, range(16)), expected, strict=True):
            torch.testing.assert_close(given, alone, rtol=0, atol=1e-3)
