"""What a call leaves behind, on copies and in threads too."""

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier, get_ident

import pytest
import torch
from torch import nn

from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from tests.helpers.patience import PATIENCE
from tests.helpers.resnet50 import (
    CALLERS,
    CLASSES,
    assert_same_tensors,
    freeze,
    hooks,
    parameter_gradients,
)


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
    barrier, met = Barrier(threads + 1, timeout=PATIENCE), set()

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
