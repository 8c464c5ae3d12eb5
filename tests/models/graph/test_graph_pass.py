"""The graph of a ResNet, run by OpenVINO: what hooks and autograd give, for every such network."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

from cxr_gradcam import CAM, ResNet50FineTuned, load_model
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.outputs import OutputFormat
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.graph.resnet import is_supported, last_convolution, stages
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.helpers.networks import lively

pytest.importorskip("openvino")

from cxr_gradcam.models.graph import compiling
from cxr_gradcam.models.graph.compiled import FULL, HALF, CompiledResNet
from cxr_gradcam.models.graph.compiling import GraphMismatchError, compile_network, mismatches
from cxr_gradcam.models.graph.forward_pass import GraphForwardPass
from cxr_gradcam.models.graph.openvino_operations import OpenVinoOperations


def fitted(network):
    """Fit the network's BatchNorms to random images."""
    return lively(network, torch.randn(8, network.conv1.in_channels, 64, 64))


def grey(network):
    network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return network


BUILD = {
    "basic": partial(ResNet, BasicBlock, [1, 1, 1, 2], num_classes=3),
    "bottleneck": partial(ResNet, Bottleneck, [1, 1, 1, 2], num_classes=3),
    "one block a layer": partial(ResNet, Bottleneck, [1, 1, 1, 1], num_classes=3),
    "grey, one class": lambda: grey(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=1)),
    "six classes": partial(ResNet, BasicBlock, [1, 1, 1, 1], num_classes=6),
    "groups": partial(ResNet, Bottleneck, [1, 1, 1, 1], 3, groups=32, width_per_group=4),
    "dilated": partial(
        ResNet, Bottleneck, [1, 1, 1, 1], 3, replace_stride_with_dilation=[False, True, True]
    ),
}


@pytest.fixture(scope="module", params=BUILD)
def network(request):
    torch.manual_seed(3)
    return fitted(BUILD[request.param]())


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(4)
    return fitted(ResNet(Bottleneck, [1, 1, 1, 1], num_classes=3))


def passes(network, x, paths, graph=None, **options):
    """The same images by hooks and by the graph."""
    layers = {path: network.get_submodule(path) for path in paths}
    names = {path: path for path in paths}
    first = min(paths, key=stages(network).index)
    graph = graph or CompiledResNet(network, first, FULL)
    return (
        HookedForwardPass(network, layers, x, output=OutputFormat(**options)),
        GraphForwardPass(network, graph, names, x, **options),
    )


def assert_alike(given, expected, limit=1e-4):
    """Two tensors are the same but for rounding, and are not nothing."""
    assert given.shape == expected.shape
    assert expected.norm() > 0
    assert (given - expected).norm() < limit * expected.norm()


def test_every_resnet_has_the_activations_and_gradients_of_autograd(network):
    compiled = CompiledResNet(network, "layer2", FULL)
    for images, size in ((1, (64, 96)), (3, (45, 61))):
        x = torch.randn(images, network.conv1.in_channels, *size)
        compare(network, x, compiled)


def compare(network, x, compiled):
    paths = stages(network)
    hooks, graph = passes(network, x, paths, compiled)
    assert_alike(graph.logits, hooks.logits)
    weights = torch.randn(len(x), network.fc.out_features)
    for path in paths:
        assert_alike(graph.activations(path), hooks.activations(path))
    for given, expected in zip(
        *(each.gradients(weights, paths) for each in (graph, hooks)), strict=True
    ):
        assert_alike(given, expected, 0.1)  # rounding may move an activation across a ReLU's 0
        per_place = (given - expected).abs() < 1e-3 * expected.abs().max()
        assert per_place.float().mean() > 0.5


@pytest.mark.parametrize("path", ["layer2", "layer3", "layer4.0.conv3", "layer4"])
def test_a_layer_can_be_asked_alone(small, path):
    x = torch.randn(2, 3, 64, 64)
    hooks, graph = passes(small, x, [path])
    weights = torch.eye(3)[:2]
    for given, expected in zip(
        graph.gradients(weights, [path]), hooks.gradients(weights, [path]), strict=True
    ):
        assert_alike(given, expected, 0.05)
    assert graph.layers == (path,)


