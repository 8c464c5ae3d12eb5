"""The methods as functions of activations and gradients: by hand, by their peers, by rules."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import (
    FullGrad,
    GradCAM,
    GradCAMElementWise,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    RefineCAM,
    SegEigenCAM,
    ShapleyCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_kernel
from torch import nn

from cxr_gradcam.cam.gradient_methods import (
    gradcam,
    gradcam_plus_plus,
    shapleycam,
    smooth_gradcam_plus_plus,
    xgradcam,
)
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.pattern_methods import eigencam, eigengradcam, fem, kpcacam, segeigencam
from tests.helpers.tensors import tensors
from tests.helpers.tiny import TinyNetwork

GRADIENT_METHODS = {
    name: method.compute for name, method in METHODS.items() if method.kind == "gradient"
}
ALL_METHODS = {
    **GRADIENT_METHODS,
    "eigencam": lambda activations, _: eigencam(activations),
    "kpcacam": lambda activations, _: kpcacam(activations),
    "fem": lambda activations, _: fem(activations),
}
CENTRED = {"segeigencam", "kpcacam", "fem"}
"""What these show is relative to a channel's mean."""
every_method = pytest.mark.parametrize("method", ALL_METHODS.values(), ids=ALL_METHODS)


# --- By hand -----------------------------------------------------------------------------------

IMAGE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


# A1 = [1 2; 3 4] and A2 = [3 1; -1 -3]. ReLU lets all of A1 and half of A2 through, so the mean
# gradients are w1 / 4 and w2 / 8 for a class with the head's weights w1 and w2.
#   class 0: 0.25 A1 + 0.25 A2 = [1 .75; .5 .25]
#   class 1: -0.5 A1 + 0.5 A2 = [1 -.5; -2 -3.5], above zero [1 0; 0 0]
#   class 2: -A1 + 0.125 A2 is below zero everywhere
MAPS = torch.tensor([[[1.0, 0.75], [0.5, 0.25]], [[1.0, 0.0], [0.0, 0.0]], [[0.0] * 2] * 2])


def gradients_of(tail, activations, classes):
    """The gradients of each sample's class score with respect to a layer's activations."""
    leaf = activations.detach().requires_grad_()
    return torch.autograd.grad(tail(leaf)[range(len(classes)), classes].sum(), leaf)[0]


def tiny_maps(images, classes):
    network = TinyNetwork()
    activations = network.target(images).detach()
    return gradcam(activations, gradients_of(network.tail, activations, classes))


@pytest.mark.parametrize("class_idx", [0, 1, 2])
def test_gradcam_of_a_tiny_network_is_the_one_worked_out_by_hand(class_idx):
    torch.testing.assert_close(tiny_maps(IMAGE, [class_idx]), MAPS[[class_idx]], rtol=0, atol=0)


def test_each_sample_of_a_batch_is_explained_for_its_own_class():
    # Twice the image: A1 = [2 4; 6 8], A2 = [1 -3; -7 -11]; ReLU lets a quarter of A2 through, so
    # class 0 has the weights 1/4 and 1/8: [.5+.125 1-.375; 1.5-.875 2-1.375] = .625 everywhere.
    maps = tiny_maps(torch.cat([IMAGE, IMAGE, 2 * IMAGE, IMAGE]), [2, 1, 0, 0])
    expected = torch.stack([MAPS[2], MAPS[1], torch.full((2, 2), 0.625), MAPS[0]])
    torch.testing.assert_close(maps, expected, rtol=0, atol=0)


# Two samples of two channels of 1 x 2 places. By sample, with | between the channels:
#   A = [ 2 -1 |  1  3], [-1  2 |  1 -4]      A G = [ 6 1 | -2 3], [ 2 2 | -1 4]
#   G = [ 3 -1 | -2  1], [-2  1 | -1 -1]
ACTIVATIONS = torch.tensor([[[[2.0, -1.0]], [[1.0, 3.0]]], [[[-1.0, 2.0]], [[1.0, -4.0]]]])
GRADIENTS = torch.tensor([[[[3.0, -1.0]], [[-2.0, 1.0]]], [[[-2.0, 1.0]], [[-1.0, -1.0]]]])

