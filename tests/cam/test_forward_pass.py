"""One look, many questions: passes by hooks and in stages are equal, and leave nothing behind."""

import copy
import gc
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from cxr_gradcam.cam.gradient_methods import gradcam
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.models import split_pass as staged
from cxr_gradcam.models.split_pass import SplitForwardPass
from cxr_gradcam.models.stages import CONV3, DETAIL, LAYER2, LAYER3, SHORTCUT, STAGES, Trunk
from tests.helpers.tiny import TinyNetwork


@pytest.fixture
def tiny():
    network = TinyNetwork()
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    return HookedForwardPass(network, {"target": network.target}, image)


def raw(forward_pass, class_idx, method="gradcam", **question):
    weights = target_weights(forward_pass.logits, class_idx, **question)
    return forward_pass.raw_maps(weights, method, forward_pass.layers)[0][0].tolist()


# A1 = [1 2; 3 4] and A2 = [3 1; -1 -3]; their ReLUs have the means 2.5 and 1. The gradients are
# w1 / 4 everywhere, and w2 / 4 where A2 is above 0; their means are w1 / 4 and w2 / 8.


def test_what_speaks_against_a_class_by_hand(tiny):
    # Class 1: -0.5 A1 + 0.5 A2 = [1 -.5; -2 -3.5]; turned over, above zero [0 .5; 2 3.5].
    assert raw(tiny, 1, against=True) == [[0, 0.5], [2, 3.5]]


def test_one_class_rather_than_another_by_hand(tiny):
    # 1 rather than 0: weights (-3, 2), so -0.75 A1 + 0.25 A2 = [0 -1.25; ...]: empty.
    # 0 rather than 1: 0.75 A1 - 0.25 A2 = [0 1.25; 2.5 3.75].
    assert raw(tiny, 1, contrast_idx=0) == [[0, 0], [0, 0]]
    assert raw(tiny, 0, contrast_idx=1) == [[0, 1.25], [2.5, 3.75]]


def test_ablation_by_hand(tiny):
    # Without A1, class 0 loses 1 * 2.5, without A2 it loses 2 * 1: 2.5 A1 + 2 A2, above zero.
    assert raw(tiny, 0, "ablationcam") == [[8.5, 7], [5.5, 4]]


def test_score_cam_by_hand(tiny):
    # Masks of A1 and A2: [0 1/3; 2/3 1] and [1 2/3; 1/3 0]. Seen through them x is [0 2/3; 2 4] and
    # [1 4/3; 1 0]. With x, the ReLU of 5 - 2x is [5 11/3; 1 0] and [3 7/3; 3 5], so the means are
    # (5/3, 29/12) and (5/6, 10/3), and class 0 scores 5/3 + 29/6 = 6.5 and 5/6 + 20/3 = 7.5.
    first = 1 / (1 + np.e)
    expected = [first * a + (1 - first) * b for a, b in ((1, 3), (2, 1), (3, -1), (4, -3))]
    expected = np.maximum(expected, 0).reshape(2, 2)
    np.testing.assert_allclose(raw(tiny, 0, "scorecam"), expected, rtol=1e-5)


def test_what_the_image_and_the_biases_add_is_the_score(tiny):
    # Class 0: the gradient at A1 is 1/4, at A2 1/2 where it is above 0, so that of x is 1/4 - 1 at
    # [1 2] and 1/4 at [3 4]. The bias of A2, 5, adds 5/2 at the same two places. All of it is 4.5.
    parts = tiny.full_gradients(target_weights(tiny.logits, 0))
    assert parts[0].tolist() == [[[[-0.75, -1.5], [0.75, 1]]]]
    assert parts[1].tolist() == [[[[0, 0], [0, 0]], [[2.5, 2.5], [0, 0]]]]
    assert sum(part.sum() for part in parts) == tiny.logits[0, 0]


def test_full_gradients_of_a_resnet_add_up_to_the_score():
    # A head without a bias: all else that is added on the way has a convolution or BatchNorm.
    torch.manual_seed(0)
    network = resnet18(num_classes=3).eval()
    nn.init.zeros_(network.fc.bias)
    for norm in (each for each in network.modules() if isinstance(each, nn.BatchNorm2d)):
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
    x = torch.randn(2, 3, 32, 32)
    forward_pass = HookedForwardPass(network, {"layer4": network.layer4}, x)
    parts = forward_pass.full_gradients(target_weights(forward_pass.logits, 1))
    total = sum(part.sum(dim=(1, 2, 3)) for part in parts)
    torch.testing.assert_close(total, forward_pass.logits[:, 1], rtol=1e-3, atol=1e-3)


def test_fullgrad_by_hand(tiny):
    # Magnitudes from 0 to 1: of x [0 1; 0 1/3], of A2's bias [1 1; 0 0]; A1 has none.
    torch.testing.assert_close(
        torch.tensor(raw(tiny, 0, "fullgrad")), torch.tensor([[1.0, 2.0], [0.0, 1 / 3]])
    )


