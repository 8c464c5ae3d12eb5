"""Layers by name and by guess, and their output as a grid of places."""

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cxr_gradcam.cam.layers import Grid, named_layers
from cxr_gradcam.cam.probing.probe import probe

# --- The grid of an output ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "image_size", "grid"),
    [
        ((2, 512, 7, 7), (224, 224), Grid(7, 7)),
        ((2, 512, 2, 3), (64, 96), Grid(2, 3)),
        ((2, 512, 3, 2), (96, 64), Grid(3, 2)),
        ((2, 7, 7, 512), (224, 224), Grid(7, 7, channels_last=True)),
        ((2, 2, 3, 512), (64, 96), Grid(2, 3, channels_last=True)),
        ((2, 3, 2, 512), (96, 64), Grid(3, 2, channels_last=True)),
        ((2, 2, 3, 4), (96, 128), Grid(3, 4)),
        ((2, 3, 4, 2), (96, 128), Grid(3, 4, channels_last=True)),
        ((2, 1, 56, 56), (224, 224), Grid(56, 56)),
        ((2, 7, 7, 7), (224, 224), Grid(7, 7)),
        ((2, 2048, 1, 1), (224, 224), Grid(1, 1)),
        ((2, 2048, 1, 1), (64, 96), Grid(1, 1)),
    ],
)
def test_the_places_of_four_dimensions_have_the_images_aspect(shape, image_size, grid):
    assert Grid.of(torch.empty(shape), image_size) == grid


@pytest.mark.parametrize(
    ("tokens", "image_size", "height", "width", "prefix"),
    [
        (196, (224, 224), 14, 14, 0),
        (197, (224, 224), 14, 14, 1),
        (198, (224, 224), 14, 14, 2),
        (201, (224, 224), 14, 14, 5),
        (204, (224, 224), 14, 14, 8),
        (4 * 6, (64, 96), 4, 6, 0),
        (4 * 6 + 1, (64, 96), 4, 6, 1),
        (6 * 4 + 5, (96, 64), 6, 4, 5),
        (2 * 8 + 1, (32, 128), 2, 8, 1),
    ],
    ids=str,
)
def test_tokens_are_places_behind_class_and_register_tokens(
    tokens, image_size, height, width, prefix
):
    expected = Grid(height, width, channels_last=True, prefix=prefix)
    assert Grid.of(torch.empty(2, tokens, 5), image_size) == expected


@pytest.mark.parametrize(
    ("shape", "image_size"),
    [
        ((2, 1000), (224, 224)),
        ((2,), (224, 224)),
        ((2, 3, 4, 5, 6), (224, 224)),
        ((2, 1, 768), (224, 224)),
        ((2, 205, 768), (224, 224)),
        ((2, 4 * 6 + 9, 5), (64, 96)),
    ],
)
def test_what_has_no_places_has_no_grid(shape, image_size):
    assert Grid.of(torch.empty(shape), image_size) is None


@given(
    height=st.integers(2, 30),
    width=st.integers(2, 30),
    patch=st.sampled_from([1, 8, 16]),
    prefix=st.integers(0, 8),
)
def test_a_grid_of_tokens_covers_them_all_and_fits_the_image(height, width, patch, prefix):
    # Some other grid of the same aspect may fit behind fewer tokens in front.
    size = (height * patch, width * patch)
    grid = Grid.of(torch.empty(1, prefix + height * width, 0), size)
    assert grid.prefix <= prefix
    assert grid.prefix + grid.height * grid.width == prefix + height * width
    assert abs(grid.height - grid.width * height / width) <= 0.5
    if grid.prefix == prefix:
        assert (grid.height, grid.width) == (height, width)


def test_tokens_by_tokens_are_no_places():
    matrix, places = torch.zeros(1, 3, 197, 197), torch.zeros(1, 3, 14, 14)
    assert Grid.of(matrix, (224, 224), {(14, 14)}) is None
    assert Grid.of(places, (224, 224), {(14, 14)}) == Grid(14, 14)
    assert Grid.of(torch.zeros(1, 7, 7, 768), (224, 224), {(56, 56)}) == Grid(7, 7, True)
    assert Grid.of(matrix, (224, 224)) == Grid(197, 197)  # nothing is known of the network


def test_channels_first_are_left_as_they_are():
    output = torch.arange(24.0).view(1, 4, 2, 3)
    assert Grid(2, 3).arrange(output) is output