@pytest.mark.parametrize("path", ["layer2", "layer3", "layer4.0.conv3", "layer4"])
def test_a_channel_without_which_the_network_is_run(small, path):
    x = torch.randn(2, 3, 64, 64)
    hooks, graph = passes(small, x, [path])
    channels = torch.tensor([0, 5, 60])
    given, expected = (each.logits_without(path, 1, channels) for each in (graph, hooks))
    assert_alike(given, expected)
    assert (expected - hooks.logits[1]).abs().max() > 1e-5


def test_other_images_have_the_logits_that_the_network_gives(small):
    _, graph = passes(small, torch.randn(1, 3, 64, 64), ["layer3"])
    others = torch.randn(4, 3, 48, 80)
    with torch.no_grad():
        assert_alike(graph.forward(others), small(others))


def test_a_second_question_about_an_image_runs_nothing(small, monkeypatch):
    _, graph = passes(small, torch.randn(1, 3, 64, 64), ["layer2", "layer3"])
    graph.maps(0, layers=["layer3"])
    first = graph.maps(1, "layercam", layers=["layer3"])[0]
    monkeypatch.setattr(CompiledResNet, "backward", lambda *_: 1 / 0)
    monkeypatch.setattr(CompiledResNet, "forward", lambda *_: 1 / 0)
    assert torch.equal(graph.maps(1, "layercam", layers=["layer3"])[0], first)
    graph.maps(2, "hirescam", layers=["layer3"], contrast_idx=0, against=True)
    with pytest.raises(ZeroDivisionError):
        graph.maps(1, layers=["layer2"])


def test_one_logit_of_two_classes():
    torch.manual_seed(5)
    network = fitted(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=1))
    x = torch.randn(2, 3, 64, 64)
    for images in (x, x[:1]):
        hooks, graph = passes(network, images, ["layer3", "layer4"], two_classes=True)
        assert_alike(graph.logits, hooks.logits)
        for class_idx in (0, 1):
            for options in ({}, {"contrast_idx": 1 - class_idx}, {"against": True}):
                given, expected = (
                    each.maps(class_idx, "elementwise", **options)[0] for each in (graph, hooks)
                )
                torch.testing.assert_close(given, expected, rtol=0, atol=1e-3)


def test_any_classifier_that_is_a_resnet_is_run_by_the_graph(small, tmp_path):
    cam = CAM(small, ["layer3", "layer4"])
    x = torch.randn(2, 3, 64, 64)
    expected = cam.record(x)
    assert isinstance(expected, HookedForwardPass)
    cam.fast = True
    given = cam.record(x)
    assert isinstance(given, GraphForwardPass)
    torch.testing.assert_close(given.maps(1)[0], expected.maps(1)[0], rtol=0, atol=0.05)
    assert_alike(given.logits, expected.logits)
    small.train()
    assert isinstance(cam.record(x), HookedForwardPass)
    small.eval()
    assert isinstance(cam.record(x, ["layer1"]), HookedForwardPass)
    path = tmp_path / "old.pth"
    torch.save(ResNet(BasicBlock, [2, 2, 2, 2], num_classes=2).state_dict(), path)
    loaded = load_model(path, input_size=64)
    assert isinstance(loaded.record(x), GraphForwardPass)
    assert isinstance(load_model(path, input_size=64, fast=False).record(x), HookedForwardPass)


@pytest.fixture(scope="module")
def radiographs():
    """Twenty chests, half of them with an opacity, as the bundled network takes them."""
    model = ResNet50FineTuned.from_checkpoint(fast=False)
    chests = (draw_phantom(seed, size=256, opacity=seed % 2 == 0) for seed in range(20))
    return model, torch.cat([model.prepare(Radiograph(each.pixels)) for each in chests])


@pytest.mark.slow
def test_twenty_radiographs_have_the_maps_of_the_reference(radiographs):
    model, x = radiographs
    layers = DETAIL["finest"]
    quick = ResNet50FineTuned.from_checkpoint()
    reference = model.record(x, layers)
    graphs = [quick.record(image, layers) for image in x.split(1)]
    assert {type(each) for each in graphs} == {GraphForwardPass}
    if quick._fast_trunk._graph.precision == HALF:
        pytest.skip("this processor runs the graph in bf16")
    gradient_methods = [method for method in METHODS.values() if method.kind == "gradient"]
    for class_idx in range(2):
        weights = target_weights(reference.logits, class_idx)
        expected = reference.gradients(weights, layers)
        given = zip(*(graph.gradients(weights[:1], layers) for graph in graphs), strict=True)
        for layer, one, other in zip(layers, map(torch.cat, given), expected, strict=True):
            activations = torch.cat([graph.activations(layer) for graph in graphs])
            for method in gradient_methods:
                maps = method.compute(reference.activations(layer), other)
                apart = (method.compute(activations, one) - maps).abs().amax(dim=(1, 2))
                shares = apart / maps.amax(dim=(1, 2)).clamp_min(1e-9)
                assert shares.median() < 5e-6, method.label
                # In one film in ten, rounding moves an activation across a ReLU's 0.
                assert shares.max() < 1e-2, method.label


