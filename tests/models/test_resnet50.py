import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import product
from threading import Barrier, get_ident
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
import torchvision
from captum.attr import LayerGradCam
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.gradient_methods import gradcam
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.imaging.rendering import as_rgb, color_table, overlay
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
CALLERS = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


def freeze(model, trunk, head):
    """Freeze trunk and head each or not; train() lets BatchNorm follow."""
    model.resnet50.requires_grad_(not trunk)
    model.resnet50.fc.requires_grad_(not head)
    return model


def batch_norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def buffers(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


def parameter_gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_same_tensors(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert (value is None) == (second[name] is None), name
        assert value is None or torch.equal(value, second[name]), name


# --- The network -------------------------------------------------------------------------------


def test_positional_order_and_defaults_of_the_constructor():
    model = ResNet50FineTuned(5, False, True, weights=None)
    assert model.resnet50.fc.out_features == 5
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.gradcam_enabled
    with pytest.raises(TypeError):
        ResNet50FineTuned(2, True, False, None)


def test_state_dict_is_that_of_torchvision_under_resnet50(shared_model):
    with torch.device("meta"):
        keys = torchvision.models.resnet50().state_dict().keys()
    assert list(shared_model.state_dict()) == [f"resnet50.{key}" for key in keys]


def test_without_a_map_it_is_torchvisions_network(shared_model, images):
    plain = torchvision.models.resnet50(num_classes=3).eval()
    plain.load_state_dict(shared_model.resnet50.state_dict())
    assert torch.equal(shared_model(images), plain(images))


def test_the_target_layer_is_the_last_convolution(shared_model):
    assert shared_model.target_layer is shared_model.resnet50.layer4[-1].conv3
    assert list(shared_model.target_layer._forward_hooks.values())


def hooks(model):
    return [
        hook
        for module in model.modules()
        for name, registered in vars(module).items()
        if "hooks" in name and isinstance(registered, dict)
        for hook in registered.values()
    ]


def test_enabling_and_disabling_twice_changes_nothing(model, images):
    assert len(hooks(model)) == 1
    model.enable_gradcam_mode()
    assert len(hooks(model)) == 1
    model(images, return_gradcam=True)
    for _ in range(2):
        model.disable_gradcam_mode()
        assert hooks(model) == []
        assert not model.gradcam_enabled
    model.enable_gradcam_mode()
    assert len(hooks(model)) == 1
    assert model.gradcam_enabled


def test_disabling_leaves_the_hooks_of_others(model):
    model.target_layer.register_forward_hook(lambda *_: None)
    model.disable_gradcam_mode()
    assert len(hooks(model)) == 1


def test_map_without_gradcam_enabled_names_both_remedies(model, images):
    model.disable_gradcam_mode()
    with pytest.raises(RuntimeError, match=r"enable_gradcam_mode\(\).*enable_gradcam=True"):
        model(images, return_gradcam=True)
    assert model(images).shape == (4, 3)


# --- Freezing ----------------------------------------------------------------------------------


def test_freezing_trains_exactly_the_head():
    model = ResNet50FineTuned(2, True, weights=None)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["resnet50.fc.weight", "resnet50.fc.bias"]


@pytest.mark.parametrize("call_train", [True, False], ids=["train()", "as built"])
def test_frozen_batch_norm_statistics_stay_still(images, call_train):
    model = ResNet50FineTuned(2, True, True, weights=None)
    if call_train:
        model.train()
        assert model.training
        assert model.resnet50.layer1.training
    before = buffers(model)
    model(images)
    model(images, return_gradcam=True)
    assert_same_tensors(before, buffers(model))


def test_unfrozen_batch_norm_statistics_follow_the_images(model, images):
    before = buffers(model)
    model.train()(images)
    assert not any(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())


def test_batch_norm_layers_are_frozen_one_by_one(model):
    model.resnet50.layer1.requires_grad_(False)
    model.train()
    assert not any(module.training for module in batch_norms(model.resnet50.layer1))
    assert all(module.training for module in batch_norms(model.resnet50.layer2))


# --- Maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_shapes_types_and_ranges(model, images, device):
    x = images.to(device)
    logits, heatmaps = model.to(device)(x, return_gradcam=True)
    assert logits.shape == (4, 3)
    assert heatmaps.shape == (4, 64, 96)
    assert heatmaps.dtype == torch.float32
    assert heatmaps.device == x.device
    assert not heatmaps.requires_grad
    assert heatmaps.min() >= 0
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 1, 1, 1]
    assert torch.equal(logits, model(x))


def test_the_plain_call_gives_logits_alone(shared_model, images):
    assert torch.equal(shared_model(images, False, 1), shared_model(images))


def test_the_map_is_the_scaled_gradcam_at_the_images_size(shared_model, images):
    logits, maps = shared_model.gradcam(images, 1)
    assert maps.shape == (4, 2, 3)
    expected_logits, heatmaps = shared_model(images, True, 1)
    assert torch.equal(logits, expected_logits)
    assert torch.equal(heatmaps, upsample(maps, (64, 96))[0])


def test_none_explains_the_predicted_class_of_each(shared_model, images):
    logits, heatmaps = shared_model(images, return_gradcam=True)
    predicted = logits.argmax(dim=1)
    assert len(predicted.unique()) > 1
    assert torch.equal(heatmaps, shared_model(images, True, predicted)[1])


@pytest.fixture(scope="module")
def single_heatmaps(shared_model, images):
    """The heat map of each image for each class, made one by one: (4, 3, H, W)."""
    return torch.stack(
        [
            torch.cat([shared_model(image[None], True, class_idx)[1] for class_idx in range(3)])
            for image in images
        ]
    )


def test_classes_have_maps_of_their_own(single_heatmaps):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        difference = single_heatmaps[:, first] - single_heatmaps[:, second]
        assert difference.abs().amax(dim=(1, 2)).min() > 0.01


@pytest.mark.parametrize(
    ("class_idx", "classes"),
    [
        (2, [2, 2, 2, 2]),
        (torch.tensor(1), [1, 1, 1, 1]),
        ([2, 0, 1, 0], [2, 0, 1, 0]),
        ((1, 1, 0, 2), [1, 1, 0, 2]),
        (torch.tensor([0, 2, 2, 1], dtype=torch.int32), [0, 2, 2, 1]),
        (list(np.array([0, 2, 2, 1])), [0, 2, 2, 1]),
    ],
)
def test_each_sample_is_explained_for_the_class_asked_for(
    shared_model, images, single_heatmaps, class_idx, classes
):
    heatmaps = shared_model(images, return_gradcam=True, gradcam_class_idx=class_idx)[1]
    expected = single_heatmaps[range(4), classes]
    torch.testing.assert_close(heatmaps, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("class_idx", "message"),
    [
        (3, r"class index 3 is outside the range 0\.\.2"),
        (-1, r"class index -1 is outside the range 0\.\.2"),
        (torch.tensor([0, 0, 7, 0]), r"class index 7 is outside the range 0\.\.2"),
        ([0, 1], "2 class indices for 4 images"),
        (1.0, "whole number"),
        (True, "whole number"),
    ],
)
def test_impossible_class_index_is_refused(shared_model, images, class_idx, message):
    with pytest.raises(ValueError, match=message):
        shared_model(images, return_gradcam=True, gradcam_class_idx=class_idx)


def test_a_map_of_what_is_no_batch_is_refused(shared_model, images):
    with pytest.raises(ValueError, match=r"images \(N, 3, H, W\) are needed, not \(3, 64, 96\)"):
        shared_model(images[0], return_gradcam=True)


def test_where_nothing_speaks_for_a_class_its_map_is_empty(model, images):
    with torch.no_grad():
        model.resnet50.fc.weight[1] = 0
    heatmaps = model(images, True, [0, 1, 1, 2])[1]
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 0, 0, 1]