BY_HAND = {
    # Mean gradients 1 and -1/2: [2-1/2 -1-3/2]; -1/2 and -1: [1/2-1 -1+4].
    "gradcam": [[1.5, 0], [0, 3]],
    # The magnitudes' sums are 3 and 4, 3 and 5. Weights of the positive gradients, g / (2 + S g):
    # 3/(2+9) and 1/(2+4): [6/11+1/6 -3/11+1/2]; 1/(2+3) and none: [-1/5 2/5].
    "gradcam++": [[47 / 66, 5 / 22], [0, 2 / 5]],
    # The magnitudes' sums are 3 and 4, 3 and 5. Weights, the sums of |A| G / sum |A|:
    # (6-1)/3 and (-2+3)/4: [10/3+1/4 -5/3+3/4]; (-2+2)/3 and (-1-4)/5: [-1 4].
    "xgradcam": [[43 / 12, 0], [0, 4]],
    # A G summed over the channels: [6-2 1+3]; [2-1 2+4].
    "hirescam": [[4, 4], [1, 6]],
    # A times positive G: [6 0 | 0 3] and [0 2 | 0 0].
    "layercam": [[6, 3], [0, 2]],
    # A G above zero before it is summed: [6+0 1+3]; [2+0 2+4].
    "elementwise": [[6, 4], [2, 6]],
    # The places' vectors of A G, (6, -2) and (1, 3), are orthogonal, so each is a component of its
    # own: the longer one has the length sqrt 40. Likewise (2, -1) and (2, 4): sqrt 20.
    "eigengradcam": [[40**0.5, 0], [0, 20**0.5]],
    # A |G| = [6 -1 | 2 3] and [-2 2 | 1 -4], less the means half of [7 -7 | -1 1], [-4 4 | 5 -5]:
    # opposite vectors of the lengths sqrt 50 / 2 and sqrt 41 / 2. As low as high: the sums over the
    # channels, [8 2] and [-1 -2], tell which is positive.
    "segeigencam": [[50**0.5 / 2, 0], [41**0.5 / 2, 0]],
    # Grad-CAM++ at one layer.
    "refinecam": [[47 / 66, 5 / 22], [0, 2 / 5]],
    # The gradients' sums are 2 and -1, -1 and -2: twice Grad-CAM.
    "cam": [[3, 0], [0, 6]],
}


def test_there_is_an_example_for_each_gradient_method():
    assert BY_HAND.keys() == GRADIENT_METHODS.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_maps_are_those_worked_out_by_hand(name):
    maps = GRADIENT_METHODS[name](ACTIVATIONS, GRADIENTS)
    torch.testing.assert_close(maps, torch.tensor(BY_HAND[name])[:, None].float())


def test_layercam_sums_over_the_channels_before_it_cuts_at_zero():
    # A times positive G: [4 | -3] = 1 and [-4 | 3] = -1.
    activations = torch.tensor([[[[2.0, -2.0]], [[-3.0, 3.0]]]])
    gradients = torch.tensor([[[[2.0, 2.0]], [[1.0, 1.0]]]])
    assert GRADIENT_METHODS["layercam"](activations, gradients).tolist() == [[[1, 0]]]


def test_the_share_of_gradcam_plus_plus_has_no_pole():
    # By the signed sum, -2, and g = 1 it would be 1 / 0. Both channels have 1 / (2 + 4).
    activations = torch.tensor([[[[-3.0, 1.0]], [[1.0, 3.0]]]])
    gradients = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    torch.testing.assert_close(
        gradcam_plus_plus(activations, gradients), torch.tensor([[[0, 2 / 3]]])
    )


def test_xgradcam_of_activations_that_cancel_out_stays_moderate():
    # |A| G = [1 3], |A| sums to 2: the weight is 2, and not (1 - 3) / 0.
    activations = torch.tensor([[[[1.0, -1.0]]]])
    gradients = torch.tensor([[[[1.0, 3.0]]]])
    assert xgradcam(activations, gradients).tolist() == [[[2, 0]]]