def test_fullgrad_is_of_all_layers_whichever_are_named():
    network = TinyNetwork()
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    layers = {"target": network.target}
    [only] = HookedForwardPass(network, layers, image).raw_maps(
        torch.eye(3)[:1], "fullgrad", ("target",)
    )
    assert only.shape == (1, 2, 2)


def test_shapleycam_by_hand():
    # One channel A = x, the logits are its mean m and 0; for class 0, u = m + log(sigmoid m). With
    # x = [1 3], m = 2 and p = sigmoid(2): u' = 2 - p, u'' = -p (1 - p). The gradient at a place is
    # u' / 2, the Hessian times x is u'' m / 2.
    network = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1, 2, bias=False),
    )
    nn.init.ones_(network[0].weight)
    with torch.no_grad():
        network[3].weight.copy_(torch.tensor([[1.0], [0.0]]))
    image = torch.tensor([[[[1.0, 3.0]]]])
    forward_pass = HookedForwardPass(network, {"0": network[0]}, image)
    p = 1 / (1 + np.exp(-2))
    weight = (2 - p) / 2 + p * (1 - p) / 2
    np.testing.assert_allclose(
        raw(forward_pass, 0, "shapleycam"), [[weight, 3 * weight]], rtol=1e-5
    )


def test_shapleycam_of_a_difference_of_logits_is_gradcam(tiny):
    # Behind a ReLU logits have no curvature, and in their difference the log-softmax falls out:
    # twice the difference remains.
    maps = np.array(raw(tiny, 0, "shapleycam", contrast_idx=1))
    np.testing.assert_allclose(maps, 2 * np.array(raw(tiny, 0, contrast_idx=1)), rtol=1e-5)


def test_a_noisy_method_gives_one_map_for_one_image(tiny):
    assert raw(tiny, 0, "smoothgradcam++") == raw(tiny, 0, "smoothgradcam++")


def test_smooth_gradcam_plus_plus_asks_noisy_images(tiny, monkeypatch):
    # Without noise it is Grad-CAM++. With it, other places of A2 pass the ReLU.
    smooth = raw(tiny, 0, "smoothgradcam++")
    monkeypatch.setattr("cxr_gradcam.cam.forward_pass.NOISE", 0)
    still = raw(tiny, 0, "smoothgradcam++")
    np.testing.assert_allclose(still, raw(tiny, 0, "gradcam++"), rtol=1e-6)
    monkeypatch.setattr("cxr_gradcam.cam.forward_pass.NOISE", 1)
    assert not np.allclose(raw(tiny, 0, "smoothgradcam++"), smooth)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_works_where_the_caller_wants_no_gradients(tiny, method, mode):
    expected = raw(tiny, 0, method)
    network = TinyNetwork()
    with mode():
        image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        forward_pass = HookedForwardPass(network, {"target": network.target}, image)
        assert raw(forward_pass, 0, method) == expected


def test_refinecam_multiplies_the_layers_maps():
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)]
    for each in convolutions:
        nn.init.uniform_(each.weight)
    network = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layers = {"0": network[0], "1": network[1]}
    forward_pass = HookedForwardPass(network, layers, torch.rand(1, 1, 8, 8))
    refined, _ = forward_pass.maps(0, "refinecam")
    each = [forward_pass.maps(0, "gradcam++", layers=[name])[0] for name in layers]
    product = each[0] * each[1]
    torch.testing.assert_close(refined, product / product.max())
    assert torch.equal(refined, forward_pass.maps(0, "gradcam++", fusion="product")[0])


def test_progress_counts_the_channels_of_all_images():
    network = TinyNetwork()
    forward_pass = HookedForwardPass(network, {"target": network.target}, torch.rand(3, 1, 2, 2))
    reports = []
    forward_pass.maps(0, "ablationcam", progress=lambda done, total: reports.append((done, total)))
    assert reports == [(2, 6), (4, 6), (6, 6)]


def run_in_full_precision(network):
    def run(x, _stages):
        with torch.no_grad():
            return dict(zip((*STAGES, SHORTCUT), Trunk(network)(x), strict=True))

    return run


@pytest.fixture(scope="module")
def passes(shared_model, images):
    """The same images, captured by hooks and taken through a trunk."""
    layers = {name: shared_model.get_submodule(name) for name in STAGES}
    hooks = HookedForwardPass(shared_model, layers, images)
    network = shared_model.resnet50
    return hooks, SplitForwardPass(network, run_in_full_precision(network), STAGES, images)