def test_an_empty_batch_has_no_maps(shared_model, images):
    logits, heatmaps = shared_model(images[:0], return_gradcam=True)
    assert logits.shape == (0, 3)
    assert heatmaps.shape == (0, 64, 96)


# --- The same maps as others make --------------------------------------------------------------


@pytest.fixture(scope="module", params=[1, 4, 5], ids="seed {}".format)
def network(request, random_network):
    return random_network(request.param)


CLASSES = [0, 1, 2, 1]


def test_maps_equal_those_of_pytorch_grad_cam(network, images):
    maps = network.gradcam(images, CLASSES)[1].numpy()
    assert maps.max(axis=(1, 2)).min() > 1e-3
    targets = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]
    with GradCAM(model=network, target_layers=[network.target_layer]) as peer:
        scaled = peer(input_tensor=images, targets=targets)
        captured = peer.activations_and_grads
        raw = peer.get_cam_image(
            images,
            network.target_layer,
            targets,
            captured.activations[0].numpy(),
            captured.gradients[0].numpy(),
        )
    assert np.abs(maps - raw.clip(min=0)).max() < 1e-5
    # Its own way of scaling: from minimum to maximum, before and after the map is enlarged.
    ours = scale_cam_image(scale_cam_image(maps, (96, 64)))
    assert np.abs(ours - scaled).max() < 1e-5
    heatmaps, theirs = (upsample(torch.tensor(m), (64, 96))[0] for m in (maps, raw.clip(min=0)))
    assert (heatmaps - theirs).abs().max() < 1e-5