def test_xgradcam_of_negative_activations_is_that_of_the_paper():
    # A G = [-1 -6] sums to -7, A to -3: the weight is 7/3. The second channel, A G = [4 -2] and
    # A = [-4 -1], has -2/5: [-7/3+8/5 -14/3+2/5]. All is below zero; for the opposite of the
    # gradients it is the opposite.
    activations = torch.tensor([[[[-1.0, -2.0]], [[-4.0, -1.0]]]])
    gradients = torch.tensor([[[[1.0, 3.0]], [[-1.0, 2.0]]]])
    assert xgradcam(activations, gradients).tolist() == [[[0, 0]]]
    expected = torch.tensor([[[11 / 15, 64 / 15]]])
    torch.testing.assert_close(xgradcam(activations, -gradients), expected)


def test_eigencam_by_hand():
    # First sample: (3, 4) times [1 -2], of length 5, so [5 -10]; the sum is negative, so
    # the sign is turned. Second: the places' vectors (3, -4) and (.8, .6) are orthogonal.
    activations = torch.tensor([[[[3.0, -6.0]], [[4.0, -8.0]]], [[[3.0, 0.8]], [[-4.0, 0.6]]]])
    torch.testing.assert_close(eigencam(activations), torch.tensor([[[0.0, 10.0]], [[5.0, 0.0]]]))


def test_seg_eigen_cam_is_turned_so_that_its_largest_value_is_positive():
    # [0 0 4 4 4] less the mean [-12 -12 8 8 8] / 5 is turned over: 12 / 5 is the largest.
    activations = torch.tensor([[[[0.0, 0.0, 4.0, 4.0, 4.0]]]])
    maps = segeigencam(activations, -torch.ones_like(activations))
    torch.testing.assert_close(maps, torch.tensor([[[2.4, 2.4, 0, 0, 0]]]))


def test_kpca_cam_by_hand():
    # Less the mean, [1 -1]. The kernel less tanh 1 has tanh 2 on the diagonal and tanh 0 beside it,
    # as (1 * -1) / 1 + 1 = 0; centred, t/2 [1 -1; -1 1], t = tanh 2: the eigenvalue is t, its
    # vector [1 -1] / sqrt 2.
    maps = kpcacam(torch.tensor([[[[3.0, 1.0]]]]))
    torch.testing.assert_close(maps, torch.tensor([[[(np.tanh(2) / 2) ** 0.5, 0]]]).float())


def test_fem_by_hand():
    # The means are 2, 1 and 7: 12 is more than 2 + 2 sqrt 20, 6 is more than 1 + 2 sqrt 5, and a
    # constant is never above its mean.
    activations = torch.zeros(1, 3, 1, 6)
    activations[0, 0, 0, 0], activations[0, 1, 0, 5], activations[0, 2] = 12, 6, 7
    assert fem(activations).tolist() == [[[2, 0, 0, 0, 0, 1]]]


def test_shapleycam_by_hand():
    # G - H A / 2 has the means 1 - 1/2 and -1/2 + 1: [1 - .5 + .5 ..] = [1.5 1].
    curvature = torch.tensor([[[[1.0, 1.0]], [[-2.0, -2.0]]]])
    maps = shapleycam(ACTIVATIONS[:1], GRADIENTS[:1], curvature)
    torch.testing.assert_close(maps, torch.tensor([[[1.5, 1.0]]]))


def test_smooth_gradcam_plus_plus_by_hand():
    # One channel, S = 3. At the first place the gradients 1 and 3: D2 = 5, D3 = 14, mean 2, share
    # 5 / (10 + 42). At the second -1 and 2: D2 = 2, D3 = 4, mean 1/2, share 2 / (4 + 12).
    gradients = torch.tensor([[[[[1.0, -1.0]]]], [[[[3.0, 2.0]]]]])
    weight = 2 * 5 / 52 + 0.5 * 2 / 16
    maps = smooth_gradcam_plus_plus(torch.tensor([[[[1.0, 2.0]]]]), gradients)
    torch.testing.assert_close(maps, torch.tensor([[[weight, 2 * weight]]]))