@pytest.mark.parametrize("layers", [DETAIL["coarse"], DETAIL["finest"], (LAYER3,), (LAYER2, CONV3)])
@pytest.mark.parametrize("method", QUICK_METHODS)
def test_stages_give_the_maps_of_the_hooks(passes, method, layers, monkeypatch):
    monkeypatch.setattr(staged, "WEAK", 0)  # else a weak map is made by hooks in both
    hooks, stages = passes
    torch.testing.assert_close(stages.logits, hooks.logits, rtol=1e-5, atol=1e-5)
    maps = [forward_pass.maps([0, 1, 2, 0], method, layers=layers)[0] for forward_pass in passes]
    torch.testing.assert_close(maps[1], maps[0], rtol=0, atol=1e-3)


@pytest.mark.parametrize("layer", STAGES)
def test_gradients_of_the_stages_are_those_of_the_whole_network(passes, layer):
    weights = target_weights(passes[0].logits, 2, 1)
    for expected, given in zip(
        *(forward_pass.gradients(weights, [layer]) for forward_pass in passes), strict=True
    ):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("layer", STAGES)
def test_a_silenced_channel_changes_both_alike(passes, layer):
    channels = torch.tensor([0, 7, 300])
    hooks, stages = (forward_pass.logits_without(layer, 1, channels) for forward_pass in passes)
    assert hooks.shape == (3, 3)
    assert (hooks - passes[0].logits[1]).abs().amax() > 1e-5
    torch.testing.assert_close(stages, hooks, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_another_question_does_not_run_the_trunk(shared_model, images, monkeypatch):
    layers = {name: shared_model.get_submodule(name) for name in STAGES}
    forward_pass = HookedForwardPass(shared_model, layers, images)
    network = shared_model.resnet50
    stages = SplitForwardPass(network, run_in_full_precision(network), STAGES, images[:1])
    questions = list(itertools.product((forward_pass, stages), range(3), QUICK_METHODS))
    for each, class_idx, method in questions:  # where a map is weak, full precision is asked now
        each.maps(class_idx, method, layers=STAGES[class_idx:])
    monkeypatch.setattr(shared_model.resnet50.layer1, "forward", lambda *_: 1 / 0)
    for each, class_idx, method in questions:
        each.maps(class_idx, method, layers=STAGES[class_idx:])
    stages.maps(0, "ablationcam", layers=[CONV3])


def test_a_weak_map_is_made_in_full_precision(shared_model, images, monkeypatch):
    monkeypatch.setattr(staged, "WEAK", 1)  # these maps have no weaker ones
    network = shared_model.resnet50
    run = run_in_full_precision(network)

    def run_roughly(x, stages):
        return {name: (output * 8).round() / 8 for name, output in run(x, stages).items()}

    rough = SplitForwardPass(network, run_roughly, [CONV3], images)
    exact = SplitForwardPass(network, run, [CONV3], images)
    seen_weak, seen_strong = False, False
    for class_idx in range(3):
        weights = target_weights(exact.logits, class_idx)
        (gradients,) = rough.gradients(weights, [CONV3])
        activations = rough.activations(CONV3)
        weak = gradcam(activations, gradients).amax(dim=(1, 2)) < gradcam(
            activations, -gradients
        ).amax(dim=(1, 2))
        given, expected = (each.raw_maps(weights, "gradcam", [CONV3])[0] for each in (rough, exact))
        same = torch.isclose(given, expected, rtol=1e-3, atol=1e-6).all(dim=2).all(dim=1)
        assert torch.equal(same, weak)
        seen_weak, seen_strong = seen_weak or weak.any(), seen_strong or (~weak).any()
    assert seen_weak
    assert seen_strong


def test_a_pattern_whose_sign_is_a_matter_of_rounding_is_made_in_full_precision(
    shared_model, images
):
    network = shared_model.resnet50
    run = run_in_full_precision(network)
    shares = torch.tensor([0.5, -0.01, 0.5, -0.04])[: len(images)]

    def run_roughly(x, stages):
        """Give each image one pattern, whose sum is this share of its magnitudes' sum."""
        outputs = run(x, stages)
        n, _, height, width = outputs[CONV3].shape
        pattern = torch.ones(height * width)
        pattern[: height * width // 2] = -1
        pattern -= pattern.mean()
        rough = torch.stack([(pattern + share)[:, None] @ torch.ones(1, 2048) for share in shares])
        return outputs | {CONV3: rough.transpose(1, 2).reshape(n, 2048, height, width)}

    rough = SplitForwardPass(network, run_roughly, [CONV3], images)
    exact = SplitForwardPass(network, run, [CONV3], images)
    weights = target_weights(exact.logits, 0)
    given, expected = (each.raw_maps(weights, "eigencam", [CONV3])[0] for each in (rough, exact))
    same = torch.isclose(given, expected, rtol=1e-3, atol=1e-3).all(dim=2).all(dim=1)
    assert same.tolist() == (shares.abs() < staged.BALANCED).tolist()


@pytest.mark.parametrize("method", QUICK_METHODS)
def test_a_batch_has_the_maps_of_its_single_images(shared_model, images, method):
    together = shared_model.record(images).maps([2, 1, 0, 2], method)[0]
    for index, class_idx in enumerate([2, 1, 0, 2]):
        alone = shared_model.record(images[index : index + 1]).maps(class_idx, method)[0]
        torch.testing.assert_close(alone[0], together[index], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"method": "tarot"}, "no method 'tarot': choose from gradcam"),
        ({"layers": ["layer5"]}, "layer 'layer5' was not recorded: choose from resnet50.layer4"),
        ({"layers": []}, "no target layer is named"),
        ({"fusion": "sum"}, "'mean', 'max' or 'product', not 'sum'"),
        ({"class_idx": 3}, r"class index 3 is outside the range 0\.\.2"),
        ({"class_idx": 1, "contrast_idx": 1}, "contrasted with itself"),
    ],
)
def test_what_cannot_be_asked_is_refused(shared_model, images, question, message):
    forward_pass = shared_model.record(images)
    with pytest.raises(ValueError, match=message):
        forward_pass.maps(**question)


