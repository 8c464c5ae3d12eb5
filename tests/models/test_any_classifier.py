"""CAM on architectures as torchvision, torchxrayvision and timm build them, with random weights."""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from cxr_gradcam import CAM, Radiograph, ResNet50FineTuned, explain
from cxr_gradcam.models.library_records import guess_preprocessing
from cxr_gradcam.models.preprocessing import Preprocessing

SIZE = 64
SMALL = Preprocessing(size=SIZE)
NETWORKS = {
    "densenet121": ("features", (2, 2)),
    "efficientnet_b0": ("features", (2, 2)),
    "convnext_tiny": ("features", (2, 2)),
    "resnet18": ("layer4", (2, 2)),
    "mobilenet_v3_small": ("features", (2, 2)),
    "swin_t": ("permute", (2, 2)),
    "vit_b_16": ("encoder.layers.encoder_layer_11.ln_1", (4, 4)),
}
"""Each network's guessed target layer, and its places for an image of 64 pixels a side."""


def build(name):
    torch.manual_seed(0)
    size = {"image_size": SIZE} if name.startswith("vit") else {}
    network = torchvision.models.get_model(name, weights=None, num_classes=3, **size)
    for module in network.modules():  # torchvision starts the head of ViT at zero
        if isinstance(module, nn.Linear) and module.out_features == 3:
            nn.init.normal_(module.weight, std=0.1)
    return network


@pytest.fixture(scope="module", params=NETWORKS)
def named_cam(request):
    return request.param, CAM(build(request.param), preprocessing=SMALL)


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_the_last_layer_with_places_is_guessed(named_cam):
    name, cam = named_cam
    assert list(cam.target_layers) == [NETWORKS[name][0]]


def test_a_batch_has_the_maps_of_its_single_images(named_cam, x):
    name, cam = named_cam
    forward_pass = cam.record(x)
    assert forward_pass.activations(*forward_pass.layers).shape[2:] == NETWORKS[name][1]
    logits, heatmaps = cam(x, [0, 2], "elementwise")
    assert heatmaps.shape == (2, SIZE, SIZE)
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 1]
    for index, class_idx in enumerate((0, 2)):
        alone, heatmap = cam(x[index : index + 1], class_idx, "elementwise")
        torch.testing.assert_close(alone[0], logits[index], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(heatmap[0], heatmaps[index], rtol=0, atol=2e-3)


def test_the_network_answers_as_without_and_keeps_no_hook(named_cam, x):
    network = named_cam[1].model
    modes = [module.training for module in network.modules()]
    logits, _ = named_cam[1](x, 1, "layercam")
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(logits, network(x), rtol=1e-4, atol=1e-5)
    network.train(modes[0])


def test_gradients_are_those_of_the_whole_graph():
    network = build("densenet121").eval()
    image = torch.randn(1, 3, SIZE, SIZE)
    features = network.features(image)
    features.retain_grad()
    pooled = features.clone().relu().mean(dim=(2, 3))  # DenseNet's own ReLU is in place
    network.classifier(pooled)[0, 1].backward()
    forward_pass = CAM(network, preprocessing=SMALL).record(image)
    weights = torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(forward_pass.activations("features"), features.detach())
    torch.testing.assert_close(forward_pass.gradients(weights, ["features"])[0], features.grad)


def test_any_classifier_can_be_explained_as_it_is():
    radiograph = Radiograph(np.random.default_rng(0).random((70, 90), dtype=np.float32))
    network = build("resnet18")
    explanation = explain(network, radiograph)
    assert explanation.heatmap.shape == (70, 90)
    assert list(explanation.probabilities) == ["class 0", "class 1", "class 2"]
    cam = CAM(network, "layer3", class_names=["a", "b", "c"])
    assert explain(cam, radiograph, "b").layers == ("layer3",)


def test_several_layers_are_fused():
    cam = CAM(build("resnet18"), ["layer3", "layer4"], preprocessing=SMALL)
    image = torch.randn(1, 3, SIZE, SIZE)
    forward_pass = cam.record(image)
    each = [forward_pass.maps(1, layers=[layer])[0] for layer in ("layer3", "layer4")]
    mean = torch.stack(each).mean(dim=0)
    torch.testing.assert_close(cam(image, 1)[1], mean / mean.max())
    highest = torch.stack(each).amax(dim=0)
    torch.testing.assert_close(cam(image, 1, fusion="max")[1], highest)


def xrv_densenet(**options):
    models = pytest.importorskip("torchxrayvision").models
    torch.manual_seed(0)
    return models.DenseNet(weights=None, num_classes=18, in_channels=1, **options).eval()


def xrv_resnet():
    """A ResNet of torchxrayvision, which cannot be built without a download."""
    models = pytest.importorskip("torchxrayvision").models
    torch.manual_seed(0)
    network = models.ResNet.__new__(models.ResNet)
    nn.Module.__init__(network)
    network.model = torchvision.models.resnet50(num_classes=18)
    network.model.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network.targets = [f"finding {index}" for index in range(17)] + [""]
    network.register_buffer("op_threshs", torch.full((18,), 0.3))
    return network.eval()


@pytest.mark.parametrize("build_xrv", [xrv_densenet, xrv_resnet])
def test_torchxrayvision_is_explained_by_its_logits(build_xrv):
    network = build_xrv()
    plain = CAM(network)
    assert plain.preprocessing.normalize(torch.tensor([[[[0.0, 1.0]]]])).tolist() == [
        [[[-1024.0, 1024.0]]]
    ]
    assert plain.multi_label
    image = torch.randn(1, 1, 64, 64)
    image = image / image.abs().max() * 1024
    network.op_threshs = None
    with torch.no_grad():
        logits = network(image)
    network.op_threshs = torch.full((18,), 0.3)
    scaled = CAM(network)
    forward_pass = scaled.record(image)
    torch.testing.assert_close(forward_pass.logits, logits)
    assert forward_pass.maps(3)[0].shape == (1, 64, 64)


def test_torchxrayvision_names_its_findings():
    network = xrv_resnet()
    names = CAM(network).class_names
    assert names[0] == "finding 0"
    assert names[17] == "class 17"
    radiograph = Radiograph(np.random.default_rng(0).random((80, 80), dtype=np.float32))
    explanation = explain(network, radiograph, "finding 3")
    logits = CAM(network).record(guess_preprocessing(network).prepare(radiograph)).logits
    expected = logits[0].sigmoid().tolist()
    assert list(explanation.probabilities.values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "vit_tiny_patch16_224",
        pytest.param("swin_tiny_patch4_window7_224", marks=pytest.mark.slow),
    ],
)
def test_timm_if_it_is_installed(name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=2, in_chans=1)
    cam = CAM(network)
    assert len(cam.preprocessing.mean) == 1
    logits, heatmaps = cam(torch.randn(1, 1, 224, 224), 1, "hirescam", contrast_idx=0)
    assert logits.shape == (1, 2)
    assert heatmaps.shape == (1, 224, 224)
    assert heatmaps.max() == 1