def test_channels_last_are_brought_to_the_front():
    # Two channels of [0 2 4; 6 8 10] and [1 3 5; 7 9 11].
    output = torch.arange(12.0).view(1, 2, 3, 2)
    arranged = Grid(2, 3, channels_last=True).arrange(output)
    assert arranged.tolist() == [[[[0, 2, 4], [6, 8, 10]], [[1, 3, 5], [7, 9, 11]]]]


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_tokens_are_laid_out_in_rows_without_those_in_front(prefix):
    tokens = torch.arange(12.0).view(1, 6, 2)
    output = torch.cat([torch.full((1, prefix, 2), -1.0), tokens], dim=1)
    arranged = Grid(2, 3, channels_last=True, prefix=prefix).arrange(output)
    assert arranged.tolist() == [[[[0, 2, 4], [6, 8, 10]], [[1, 3, 5], [7, 9, 11]]]]


# --- Layers by name ----------------------------------------------------------------------------


def convolutions():
    """Layers "0", "1", "1.0" and "1.1"."""
    return nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()))


def test_layers_are_found_by_name_and_by_module():
    model = convolutions()
    assert named_layers(model, "1.0") == {"1.0": model[1][0]}
    assert named_layers(model, model[1][0]) == {"1.0": model[1][0]}
    several = named_layers(model, ["1.1", model[0], "1"])
    assert list(several.items()) == [("1.1", model[1][1]), ("0", model[0]), ("1", model[1])]


def test_a_layer_asked_for_twice_is_found_once():
    model = convolutions()
    assert named_layers(model, ["1.0", model[1][0]]) == {"1.0": model[1][0]}


def test_a_layer_of_nearly_that_name_is_suggested():
    network = torchvision.models.resnet18(weights=None)
    for asked, meant in [("conv2", "layer1.0.conv2"), ("layer4.1.conv9", "layer4.1.conv")]:
        with pytest.raises(ValueError, match=f"did you mean .*{meant}"):
            named_layers(network, asked)
    with pytest.raises(ValueError, match="it begins with: conv1, bn1"):
        named_layers(network, "xyz")


@pytest.mark.parametrize("name", ["2", "1.2", "1.0.weight", "forward"])
def test_an_unknown_name_is_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match=rf"no layer '{name}'.*begins with: 0, 1$"):
        named_layers(convolutions(), name)


@pytest.mark.parametrize("also", [[], ["0"]])
def test_a_layer_of_another_model_is_refused(also):
    with pytest.raises(ValueError, match="this Conv2d is no layer of the model"):
        named_layers(convolutions(), [*also, nn.Conv2d(1, 1, 1)])


@pytest.mark.parametrize("layers", [[], ()])
def test_no_layer_is_refused(layers):
    with pytest.raises(ValueError, match="no target layer is named"):
        named_layers(convolutions(), layers)


# --- What one forward pass tells ---------------------------------------------------------------

IMAGE = torch.randn(1, 1, 8, 12, generator=torch.Generator().manual_seed(0))


def cnn(*behind):
    """Places up to the second ReLU, layer "4"; then three logits, from layer "7"."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
        *behind,
    )


def test_the_target_is_the_last_layer_with_places():
    model = cnn()
    learnt = probe(model, IMAGE)
    assert learnt.target_layer is model[4]
    assert learnt.logits_layer is None
    assert not learnt.multi_label
    assert learnt.num_classes == 3


def test_a_block_that_ends_the_places_is_the_target():
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    model = nn.Sequential(features, nn.Flatten(), nn.LazyLinear(2))
    assert probe(model, IMAGE).target_layer is features


@pytest.mark.parametrize(
    ("function", "multi_label"),
    [(nn.Softmax(dim=1), False), (nn.LogSoftmax(dim=1), False), (nn.Sigmoid(), True)],
    ids=["softmax", "log-softmax", "sigmoid"],
)
def test_the_logits_are_found_in_front_of_probabilities(function, multi_label):
    model = cnn(function)
    learnt = probe(model, IMAGE)
    assert learnt.logits_layer is model[7]
    assert learnt.multi_label == multi_label
    assert learnt.target_layer is model[4]


class FunctionalSigmoid(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = cnn()

    def forward(self, x):
        return torch.sigmoid(self.network(x))


def test_a_sigmoid_that_is_no_layer_is_seen_as_well():
    model = FunctionalSigmoid()
    learnt = probe(model, IMAGE)
    assert learnt.logits_layer is model.network[7]
    assert learnt.multi_label


@pytest.mark.parametrize(
    "functions",
    [
        [nn.Tanh()],
        [nn.Softplus()],
        [nn.Linear(3, 3)],
        [nn.Softmax(dim=0)],
        [nn.Linear(3, 6), nn.AvgPool1d(2)],
    ],
    ids=str,
)
def test_scores_of_another_kind_are_taken_as_they_are(functions):
    learnt = probe(cnn(*functions), IMAGE)
    assert learnt.logits_layer is None
    assert not learnt.multi_label


def test_logits_that_a_softmax_would_leave_as_they_are_need_no_layer():
    model = cnn()
    nn.init.zeros_(model[7].weight)
    nn.init.constant_(model[7].bias, 1 / 3)
    assert probe(model, IMAGE).logits_layer is None


class Block(nn.Module):
    """Attention and a linear layer, each behind a normalisation or in front of it."""

    def __init__(self, norm_first):
        super().__init__()
        self.norm_first = norm_first
        self.norm1, self.norm2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.linear = nn.Linear(4, 4)

    def attend(self, x):
        return self.attention(x, x, x)[0]

    def forward(self, x):
        if self.norm_first:
            x = x + self.attend(self.norm1(x))
            return x + self.linear(self.norm2(x))
        x = self.norm1(x + self.attend(x))
        return self.norm2(x + self.linear(x))


class Transformer(nn.Module):
    """Patches of 2 x 2, tokens in front of them, two blocks, and a head on the first token."""

    def __init__(self, prefix=1, norm_first=True):
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(1, 4, 2, stride=2)
        self.prefix = nn.Parameter(torch.randn(1, prefix, 4))
        self.blocks = nn.Sequential(Block(norm_first), Block(norm_first))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(torch.cat([self.prefix, patches], dim=1)))
        return self.head(x[:, 0])


@pytest.mark.parametrize("prefix", [1, 5])
def test_the_target_of_a_transformer_is_the_norm_in_front_of_the_last_attention(prefix):
    # Behind the last attention, only the class token leads to the scores.
    model = Transformer(prefix)
    learnt = probe(model, IMAGE)
    assert learnt.target_layer is model.blocks[1].norm1
    assert learnt.logits_layer is None
    assert learnt.num_classes == 2


def test_where_the_norms_follow_it_is_the_one_that_ends_the_block_before():
    model = Transformer(norm_first=False)
    assert probe(model, IMAGE).target_layer is model.blocks[0].norm2


class PooledTokens(nn.Module):
    """Tokens without any attention."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 4, 2, stride=2)
        self.norm = nn.LayerNorm(4)
        self.mix = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        tokens = self.mix(self.norm(self.patches(x).flatten(2).transpose(1, 2)))
        return self.head(tokens.mean(dim=1))