def test_noise_on_a_processor_with_bf16_is_within_the_bounds(small, monkeypatch):
    monkeypatch.setattr(compiling, "_has_bf16", lambda: True)
    seconds = {FULL: 1.0, HALF: 0.9}
    monkeypatch.setattr(compiling, "_seconds", lambda graph: seconds[graph.precision])
    assert compile_network(small, "layer3").precision == FULL  # bf16 gains too little
    seconds[HALF] = 0.5
    assert compile_network(small, "layer3").precision == HALF


def break_strided(monkeypatch):
    """Turn the weights of strided convolutions by a place, as a wrong transposition would."""
    right = OpenVinoOperations.back

    def wrong(self, gradient, layer, size):
        if layer.is_strided:
            layer = replace(layer, kernel=layer.kernel[::-1].copy())
        return right(self, gradient, layer, size)

    monkeypatch.setattr(OpenVinoOperations, "back", wrong)


def test_a_graph_with_wrong_gradients_is_refused(small, monkeypatch):
    break_strided(monkeypatch)
    with pytest.raises(GraphMismatchError, match="the gradients at layer3 differ by"):
        compile_network(small, "layer3")
    assert compile_network(small, "layer4").stages  # nothing is strided behind it


def test_a_graph_with_wrong_outputs_is_refused(small, monkeypatch):
    monkeypatch.setattr(OpenVinoOperations, "affine", lambda _self, x, *_: x)
    said = list(mismatches(small, CompiledResNet(small, "layer3", FULL)))
    assert said[0].startswith("the logits differ by")


def test_what_is_refused_is_said_and_replaced(model, images, monkeypatch):
    break_strided(monkeypatch)
    model.fast = True
    with pytest.warns(UserWarning, match="OpenVINO cannot run this network .the gradients at"):
        recorded = model.record(images, DETAIL["fine"])
    assert not isinstance(recorded, GraphForwardPass)
    expected = copy.deepcopy(model)
    expected.fast = False
    torch.testing.assert_close(
        recorded.maps(1)[0], expected.record(images, DETAIL["fine"]).maps(1)[0], atol=0.05, rtol=0
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda network: setattr(network, "maxpool", nn.Identity()),
        lambda network: setattr(network.layer1[0], "relu", nn.GELU()),
        lambda network: setattr(network, "fc", nn.Sequential(network.fc)),
        lambda network: setattr(network.conv1, "padding_mode", "reflect"),
        lambda network: setattr(network.maxpool, "ceil_mode", True),
        lambda network: setattr(network, "avgpool", nn.AdaptiveAvgPool2d(2)),
        lambda network: setattr(network, "bn1", nn.BatchNorm2d(64, affine=False)),
        lambda network: setattr(network, "__class__", type("Other", (ResNet,), {})),
    ],
)
def test_a_network_that_is_no_plain_resnet_is_left_alone(small, change):
    network = copy.deepcopy(small)
    assert is_supported(network)
    change(network)
    assert not is_supported(network)


def test_the_last_convolution_has_its_name():
    model = ResNet50FineTuned(weights=None)
    assert f"resnet50.{last_convolution(model.resnet50)}" == DETAIL["coarse"][0]


def test_nobodys_image_waits_in_an_idle_request(small):
    graph = CompiledResNet(small, "layer3", FULL)
    recorded = GraphForwardPass(small, graph, {"layer3": "layer3"}, torch.randn(1, 3, 64, 64))
    recorded.maps(1)
    for part in (graph._forward, *graph._backward.values()):
        idle = part._idle.get_nowait()
        for name in part._blanks:
            assert idle.get_tensor(name).get_size() <= 4096
            assert not idle.get_tensor(name).data.any()
