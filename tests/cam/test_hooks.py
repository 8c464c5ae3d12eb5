"""What a forward pass leaves at the layers watched, and what it leaves alone."""

from contextlib import nullcontext
from threading import Barrier, Thread

import pytest
import torch
from torch import nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.hooks import capturing, hooked, score_gradients, zero_channel
from tests.helpers.patience import PATIENCE

IMAGE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


class TinyNetwork(nn.Module):
    """Two channels, A1 = x and A2 = 5 - 2x, then ReLU, their mean, and two classes.

    For `IMAGE`, A1 = [1 2; 3 4] and A2 = [3 1; -1 -3], their means above zero 2.5 and 1; so the
    logits are 2.5 + 2 = 4.5 and -5 + 4 = -1.
    """

    def __init__(self, relu=torch.relu):
        super().__init__()
        self.target = nn.Conv2d(1, 2, 1)
        self.relu = relu
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.target.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.target.bias.copy_(torch.tensor([0.0, 5.0]))
            self.head.weight.copy_(torch.tensor([[1.0, 2.0], [-2.0, 4.0]]))

    def forward(self, x):
        return self.head(self.relu(self.target(x)).mean(dim=(2, 3)))


ACTIVATIONS = [[[[1, 2], [3, 4]], [[3, 1], [-1, -3]]]]
LOGITS = [[4.5, -1]]
# A place's share of the mean is 1/4, times the head's weights where ReLU lets it through.
GRADIENTS = [
    [[[[0.25, 0.25], [0.25, 0.25]], [[0.5, 0.5], [0, 0]]]],
    [[[[-0.5, -0.5], [-0.5, -0.5]], [[1, 1], [0, 0]]]],
]


def watch(network, x=IMAGE, **layers):
    """Run a network with hooks on its layers, and give its output and what was captured."""
    with hooked(layers.values()), capturing(layers) as capture:
        output = network(x)
    return output, capture


def hooks(model):
    return [
        hook
        for module in model.modules()
        for registered in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        for hook in registered.values()
    ]


def row(class_idx, logits):
    """The weights of one class for every sample."""
    return torch.eye(logits.shape[1])[[class_idx] * len(logits)]


# --- What is captured --------------------------------------------------------------------------


def test_a_layers_output_is_captured_and_the_logits_stay_the_same():
    network = TinyNetwork()
    logits, capture = watch(network, target=network.target)
    assert capture.outputs.keys() == {"target"}
    assert capture.outputs["target"].tolist() == ACTIVATIONS
    assert capture.logits is None
    assert logits.tolist() == LOGITS


def test_only_what_runs_inside_is_captured():
    network = TinyNetwork().requires_grad_(False)
    with hooked([network.target]):
        before = network.target(IMAGE)
        with capturing({"target": network.target}) as capture:
            network.target(IMAGE)
        inside = capture.outputs["target"]
        after = network.target(2 * IMAGE)
    assert capture.outputs["target"] is inside
    assert inside.is_leaf
    assert inside.requires_grad
    assert not before.requires_grad
    assert not after.requires_grad


def test_a_hooked_layer_that_nobody_asked_for_is_left_alone():
    network = TinyNetwork().requires_grad_(False)
    with hooked([network.target, network.head]), capturing({"head": network.head}) as capture:
        assert not network.target(IMAGE).requires_grad
        network(IMAGE)
    assert capture.outputs.keys() == {"head"}


def test_an_inner_capture_hides_the_outer_one_while_it_lasts():
    network = TinyNetwork()
    layers = {"target": network.target}
    with hooked(layers.values()), capturing(layers) as outer:
        with capturing(layers) as inner:
            network(IMAGE)
        assert outer.outputs == {}
        network(2 * IMAGE)
    assert inner.outputs["target"].tolist() == ACTIVATIONS
    assert outer.outputs["target"][0, 0].tolist() == [[2, 4], [6, 8]]


def test_another_thread_captures_nothing():
    network = TinyNetwork()
    layers = {"target": network.target}
    with hooked(layers.values()), capturing(layers) as capture:
        thread = Thread(target=network, args=(IMAGE,))
        thread.start()
        thread.join()
    assert capture.outputs == {}


def test_threads_that_share_a_network_capture_each_its_own():
    network = TinyNetwork()
    layers = {"target": network.target}
    factors, captured, barrier = (1, 2, 3), {}, Barrier(3)

    def run(factor):
        with capturing(layers) as capture:
            barrier.wait(PATIENCE)
            network(factor * IMAGE)
            barrier.wait(PATIENCE)
        captured[factor] = capture.outputs["target"]

    threads = [Thread(target=run, args=(factor,)) for factor in factors]
    with hooked(layers.values()):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for factor in factors:
        assert torch.equal(captured[factor][:, :1], factor * IMAGE)