def test_smooth_gradcam_plus_plus_without_noise_is_gradcam_plus_plus():
    same = GRADIENTS.expand(3, *GRADIENTS.shape)
    expected = gradcam_plus_plus(ACTIVATIONS, GRADIENTS)
    torch.testing.assert_close(smooth_gradcam_plus_plus(ACTIVATIONS, same), expected)


@pytest.mark.parametrize("name", ALL_METHODS)
def test_the_map_of_a_turned_picture_is_the_turned_map(name):
    generator = torch.Generator().manual_seed(3)
    activations, gradients = (torch.randn(2, 3, 4, 6, generator=generator) for _ in range(2))
    activations[:, 0, 1, 2] += 20
    maps = ALL_METHODS[name](activations, gradients)
    assert maps.any()
    turned = ALL_METHODS[name](activations.transpose(2, 3), gradients.transpose(2, 3))
    torch.testing.assert_close(turned, maps.transpose(1, 2))


@pytest.mark.parametrize("name", sorted(ALL_METHODS.keys() - CENTRED))
def test_maps_keep_the_order_of_rows_and_columns(name):
    # One channel of 2 x 3 places with gradient 1 is its own map, times its weight: S = 15,
    # so the six places' 1 / (2 + 15) for Grad-CAM++. CAM sums the gradients.
    activations = torch.arange(6.0).view(1, 1, 2, 3)
    weight = {"gradcam++": 6 / 17, "refinecam": 6 / 17, "cam": 6}.get(name, 1)
    maps = ALL_METHODS[name](activations, torch.ones_like(activations))
    torch.testing.assert_close(maps, weight * activations[:, 0])


# --- In whatever precision the network computes ------------------------------------------------


@every_method
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_maps_are_float32_whatever_the_network_computes_in(method, dtype):
    maps = method(ACTIVATIONS.to(dtype), GRADIENTS.to(dtype))
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps, method(ACTIVATIONS, GRADIENTS))


@every_method
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_map(method, dtype):
    # 1 + 1/1024 needs more bits than bfloat16 has, and a thousand's square is beyond float16.
    activations = 1000 * (1 + 2**-10) * ACTIVATIONS
    expected = method(activations, GRADIENTS)
    with torch.autocast("cpu", dtype=dtype):
        maps = method(activations, GRADIENTS)
    torch.testing.assert_close(maps, expected, rtol=0, atol=0)


# --- By peers ----------------------------------------------------------------------------------

CLASSES = [0, 1, 2]
PEERS = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "xgradcam": XGradCAM,
    "layercam": LayerCAM,
    "elementwise": GradCAMElementWise,
    "segeigencam": SegEigenCAM,
}


@pytest.fixture(scope="module")
def network():
    """A network whose gradients differ from place to place at its first ReLU, the target.

    pytorch-grad-cam adds 1e-6 to the divisor of Grad-CAM++'s share, g² / (2 g² + S g³), so the
    last layer is scaled until g² is far above that.
    """
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(1, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    with torch.no_grad():
        layers[-1].weight.mul_(1000)
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def batch():
    return torch.randn(3, 1, 9, 11, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def forward_pass(network, batch):
    """The activations and gradients at the target."""
    activations = network[:2](batch).detach()
    return activations, gradients_of(network[2:], activations, CLASSES)


@pytest.mark.parametrize("name", PEERS)
def test_maps_equal_those_of_pytorch_grad_cam(network, batch, forward_pass, name):
    targets = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]
    layer = network[1]
    with PEERS[name](model=network, target_layers=[layer]) as peer:
        peer(input_tensor=batch, targets=targets)
        captured = peer.activations_and_grads
        activations, gradients = captured.activations[0].numpy(), captured.gradients[0].numpy()
        theirs = peer.get_cam_image(batch, layer, targets, activations, gradients, False)
    maps = GRADIENT_METHODS[name](*forward_pass).numpy()
    assert maps.any(axis=(1, 2)).all()
    np.testing.assert_allclose(maps, theirs.clip(min=0), rtol=0, atol=1e-4 * theirs.max())


def maps_of_peer(peer, batch, targets):
    """A peer's maps, each from 0 to 1, at a layer as large as the images."""
    return peer(input_tensor=batch.clone(), targets=targets)


def scaled(maps):
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low)