class Averaging(nn.Module):
    """Averages a network's answers to a picture and to its mirror image."""

    def __init__(self, mirrored_last):
        super().__init__()
        torch.manual_seed(0)
        self.net = torchvision.models.resnet18(num_classes=2).eval()
        self.mirrored_last = mirrored_last

    def forward(self, x):
        pictures = (x, x.flip(-1)) if self.mirrored_last else (x.flip(-1), x)
        return sum(self.net(each).softmax(1) for each in pictures) / 2


@pytest.mark.parametrize("mirrored_last", [False, True])
def test_of_an_average_over_mirror_images_the_map_is_not_mirrored(mirrored_last):
    model = Averaging(mirrored_last)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    averaged, alone = CAM(model), CAM(model.net)
    layer = next(iter(averaged.target_layers))
    torch.testing.assert_close(
        averaged.record(x).activations(layer),
        alone.record(x).activations(layer.removeprefix("net.")),
    )
    assert averaged(x, 1)[1].std() > 0
    said = [each for each in averaged.assumptions if "several times" in each]
    assert len(said) == mirrored_last


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_a_network_that_squeezes_its_answer_answers_to_one_image(classes):
    class Squeezing(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.net = torchvision.models.resnet18(num_classes=classes).eval()

        def forward(self, x):
            return self.net(x).squeeze()

    model = Squeezing()
    cam, plain = CAM(model), CAM(model.net)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for images in (x, x[:1]):
        for one, other in zip(cam(images, 0), plain(images, 0), strict=True):
            torch.testing.assert_close(one, other)


def test_a_softmax_at_the_end_is_looked_behind():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    image = torch.randn(1, 3, 16, 16)
    bare = CAM(network, preprocessing=SMALL).record(image)
    wrapped = CAM(nn.Sequential(network, nn.Softmax(dim=1)), preprocessing=SMALL).record(image)
    torch.testing.assert_close(wrapped.logits, bare.logits)
    torch.testing.assert_close(wrapped.maps(1)[0], bare.maps(1)[0])


def test_our_own_model_keeps_its_target_layer(shared_model, images):
    cam = CAM(shared_model, preprocessing=SMALL)
    assert list(cam.target_layers) == ["resnet50.layer4.2.conv3"]
    expected = shared_model(images, True, 1)[1]
    torch.testing.assert_close(cam(images, 1)[1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_layers": "layer9"}, "no layer 'layer9'"),
        ({"class_names": ["a", "b", "a"]}, "two classes have one name: a, b, a"),
        ({"class_names": ["a", "b"]}, "2 class names for 3 classes"),
        ({"target_layers": []}, "name one or several"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    network = build("resnet18")
    with pytest.raises(ValueError, match=message):
        CAM(network, preprocessing=SMALL, **options)


def test_a_layer_without_places_is_refused():
    cam = CAM(build("resnet18"), "fc", preprocessing=SMALL)
    with pytest.raises(ValueError, match=r"layer 'fc' has no places"):
        cam(torch.randn(1, 3, SIZE, SIZE))


def test_grey_statistics_for_a_grey_network():
    network = nn.Sequential(nn.Conv2d(1, 2, 1))
    assert guess_preprocessing(network).mean == pytest.approx((0.449,))
    assert guess_preprocessing(ResNet50FineTuned(weights=None)).mean == (0.485, 0.456, 0.406)


def test_a_picture_that_is_transformed_before_the_first_convolution_keeps_its_channels():
    class Frequencies(nn.Module):
        pretrained_cfg: ClassVar = {"input_size": (3, 32, 32)}

        def __init__(self):
            super().__init__()
            self.unfold = nn.PixelUnshuffle(4)
            self.convolution, self.head = nn.Conv2d(48, 4, 3, padding=1), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.convolution(self.unfold(x)).mean(dim=(2, 3)))

    cam = CAM(Frequencies())
    assert len(cam.preprocessing.mean) == 3
    assert cam.target_layers.keys() == {"convolution"}


def test_a_network_that_takes_no_such_picture_is_refused_with_the_remedy():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2))
    with pytest.raises(ValueError, match=r"\(1, 3, 224, 224\).*: name its preprocessing"):
        CAM(network)


def test_a_layer_with_two_names_is_taken_once():
    network = build("resnet18")
    network.alias = network.layer4
    cam = CAM(network, ["layer4", "alias"], preprocessing=SMALL)
    assert cam(torch.randn(1, 3, SIZE, SIZE), 1)[1].shape == (1, SIZE, SIZE)


def test_a_sigmoid_is_told_from_a_softmax_and_looked_behind_in_place():
    class InPlace(nn.Sequential):
        def forward(self, x):
            return super().forward(x).sigmoid_()

    layers = nn.Conv2d(3, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    cam = CAM(InPlace(*layers, nn.Linear(4, 2, bias=False)), preprocessing=SMALL)
    assert cam.multi_label
    image = torch.randn(1, 3, 16, 16)
    logits = cam.record(image).logits
    torch.testing.assert_close(logits.sigmoid(), cam.model(image))


def test_threads_guess_the_same_layer():
    network = build("resnet18").eval()
    with ThreadPoolExecutor(8) as pool:
        cams = pool.map(lambda _: CAM(network, preprocessing=SMALL), range(24))
        assert {name for cam in cams for name in cam.target_layers} == {"layer4"}


def test_a_single_logit_is_a_probability_of_its_own():
    network = torchvision.models.resnet18(num_classes=1)
    radiograph = Radiograph(np.random.default_rng(0).random((70, 90), dtype=np.float32))
    share = explain(network, radiograph).probabilities["class 0"]
    logits = CAM(network).record(guess_preprocessing(network).prepare(radiograph)).logits
    assert share == pytest.approx(logits.sigmoid().item(), abs=1e-5)
    assert 0 < share < 1


def test_a_network_in_double_precision_is_explained_in_it():
    radiograph = Radiograph(np.random.default_rng(0).random((70, 90), dtype=np.float32))
    expected = explain(build("resnet18"), radiograph, "class 1", "elementwise").heatmap
    given = explain(build("resnet18").double(), radiograph, "class 1", "elementwise").heatmap
    np.testing.assert_allclose(given, expected, atol=1e-3)