@pytest.mark.parametrize("relu", [nn.ReLU(inplace=True), torch.relu_], ids=["module", "function"])
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
def test_an_operation_in_place_behind_the_layer_changes_nothing(relu, trained):
    # pytorch issue 61519: the output that a forward hook sees is the one that ReLU overwrites.
    network = TinyNetwork(relu).requires_grad_(trained)
    logits, capture = watch(network, target=network.target)
    activations = capture.outputs["target"]
    assert activations.tolist() == ACTIVATIONS
    assert logits.tolist() == LOGITS
    gradients = score_gradients(logits, row(0, logits), [activations], retain_graph=False)
    assert gradients[0].tolist() == GRADIENTS[0]


def test_a_layer_called_twice_is_captured_at_its_last_call():
    # x, 2x, 4x: the logit is the sum of 3 times the second output.
    double = nn.Conv2d(1, 1, 1, bias=False).requires_grad_(False)
    double.weight.fill_(2)
    with hooked([double]), capturing({"double": double}) as capture:
        logits = 3 * double(double(IMAGE)).sum(dim=(2, 3))
    assert torch.equal(capture.outputs["double"], 4 * IMAGE)
    outputs = [capture.outputs["double"]]
    (gradients,) = score_gradients(logits, torch.ones(1, 1), outputs, retain_graph=False)
    assert torch.equal(gradients, torch.full_like(IMAGE, 3))