@pytest.fixture(scope="module")
def padded():
    """A network whose two target layers are as large as its image."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    ).eval()


def record(network, batch):
    return HookedForwardPass(network, {"1": network[1], "3": network[3]}, batch)


def test_shapleycam_equals_that_of_pytorch_grad_cam(padded, batch):
    targets = [ClassifierOutputReST(class_idx) for class_idx in CLASSES]
    with ShapleyCAM(padded, [padded[1]]) as peer:
        theirs = maps_of_peer(peer, batch, targets)
    ours, _ = record(padded, batch).maps(CLASSES, "shapleycam", layers=["1"])
    np.testing.assert_allclose(scaled(ours.numpy()), theirs, rtol=0, atol=1e-4)


def test_fullgrad_equals_that_of_pytorch_grad_cam(padded, batch):
    targets = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]
    with FullGrad(padded, []) as peer:
        theirs = maps_of_peer(peer, batch, targets)
    ours, _ = record(padded, batch).maps(CLASSES, "fullgrad")
    # Theirs adds 1e-7 to each channel's maximum before it divides by it.
    np.testing.assert_allclose(scaled(ours.numpy()), theirs, rtol=0, atol=1e-3)


def test_refinecam_multiplies_as_that_of_pytorch_grad_cam(padded, batch):
    targets = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]
    peer = RefineCAM(padded, [padded[1], padded[3]], base_method=LayerCAM)
    theirs = maps_of_peer(peer, batch, targets)
    ours, _ = record(padded, batch).maps(CLASSES, "layercam", fusion="product")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)  # theirs are less their minimum


def test_kpca_cam_is_the_pattern_of_pytorch_grad_cam(forward_pass):
    activations, _ = forward_pass
    theirs = get_2d_projection_kernel(activations.numpy())
    ours = kpcacam(activations).numpy()
    for own, pattern in zip(ours, theirs, strict=True):  # its sign is left to chance
        sign = np.sign((own * pattern).sum())
        np.testing.assert_allclose(own, (sign * pattern).clip(min=0), rtol=0, atol=1e-4)


def test_gradcam_equals_that_of_captum(network, batch, forward_pass):
    peer = LayerGradCam(network, network[1])
    theirs = peer.attribute(batch, target=CLASSES, relu_attributions=True)[:, 0].detach()
    maps = gradcam(*forward_pass)
    torch.testing.assert_close(maps, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gradient", [1.0, 1e-3, 1e-6, 1e-12])
def test_the_share_of_gradcam_plus_plus_is_exact_for_tiny_gradients(gradient):
    # S = 4: the weight is g / (2 + 4 g). pytorch-grad-cam's 1e-6 in g² / (2 g² + 4 g³ + 1e-6)
    # takes a third of it at g = 1e-3 and nearly all at 1e-6.
    activations = torch.tensor([[[[1.0, 3.0]]]])
    gradients = torch.tensor([[[[gradient, 0.0]]]])
    weight = gradient / (2 + 4 * gradient)
    expected = torch.tensor([[[weight, 3 * weight]]])
    maps = gradcam_plus_plus(activations, gradients)
    torch.testing.assert_close(maps, expected, rtol=1e-6, atol=0)
    theirs = GradCAMPlusPlus.get_cam_weights(
        None, None, None, None, activations.double().numpy(), gradients.double().numpy()
    ).item()
    share = gradient**2 / (2 * gradient**2 + 4 * gradient**3 + 1e-6)
    assert theirs == pytest.approx(gradient * share)


def principal_map(values, direction):
    """The map of one sample's channels (K, h, w) by an SVD that centres nothing."""
    places = values.reshape(len(values), -1).T.astype(np.float64)
    projection = places @ np.linalg.svd(places, full_matrices=False)[2][0]
    sign = np.sign(projection @ direction.ravel())
    return (sign * projection).clip(min=0).reshape(direction.shape)