def test_a_layer_that_is_not_reached_is_refused():
    network = TinyNetwork()
    network.idle = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="'idle' takes no part"):
        HookedForwardPass(network, {"idle": network.idle}, torch.rand(1, 1, 2, 2))


@pytest.mark.slow
def test_a_thousand_maps_leave_nothing_behind():
    network = TinyNetwork()
    layers = {"target": network.target}

    def ask(turn):
        forward_pass = HookedForwardPass(network, layers, torch.rand(2, 1, 4, 4))
        forward_pass.maps(turn % 3, list(METHODS)[turn % len(METHODS)], against=turn % 7 < 3)

    def fail(_):
        network.head.register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            HookedForwardPass(network, layers, torch.rand(2, 1, 4, 4))
        network.head._forward_pre_hooks.clear()

    for turn in range(60):  # whatever is made once is made now
        (fail if turn % 11 == 0 else ask)(turn)
    before = tensors_alive()
    for turn in range(1000):
        (fail if turn % 11 == 0 else ask)(turn)
    assert tensors_alive() == before
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.is_grad_enabled()


def tensors_alive():
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


@pytest.mark.slow
def test_sixteen_threads_each_get_their_own_images_map(shared_model):
    generator = torch.Generator().manual_seed(3)
    batches = torch.randn(16, 1, 3, 64, 64, generator=generator)
    methods = (QUICK_METHODS * 2)[:16]

    def ask(turn):
        layers = list(DETAIL.values())[turn % 3]
        forward_pass = shared_model.record(batches[turn], layers)
        return forward_pass.maps(turn % 3, methods[turn])[0]

    expected = [ask(turn) for turn in range(16)]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(2):
            for given, alone in zip(pool.map(ask, range(16)), expected, strict=True):
                torch.testing.assert_close(given, alone, rtol=0, atol=1e-3)
    hooks = [hook for module in shared_model.modules() for hook in module._forward_hooks]
    assert len(hooks) == 1  # that of enable_gradcam_mode


class FrozenTrunk(TinyNetwork):
    """A network that switches gradients off for its trunk by itself."""

    def forward(self, x):
        with torch.no_grad():
            features = self.target(x)
        return self.head(features.relu().mean(dim=(2, 3)))


def test_a_network_with_a_no_grad_of_its_own_is_explained_all_the_same(tiny):
    network = FrozenTrunk()
    forward_pass = HookedForwardPass(network, {"target": network.target}, tiny.x)
    assert raw(forward_pass, 0) == raw(tiny, 0)


def test_a_layer_that_passes_on_its_input_can_be_looked_at_in_inference_mode():
    network = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(4, 2))
    with torch.inference_mode():
        forward_pass = HookedForwardPass(network, {"0": network[0]}, torch.rand(1, 1, 2, 2))
        assert forward_pass.maps(1)[0].shape == (1, 2, 2)


def test_threads_on_a_model_in_training_leave_it_as_it_was(shared_model, images):
    model = copy.deepcopy(shared_model).train()
    expected = shared_model.record(images[:1]).logits
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with ThreadPoolExecutor(8) as pool:
        for logits in pool.map(lambda _: model.record(images[:1]).logits, range(24)):
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert model.training
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, statistics[name]), name


def test_a_slow_method_may_be_asked_outside_of_autocast(tiny):
    with torch.autocast("cpu", torch.bfloat16):
        forward_pass = HookedForwardPass(tiny._model, tiny._modules, tiny.x)
    assert forward_pass.maps(0, "ablationcam")[0].max() == 1
    assert forward_pass.maps(0, "scorecam")[0].max() == 1