def test_tokens_without_attention_are_taken_at_their_last_layer():
    model = PooledTokens()
    assert probe(model, IMAGE).target_layer is model.mix


class AttentionOverPlaces(nn.Module):
    """A transformer whose last places are those of a convolution."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)
        self.patches = nn.Conv2d(1, 4, 2, stride=2)
        self.last = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.patches(x)
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        tokens = self.attention(tokens, tokens, tokens)[0]
        x = self.last(tokens.transpose(1, 2).view_as(x))
        return self.head(x.mean(dim=(2, 3)))


def test_behind_attention_a_convolution_is_a_target_of_its_own():
    model = AttentionOverPlaces()
    assert probe(model, IMAGE).target_layer is model.last


def test_a_network_without_places_has_no_target():
    model = nn.Sequential(nn.Flatten(), nn.Linear(96, 4), nn.ReLU(), nn.Linear(4, 2))
    learnt = probe(model, IMAGE)
    assert learnt.target_layer is None
    assert learnt.num_classes == 2


class Several(nn.Module):
    def forward(self, x):
        return x, x.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (nn.Conv2d(1, 4, 3), r"\(1, 4, 6, 10\)"),
        (Several(), r"\(1, 1, 8, 12\)"),
    ],
    ids=["a map", "a map in a tuple"],
)
def test_what_gives_no_row_of_scores_is_refused(model, what):
    with pytest.raises(ValueError, match=rf"one row of scores per image, \(N, C\), not {what}"):
        probe(model, IMAGE)


def hooks(model):
    return [
        hook
        for module in model.modules()
        for registered in (module._forward_hooks, module._forward_pre_hooks)
        for hook in registered.values()
    ]


class Failing(nn.Module):
    def forward(self, _x):
        raise ZeroDivisionError


@pytest.mark.parametrize("behind", [nn.Identity(), Failing()], ids=["success", "error"])
def test_the_model_is_left_as_it_was(behind):
    model = cnn(behind)
    model[0].eval()
    modes = [module.training for module in model.modules()]
    outcome = pytest.raises(ZeroDivisionError) if isinstance(behind, Failing) else torch.no_grad()
    with outcome:
        probe(model, IMAGE)
    assert hooks(model) == []
    assert [module.training for module in model.modules()] == modes
    assert model[2].num_batches_tracked == 0
    assert torch.is_grad_enabled()


def test_the_model_is_asked_in_eval_mode_and_without_a_graph():
    model = cnn().train()
    asked = []
    model.register_forward_hook(
        lambda module, _, output: asked.append((module.training, output.requires_grad))
    )
    probe(model, IMAGE)
    assert asked == [(False, False)]
    assert model.training