class TwoLayers(nn.Module):
    """x, twice x, and six times x, whose sum is the logit."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1, bias=False)
        self.second = nn.Conv2d(1, 1, 1, bias=False)
        with torch.no_grad():
            self.first.weight.fill_(2)
            self.second.weight.fill_(3)

    def forward(self, x):
        return self.second(self.first(x)).sum(dim=(2, 3))


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_the_graph_begins_at_the_first_of_several_layers(order):
    network = TwoLayers()
    with torch.no_grad():
        logits, capture = watch(network, **{name: getattr(network, name) for name in order})
    assert capture.outputs["first"].is_leaf
    assert not capture.outputs["second"].is_leaf
    assert torch.equal(capture.outputs["first"], 2 * IMAGE)
    assert torch.equal(capture.outputs["second"], 6 * IMAGE)
    outputs = [capture.outputs[name] for name in order]
    gradients = score_gradients(logits, torch.ones(1, 1), outputs, retain_graph=False)
    expected = {"first": 3, "second": 1}
    for name, gradient in zip(order, gradients, strict=True):
        assert torch.equal(gradient, torch.full_like(IMAGE, expected[name]))


@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
def test_a_second_hook_on_a_layer_is_harmless(trained):
    network = TinyNetwork().requires_grad_(trained)
    with hooked([network.target]):
        logits, capture = watch(network, target=network.target)
    assert logits.tolist() == LOGITS
    assert capture.is_cut != trained
    assert capture.outputs["target"].is_leaf != trained
    assert capture.outputs["target"].tolist() == ACTIVATIONS
    outputs = [capture.outputs["target"]]
    (gradients,) = score_gradients(logits, row(1, logits), outputs, retain_graph=False)
    assert gradients.tolist() == GRADIENTS[1]


class Probabilities(TinyNetwork):
    def forward(self, x):
        return super().forward(x).sigmoid_()


@pytest.mark.parametrize("grad_enabled", [True, False])
def test_the_logits_are_those_of_the_layer_that_gives_them(grad_enabled):
    # The sigmoid is in place: what its layer gave is captured as it was.
    network = Probabilities()
    layers = {"target": network.target}
    with (
        torch.set_grad_enabled(grad_enabled),
        hooked([*layers.values(), network.head]),
        capturing(layers, network.head) as capture,
    ):
        output = network(IMAGE)
    assert capture.logits.tolist() == LOGITS
    assert torch.equal(output, torch.tensor(LOGITS).sigmoid())
    outputs = [capture.outputs["target"]]
    weights = row(0, capture.logits)
    (gradients,) = score_gradients(capture.logits, weights, outputs, retain_graph=False)
    assert gradients.tolist() == GRADIENTS[0]


def test_a_layer_that_gives_no_tensor_is_refused_by_name():
    attention = nn.MultiheadAttention(2, 1, batch_first=True)
    x = torch.zeros(1, 4, 2)
    with pytest.raises(ValueError, match="'attention' gives a tuple, not one tensor: choose"):
        watch(lambda x: attention(x, x, x), x, attention=attention)


# --- What is left alone ------------------------------------------------------------------------


def test_no_hook_is_left():
    network = TinyNetwork()
    others = network.target.register_forward_hook(lambda *_: None)
    with hooked([network.target, network.head]):
        assert len(hooks(network)) == 3
    assert list(network.target._forward_hooks) == [others.id]
    assert len(hooks(network)) == 1


def fail_inside(context):
    with context:
        raise ZeroDivisionError


def test_no_hook_is_left_after_an_error():
    network = TinyNetwork()
    with pytest.raises(ZeroDivisionError):
        fail_inside(hooked([network.target, network.head]))
    assert hooks(network) == []


def test_no_hook_is_left_where_a_later_one_cannot_be_set():
    network = TinyNetwork()
    with pytest.raises(AttributeError):
        fail_inside(hooked([network.target, "no layer"]))
    assert hooks(network) == []


def fail_after_the_cut():
    network = TinyNetwork().requires_grad_(False)
    layers = {"target": network.target}
    with hooked(layers.values()), capturing(layers):
        network(IMAGE)
        assert torch.is_grad_enabled()
        raise ZeroDivisionError


@pytest.mark.parametrize("grad_enabled", [True, False])
def test_the_grad_mode_is_given_back_even_after_an_error(grad_enabled):
    with torch.set_grad_enabled(grad_enabled):
        with pytest.raises(ZeroDivisionError):
            fail_after_the_cut()
        assert torch.is_grad_enabled() == grad_enabled


def test_nothing_is_captured_any_more_after_an_error():
    network = TinyNetwork().requires_grad_(False)
    layers = {"target": network.target}
    with hooked(layers.values()):
        with pytest.raises(ZeroDivisionError):
            fail_inside(capturing(layers))
        assert not network(IMAGE).requires_grad


def test_inference_mode_is_left_inside_and_given_back():
    network = TinyNetwork()
    with torch.inference_mode():
        x = IMAGE.clone()
        logits, capture = watch(network, x, target=network.target)
        assert torch.is_inference_mode_enabled()
    assert not logits.is_inference()
    outputs = [capture.outputs["target"]]
    (gradients,) = score_gradients(logits, row(0, logits), outputs, retain_graph=False)
    assert gradients.tolist() == GRADIENTS[0]


@pytest.mark.parametrize(
    ("trained", "caller", "is_cut"),
    [
        (True, nullcontext, False),
        (False, nullcontext, True),
        (True, torch.no_grad, True),
        (False, torch.no_grad, True),
        (True, torch.inference_mode, True),
    ],
)
def test_the_graph_is_cut_only_where_nothing_in_front_of_the_layer_trains(trained, caller, is_cut):
    network = TinyNetwork()
    network.target.requires_grad_(trained)
    with caller():
        _, capture = watch(network, target=network.target)
    assert capture.is_cut == is_cut
    assert capture.outputs["target"].is_leaf == is_cut


def test_training_goes_on_through_a_captured_layer():
    plain, watched = TinyNetwork(), TinyNetwork(nn.ReLU(inplace=True))
    plain(IMAGE).square().sum().backward()
    logits, capture = watch(watched, target=watched.target)
    score_gradients(logits, row(0, logits), [capture.outputs["target"]], retain_graph=True)
    logits.square().sum().backward()
    for expected, parameter in zip(plain.parameters(), watched.parameters(), strict=True):
        assert expected.grad.any()
        assert torch.equal(parameter.grad, expected.grad)


# --- Silenced channels -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3)])
def test_each_sample_is_without_its_channel(shape):
    output = torch.ones(shape)
    zeroed = zero_channel(output, torch.tensor([2, 0]), channels_last=False)
    expected = torch.ones(shape)
    expected[0, 2] = 0
    expected[1, 0] = 0
    assert torch.equal(zeroed, expected)
    assert output.all()


@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (2, 4, 3), (2, 3)])
def test_each_sample_is_without_its_channel_where_these_come_last(shape):
    output = torch.ones(shape)
    zeroed = zero_channel(output, torch.tensor([2, 0]), channels_last=True)
    assert not zeroed[0, ..., 2].any()
    assert not zeroed[1, ..., 0].any()
    assert zeroed[0, ..., :2].all()
    assert zeroed[1, ..., 1:].all()
    assert output.all()


def test_a_silenced_layer_passes_on_what_is_left():
    # Without A1 the logits are 2 and 4; without A2 they are 2.5 and -5.
    network = TinyNetwork(nn.ReLU(inplace=True))
    zeroed = {network.target: (torch.tensor([0, 1]), False)}
    x = IMAGE.expand(2, -1, -1, -1)
    with torch.no_grad(), hooked(zeroed), capturing({}, None, zeroed) as capture:
        logits = network(x)
    assert logits.tolist() == [[2, 4], [2.5, -5]]
    assert capture.outputs == {}
    assert not logits.requires_grad


# --- Gradients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 0.0], torch.tensor(GRADIENTS[0])),
        ([0.0, 1.0], torch.tensor(GRADIENTS[1])),
        ([-1.0, 0.0], -torch.tensor(GRADIENTS[0])),
        ([1.0, -1.0], torch.tensor(GRADIENTS[0]) - torch.tensor(GRADIENTS[1])),
    ],
)
def test_gradients_of_a_weighted_sum_of_logits_by_hand(trained, weights, expected):
    network = TinyNetwork().requires_grad_(trained)
    logits, capture = watch(network, target=network.target)
    outputs = [capture.outputs["target"]]
    (gradients,) = score_gradients(logits, torch.tensor([weights]), outputs, retain_graph=False)
    assert torch.equal(gradients, expected)


def test_each_sample_is_differentiated_for_its_own_score():
    network = TinyNetwork()
    logits, capture = watch(network, IMAGE.expand(2, -1, -1, -1), target=network.target)
    outputs = [capture.outputs["target"]]
    (gradients,) = score_gradients(logits, torch.eye(2), outputs, retain_graph=False)
    assert gradients.tolist() == [GRADIENTS[0][0], GRADIENTS[1][0]]


def test_a_kept_graph_answers_again():
    network = TinyNetwork()
    logits, capture = watch(network, target=network.target)
    outputs = [capture.outputs["target"]]
    for class_idx in (0, 1, 0):
        (gradients,) = score_gradients(logits, row(class_idx, logits), outputs, retain_graph=True)
        assert gradients.tolist() == GRADIENTS[class_idx]


def test_a_graph_that_is_used_up_says_so_in_torchs_own_words():
    network = TinyNetwork()
    logits, capture = watch(network, target=network.target)
    outputs = [capture.outputs["target"]]
    score_gradients(logits, row(0, logits), outputs, retain_graph=False)
    with pytest.raises(RuntimeError, match="second time"):
        score_gradients(logits, row(0, logits), outputs, retain_graph=False)


def test_no_grad_attribute_is_touched():
    network = TinyNetwork()
    x = IMAGE.clone().requires_grad_()
    logits, capture = watch(network, x, target=network.target)
    score_gradients(logits, row(0, logits), [capture.outputs["target"]], retain_graph=True)
    assert x.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


class Aside(TinyNetwork):
    """It has a layer that takes part, but leads to nothing."""

    def __init__(self):
        super().__init__()
        self.aside = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        self.aside(x)
        return super().forward(x)


@pytest.mark.parametrize("names", [["aside"], ["target", "aside"]])
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
def test_a_layer_that_does_not_lead_to_the_scores_is_refused(names, trained):
    network = Aside().requires_grad_(trained)
    logits, capture = watch(network, **{name: getattr(network, name) for name in names})
    with pytest.raises(ValueError, match="does not lead to the class scores"):
        score_gradients(logits, row(0, logits), [*capture.outputs.values()], retain_graph=False)


def test_logits_without_a_graph_are_refused():
    network = TinyNetwork()
    logits, capture = watch(network, target=network.target)
    outputs = [capture.outputs["target"]]
    with pytest.raises(ValueError, match="does not lead to the class scores"):
        score_gradients(logits.detach(), row(0, logits), outputs, retain_graph=False)


# --- Eval mode ---------------------------------------------------------------------------------


def mixed_modes():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(1)))
    model[1][1].eval()
    return model


def test_every_module_is_in_eval_mode_and_then_as_it_was():
    model = mixed_modes()
    before = [module.training for module in model.modules()]
    assert len({*before}) == 2
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        model(IMAGE)
    assert [module.training for module in model.modules()] == before
    assert model[0].num_batches_tracked == 0


def test_the_modes_are_given_back_after_an_error():
    model = mixed_modes()
    before = [module.training for module in model.modules()]
    with pytest.raises(ZeroDivisionError):
        fail_inside(evaluating(model))
    assert [module.training for module in model.modules()] == before