@pytest.mark.parametrize("shape", [(3, 5, 3, 4), (3, 20, 3, 4), (3, 1, 3, 4), (3, 5, 1, 1)])
@pytest.mark.parametrize("offset", [0, 2])
def test_eigen_maps_are_projections_on_the_first_singular_vector(shape, offset):
    # pytorch-grad-cam centres the channels first, which the paper does not, and leaves the sign to
    # chance. So numpy's decomposition is the peer here, with the sign that makes the projection
    # positive on the whole, or agree with the evidence.
    rng = np.random.default_rng(0)
    activations = (rng.standard_normal(shape) + offset).astype(np.float32)
    gradients = rng.standard_normal(shape).astype(np.float32)
    products = activations * gradients
    expected = [principal_map(sample, np.ones(shape[2:])) for sample in activations]
    maps = eigencam(torch.tensor(activations))
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-4)
    expected = [principal_map(sample, sample.sum(axis=0)) for sample in products]
    maps = eigengradcam(torch.tensor(activations), torch.tensor(gradients))
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-4)


def test_eigencam_of_activations_behind_a_relu_is_the_whole_pattern(forward_pass):
    # By Perron and Frobenius the first vector of what is nowhere negative has one sign.
    activations, _ = forward_pass
    maps = eigencam(activations)
    power = torch.linalg.matrix_norm(activations.flatten(2), ord=2)
    torch.testing.assert_close(maps.square().sum(dim=(1, 2)).sqrt(), power)


# --- Rules for all inputs ----------------------------------------------------------------------


SHAPE = (2, 3, 2, 3)
FLOATS = tensors(SHAPE, st.floats(-1000, 1000, width=32))
# Sums and products of small whole numbers are exact, in whatever order they are computed.
WHOLE = tensors(SHAPE, st.integers(-4, 4))


@every_method
@settings(max_examples=50)
@given(activations=FLOATS, gradients=FLOATS)
def test_maps_are_finite_and_nowhere_negative(method, activations, gradients):
    maps = method(activations, gradients)
    assert maps.shape == (2, 2, 3)
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert maps.min() >= 0


@every_method
@settings(max_examples=50)
@given(activations=WHOLE, gradients=WHOLE)
def test_the_maps_of_a_batch_are_those_of_its_samples(method, activations, gradients):
    pairs = zip(activations.split(1), gradients.split(1), strict=True)
    single = torch.cat([method(*pair) for pair in pairs])
    torch.testing.assert_close(method(activations, gradients), single)


@pytest.mark.parametrize("name", ["gradcam", "hirescam", "layercam", "xgradcam", "elementwise"])
@settings(max_examples=50)
@given(activations=WHOLE, gradients=WHOLE, exponent=st.integers(-20, 20))
def test_twice_the_gradients_are_twice_the_map(name, activations, gradients, exponent):
    method = GRADIENT_METHODS[name]
    factor = 2.0**exponent
    scaled = method(activations, factor * gradients)
    assert torch.equal(scaled, factor * method(activations, gradients))


# Where two singular values are equal, which pattern is the first is a matter of rounding.
@pytest.mark.parametrize("name", sorted(GRADIENT_METHODS.keys() - {"eigengradcam", "segeigencam"}))
@settings(max_examples=20)
@given(activations=WHOLE, gradients=WHOLE)
def test_a_map_does_not_depend_on_the_order_of_the_channels(name, activations, gradients):
    method = GRADIENT_METHODS[name]
    maps = method(activations.flip(1), gradients.flip(1))
    torch.testing.assert_close(maps, method(activations, gradients))


@every_method
@settings(max_examples=20)
@given(gradients=FLOATS)
def test_without_activations_a_map_is_empty(method, gradients):
    assert not method(torch.zeros(SHAPE), gradients).any()


@pytest.mark.parametrize("name", GRADIENT_METHODS)
@settings(max_examples=20)
@given(activations=FLOATS)
def test_without_gradients_a_map_is_empty(name, activations):
    assert not GRADIENT_METHODS[name](activations, torch.zeros(SHAPE)).any()