def test_maps_equal_those_of_captum(network, images):
    logits, maps = network.gradcam(images, CLASSES)
    assert maps.amax(dim=(1, 2)).min() > 1e-3
    peer = LayerGradCam(network, network.target_layer)
    theirs = peer.attribute(images, target=CLASSES, relu_attributions=True)[:, 0].detach()
    assert (maps - theirs).abs().max() < 1e-5
    heatmaps = network(images, True, CLASSES)[1]
    assert (heatmaps - upsample(theirs, (64, 96))[0]).abs().max() < 1e-5
    assert torch.equal(logits, network(images))


# --- Grad modes, precision, training -----------------------------------------------------------


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_callers_grad_mode_changes_neither_logits_nor_map(
    model, shared_model, images, caller, frozen
):
    expected = shared_model(images, True, 1)
    freeze(model, trunk=frozen, head=False)
    with caller():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        logits, heatmaps = model(images, return_gradcam=True, gradcam_class_idx=1)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
        plain = model(images)
    assert torch.equal(logits, plain)
    assert torch.equal(logits, expected[0])
    torch.testing.assert_close(heatmaps, expected[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("caller", [nullcontext, torch.inference_mode])
def test_an_image_made_in_inference_mode_can_be_explained(model, shared_model, images, caller):
    with torch.inference_mode():
        x = images.clone()
    with caller():
        logits, heatmaps = freeze(model, trunk=True, head=True)(x, True, 1)
    assert x.is_inference()
    expected = shared_model(images, True, 1)
    assert torch.equal(logits, expected[0])
    torch.testing.assert_close(heatmaps, expected[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
def test_autocast(model, shared_model, images, caller, frozen):
    freeze(model, trunk=frozen, head=False)
    with caller(), torch.autocast("cpu", dtype=torch.bfloat16):
        plain = model(images)
        logits, heatmaps = model(images, return_gradcam=True, gradcam_class_idx=1)
    assert logits.dtype == torch.bfloat16
    assert torch.equal(logits, plain)
    assert heatmaps.dtype == torch.float32
    assert heatmaps.min() >= 0
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 1, 1, 1]
    # bfloat16 has 8 bits; the error of 50 layers stays far from the contrast of the map.
    precise = shared_model(images, True, 1)[1]
    assert (heatmaps - precise).abs().mean() < 0.05


def test_training_in_autocast_is_the_same_with_a_map(model, images):
    steps = []
    for return_gradcam in (False, True):
        network = copy.deepcopy(model).train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = network(images, return_gradcam)
        logits = output[0] if return_gradcam else output
        nn.functional.cross_entropy(logits.float(), torch.tensor(CLASSES)).backward()
        steps.append(parameter_gradients(network))
    assert_same_tensors(*steps)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_of_another_precision_gives_float32_maps(model, shared_model, images, dtype):
    logits, heatmaps = model.to(dtype)(images.to(dtype), True, 1)
    assert logits.dtype == dtype
    assert heatmaps.dtype == torch.float32
    expected = shared_model(images, True, 1)[1]
    tolerance = 1e-3 if dtype == torch.float64 else 0.3
    torch.testing.assert_close(heatmaps, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_logits_have_a_graph_exactly_where_they_have_one_without_a_map(model, images, caller):
    for trunk, head, x_requires_grad in product([True, False], repeat=3):
        freeze(model, trunk, head)
        x = images[:1].clone().requires_grad_(x_requires_grad)
        with caller():
            plain = model(x)
            logits = model(x, return_gradcam=True)[0]
        assert logits.requires_grad == plain.requires_grad, (trunk, head, x_requires_grad)
        assert torch.equal(logits, plain)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
def test_training_is_the_same_with_and_without_a_map(model, images, frozen):
    freeze(model, trunk=frozen, head=False)
    steps = []
    for return_gradcam in (False, True):
        network = copy.deepcopy(model).train()
        output = network(images, return_gradcam)
        logits = output[0] if return_gradcam else output
        nn.functional.cross_entropy(logits, torch.tensor(CLASSES)).backward()
        steps.append((parameter_gradients(network), buffers(network), logits.detach()))
    plain, mapped = steps
    assert_same_tensors(plain[0], mapped[0])
    assert_same_tensors(plain[1], mapped[1])
    assert torch.equal(plain[2], mapped[2])
    trained = [name for name, grad in mapped[0].items() if grad is not None and grad.any()]
    assert len(trained) == (2 if frozen else len(mapped[0]))
    assert frozen == all(torch.equal(b, mapped[1][name]) for name, b in model.named_buffers())


def test_a_gradient_reaches_the_image_as_without_a_map(model, images):
    freeze(model, trunk=True, head=True)
    found = []
    for return_gradcam in (False, True):
        x = images.clone().requires_grad_()
        output = model(x, return_gradcam)
        (output[0] if return_gradcam else output).sum().backward()
        found.append(x.grad)
    assert found[0].any()
    assert torch.equal(*found)


def test_train_mode_explains_what_train_mode_computes(model, images):
    model.train()
    activations = []
    model.target_layer.register_forward_hook(lambda *args: activations.append(args[2]))
    logits, maps = copy.deepcopy(model).gradcam(images, 1)
    plain = model(images)
    gradients = torch.autograd.grad(plain[:, 1].sum(), activations[-1])[0]
    assert torch.equal(logits, plain)
    assert maps.any()
    torch.testing.assert_close(maps, gradcam(activations[-1].detach(), gradients))


# --- What a call leaves behind -----------------------------------------------------------------


def traces(model):
    """What a call must not change, apart from the buffers."""
    return {
        "training": [module.training for module in model.modules()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grad": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "random": torch.get_rng_state().tolist(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_a_call_leaves_modes_flags_gradients_and_random_numbers_alone(
    model, images, frozen, caller
):
    freeze(model, trunk=frozen, head=False).train()
    model.resnet50.layer2[1].eval()
    model.resnet50.fc.bias.grad = torch.tensor([1.0, 2.0, 3.0])
    with caller():
        before = traces(model)
        model(images, return_gradcam=True)
        assert traces(model) == before
        with pytest.raises(ValueError, match=r"images \(N, 3, H, W\) are needed"):
            model(images[:, :2], return_gradcam=True)
        assert traces(model) == before


def test_after_an_error_the_next_call_is_right(model, shared_model, images):
    handle = model.resnet50.avgpool.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        model(images, return_gradcam=True)
    handle.remove()
    with torch.no_grad():
        assert not model(images).requires_grad
        assert torch.equal(model(images, True, 1)[1], shared_model(images, True, 1)[1])


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_nothing_of_a_call_is_kept_on_the_model(model, images, caller):
    captured = []
    model.resnet50.layer4[-1].bn3.register_forward_pre_hook(
        lambda _, inputs: captured.append(weakref.ref(inputs[0]))
    )

    def attributes():
        return {
            (name, key): list(value.items()) if isinstance(value, dict) else value
            for name, module in model.named_modules()
            for key, value in vars(module).items()
            if key not in ("_parameters", "_buffers", "_modules")
        }

    before = attributes()
    with caller():
        outputs = model(images, return_gradcam=True)
    assert attributes() == before
    if not outputs[0].requires_grad:
        gc.collect()
        assert captured[0]() is None
    del outputs
    gc.collect()
    assert captured[0]() is None


def test_the_trunk_records_nothing_in_front_of_the_cut(model, images):
    reached = []
    block = model.resnet50.layer4[-1]
    for layer in (block.bn2, block.bn3):
        layer.register_forward_pre_hook(lambda _, args: reached.append(args[0].requires_grad))
    with torch.no_grad():
        model(images, return_gradcam=True)
    assert reached == [False, True]


# --- Copies and threads ------------------------------------------------------------------------


def through_pickle(model, _folder):
    return pickle.loads(pickle.dumps(model))


def through_a_file(model, folder):
    torch.save(model, folder / "model.pt")
    return torch.load(folder / "model.pt", weights_only=False)


def through_state_dict(model, folder):
    torch.save(model.state_dict(), folder / "state.pt")
    other = ResNet50FineTuned(3, True, True, weights=None)
    other.load_state_dict(torch.load(folder / "state.pt"))
    return other.eval()


@pytest.mark.parametrize(
    "copied",
    [lambda model, _: copy.deepcopy(model), through_pickle, through_a_file, through_state_dict],
    ids=["deepcopy", "pickle", "torch.save", "state_dict"],
)
def test_a_copy_gives_the_same_maps_and_is_independent(shared_model, images, tmp_path, copied):
    logits, heatmaps = shared_model(images, return_gradcam=True)
    other = copied(shared_model, tmp_path)
    other_logits, other_heatmaps = other(images, return_gradcam=True)
    assert torch.equal(logits, other_logits)
    torch.testing.assert_close(heatmaps, other_heatmaps, rtol=0, atol=1e-6)
    other.disable_gradcam_mode()
    assert hooks(other) == []
    other.enable_gradcam_mode()
    other.disable_gradcam_mode()
    assert hooks(other) == []
    assert len(hooks(shared_model)) == 1
    assert shared_model.gradcam_enabled


def test_a_copy_of_a_model_without_gradcam_has_none(model):
    model.disable_gradcam_mode()
    assert not copy.deepcopy(model).gradcam_enabled


def test_data_parallel_gives_the_same(shared_model, images):
    classes = torch.tensor(CLASSES)
    wrapped = nn.DataParallel(shared_model)
    logits, heatmaps = wrapped(images, return_gradcam=True, gradcam_class_idx=classes)
    expected = shared_model(images, True, classes)
    assert torch.equal(logits, expected[0])
    assert torch.equal(heatmaps, expected[1])


def replicate(model):
    """A replica as DataParallel makes it on each device: its parameters are plain attributes."""
    replicas = {module: module._replicate_for_data_parallel() for module in model.modules()}
    for module, replica in replicas.items():
        replica._former_parameters = {}
        for name, child in module.named_children():
            setattr(replica, name, replicas[child])
        for name, parameter in module._parameters.items():
            if parameter is None:
                replica._parameters[name] = None
            else:
                replica._former_parameters[name] = parameter.clone()
                setattr(replica, name, replica._former_parameters[name])
    return replicas[model]


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
def test_training_through_replicas_is_the_same_with_and_without_a_map(model, images, frozen):
    freeze(model, trunk=frozen, head=False).train()
    steps = []
    for return_gradcam in (False, True):
        network = copy.deepcopy(model)
        output = replicate(network)(images, return_gradcam)
        logits = output[0] if return_gradcam else output
        nn.functional.cross_entropy(logits, torch.tensor(CLASSES)).backward()
        steps.append(parameter_gradients(network))
    assert_same_tensors(*steps)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("caller", [torch.enable_grad, torch.no_grad])
def test_replicas_run_side_by_side(model, images, caller, fast):
    expected = model(images, True, CLASSES)[1]
    model.fast = fast

    def explain_half(half):
        with caller():
            return replicate(model)(images[half], True, CLASSES[half])[1]

    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(explain_half, [slice(0, 2), slice(2, 4)]))
    torch.testing.assert_close(torch.cat(halves), expected, rtol=0, atol=1e-4)


def test_threads_that_call_one_model_at_once_see_their_own_map(model, shared_model):
    threads = 12
    pictures = torch.randn(threads, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = [shared_model(x, True, index % 3) for index, x in enumerate(pictures)]
    # All wait for each other between the capture and the gradient, so every call is under way.
    barrier, met = Barrier(threads + 1, timeout=120), set()

    def meet(_module, _inputs):
        met.add(get_ident())
        barrier.wait()

    model.resnet50.layer4[-1].bn3.register_forward_pre_hook(meet)

    def call(index):
        with torch.no_grad() if index % 2 else nullcontext():
            return model(pictures[index], True, index % 3)

    def call_without_a_map():
        return model(pictures[0])

    with ThreadPoolExecutor(threads + 1) as pool:
        plain = pool.submit(call_without_a_map)
        results = list(pool.map(call, range(threads)))
    assert len(met) == threads + 1
    torch.testing.assert_close(plain.result(), expected[0][0], rtol=0, atol=1e-4)
    for (logits, heatmap), (expected_logits, expected_heatmap) in zip(
        results, expected, strict=True
    ):
        torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-4)
        torch.testing.assert_close(heatmap, expected_heatmap, rtol=0, atol=1e-4)
    maps = torch.cat([heatmap for _, heatmap in results])
    distances = (maps[:, None] - maps[None]).abs().amax(dim=(2, 3)) + torch.eye(threads)
    assert distances.min() > 0.01


# --- The overlay -------------------------------------------------------------------------------

HEIGHT, WIDTH = 50, 70
PICTURE = np.linspace(0, 255, HEIGHT * WIDTH).astype(np.uint8).reshape(HEIGHT, WIDTH)
ORIGINALS = {
    "PIL grey": Image.fromarray(PICTURE),
    "PIL RGB": Image.fromarray(np.stack([PICTURE, PICTURE[::-1], PICTURE], axis=-1)),
    "PIL 16 bit": Image.fromarray(PICTURE.astype(np.uint16) * 257),
    "grey": PICTURE,
    "grey float": PICTURE / 255.0,
    "grey 16 bit": PICTURE.astype(np.uint16) * 257,
    "RGB": np.stack([PICTURE, PICTURE[::-1], PICTURE], axis=-1),
}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_overlay_lies_on_the_originals_grid(shared_model, images, original):
    colored, blended = shared_model.get_gradcam_overlay(images[0], original, 0.3, "viridis")
    heatmap = upsample(shared_model.gradcam(images[:1])[1], (HEIGHT, WIDTH))[0][0].numpy()
    for image in (colored, blended):
        assert image.dtype == np.uint8
        assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(blended, overlay(as_rgb(original), heatmap, 0.3, "viridis"))
    hottest = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert colored[hottest].tolist() == color_table("viridis")[255].tolist()


def test_one_image_may_come_with_or_without_a_batch_axis(shared_model, images):
    three, four = (shared_model.get_gradcam_overlay(x) for x in (images[2], images[2:3]))
    assert np.array_equal(three[0], four[0])
    assert np.array_equal(three[1], four[1])


def test_without_an_original_the_input_itself_is_shown(model):
    model.preprocessing = Preprocessing(64, (0.2, 0.3, 0.4), (0.5, 0.25, 0.125))
    grey = torch.arange(64.0).expand(1, 1, 48, 64) / 63
    x = model.preprocessing.normalize(grey)
    blended = model.get_gradcam_overlay(x, alpha=0)[1]
    expected = np.floor(np.arange(64) / 63 * 255 + 0.5)
    assert blended.shape == (48, 64, 3)
    # 1: where rounding in float32 tips a half
    assert np.abs(blended - expected[None, :, None]).max() <= 1


def test_ends_of_the_opacity(shared_model, images):
    original = ORIGINALS["RGB"]
    assert np.array_equal(shared_model.get_gradcam_overlay(images[0], original, 0)[1], original)
    colored, blended = shared_model.get_gradcam_overlay(images[0], original, 1.0)
    assert np.array_equal(blended, colored)


def test_the_original_is_not_written_to(shared_model, images):
    original = ORIGINALS["RGB"].copy()
    shared_model.get_gradcam_overlay(images[0], original)
    assert np.array_equal(original, ORIGINALS["RGB"])


def test_jet_at_half_opacity_is_the_default(shared_model, images):
    default = shared_model.get_gradcam_overlay(images[0])
    named = shared_model.get_gradcam_overlay(images[0], None, 0.5, "jet")
    by_constant = shared_model.get_gradcam_overlay(images[0], None, 0.5, cv2.COLORMAP_JET)
    for given, constant, result in zip(named, by_constant, default, strict=True):
        assert np.array_equal(given, result)
        assert np.array_equal(constant, result)


def test_there_is_no_overlay_without_gradcam(model, images):
    model.disable_gradcam_mode()
    assert model.get_gradcam_overlay(images[0]) is None


@pytest.mark.parametrize("count", [0, 2])
def test_overlay_of_other_than_one_image_is_refused(shared_model, images, count):
    with pytest.raises(ValueError, match=rf"one image.* is needed, not \({count}, 3, 64, 96\)"):
        shared_model.get_gradcam_overlay(images[:count])


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_overlay_with_an_impossible_opacity_is_refused(shared_model, images, alpha):
    with pytest.raises(ValueError, match="opacity from 0 to 1"):
        shared_model.get_gradcam_overlay(images[0], alpha=alpha)


def test_overlay_of_a_model_in_training_is_made_in_eval_mode(model, shared_model, images):
    model.train()
    model.resnet50.layer3[2].eval()
    modes = [module.training for module in model.modules()]
    before = buffers(model)
    made = model.get_gradcam_overlay(images[0])
    assert [module.training for module in model.modules()] == modes
    assert_same_tensors(before, buffers(model))
    assert np.array_equal(made[1], shared_model.get_gradcam_overlay(images[0])[1])


def fail_unless_evaluating(model):
    assert not any(module.training for module in model.modules())
    raise ZeroDivisionError


def test_eval_mode_is_left_even_after_an_error(model):
    model.train().resnet50.layer1.eval()
    modes = [module.training for module in model.modules()]
    with pytest.raises(ZeroDivisionError), evaluating(model):
        fail_unless_evaluating(model)
    assert [module.training for module in model.modules()] == modes


# --- Weights -----------------------------------------------------------------------------------


def test_bundled_weights_bring_features_and_head():
    model, bundled = ResNet50FineTuned(), load_checkpoint(bundled_checkpoint())
    assert model.class_names == bundled.class_names == ("Normal", "Pneumonia")
    assert model.preprocessing == bundled.preprocessing
    assert_same_tensors(dict(model.state_dict()), dict(bundled.state_dict))
    assert not model.gradcam_enabled


def test_bundled_features_serve_another_number_of_classes():
    model, bundled = ResNet50FineTuned(num_classes=5), load_checkpoint(bundled_checkpoint())
    state = dict(model.state_dict())
    assert state.pop("resnet50.fc.weight").shape == (5, 2048)
    assert state.pop("resnet50.fc.bias").shape == (5,)
    assert_same_tensors(state, {name: bundled.state_dict[name] for name in state})
    assert model.class_names == tuple(f"class {index}" for index in range(5))
    assert model.preprocessing == bundled.preprocessing


def test_no_weights_are_random_ones():
    torch.manual_seed(1)
    first, second = (ResNet50FineTuned(weights=None).resnet50.conv1.weight for _ in range(2))
    assert (first - second).abs().max() > 0.01


@pytest.fixture
def checkpoint_path(shared_model, tmp_path):
    path = tmp_path / "three.safetensors"
    names, preprocessing = ("a", "b", "c"), Preprocessing(64, (0.5,) * 3, (0.25,) * 3)
    save_checkpoint(path, Checkpoint(shared_model.state_dict(), names, preprocessing))
    return path


def test_from_checkpoint_builds_what_was_saved(checkpoint_path, shared_model, images):
    model = ResNet50FineTuned.from_checkpoint(checkpoint_path)
    assert not model.training
    assert model.gradcam_enabled
    assert model.class_names == ("a", "b", "c")
    assert model.preprocessing == Preprocessing(64, (0.5,) * 3, (0.25,) * 3)
    torch.testing.assert_close(model(images), shared_model(images), rtol=0, atol=0.02)
    for name, buffer in shared_model.named_buffers():
        assert torch.equal(buffer, model.get_buffer(name))


def test_weights_may_be_a_path(checkpoint_path, shared_model):
    model = ResNet50FineTuned(3, weights=checkpoint_path)
    assert model.class_names == ("a", "b", "c")
    head = shared_model.resnet50.fc.weight.detach()
    assert torch.equal(model.resnet50.fc.weight, head.half().float())


def test_path_to_nothing_is_refused():
    with pytest.raises(CheckpointError, match="no weights at nonsense"):
        ResNet50FineTuned(weights="nonsense")


def test_weights_of_another_network_are_refused(tmp_path):
    other = Checkpoint({"conv.weight": torch.ones(2, 2)}, ("a", "b"), Preprocessing())
    save_checkpoint(tmp_path / "other", other)
    with pytest.raises(CheckpointError, match="not those of a ResNet50"):
        ResNet50FineTuned(weights=tmp_path / "other")


@pytest.mark.parametrize("name", ["IMAGENET1K_V1", "IMAGENET1K_V2", "DEFAULT"])
def test_imagenet_weights_without_a_network_say_what_to_do(monkeypatch, tmp_path, name):
    def fail(*_args, **_kwargs):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", fail)
    with pytest.raises(CheckpointError) as caught:
        ResNet50FineTuned(weights=name)
    for remedy in ("connect to the network", "resnet50-", str(tmp_path), "weights='bundled'"):
        assert remedy in str(caught.value)


def test_imagenet_weights_bring_the_features_and_leave_the_head(monkeypatch, tmp_path):
    # A file that stands in torchvision's cache is used as it is.
    imagenet = torchvision.models.resnet50().state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(imagenet, cache / "resnet50-0676ba61.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = ResNet50FineTuned(4, weights="IMAGENET1K_V1")
    state = dict(model.resnet50.state_dict())
    assert state.pop("fc.weight").shape == (4, 2048)
    del state["fc.bias"]
    assert_same_tensors(state, {name: imagenet[name] for name in state})
    assert model.preprocessing == Preprocessing()
