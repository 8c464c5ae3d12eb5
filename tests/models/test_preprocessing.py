import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.preprocessing import Preprocessing

PLAIN = Preprocessing(size=4, mean=(0.0, 0.25, 0.5), std=(1.0, 0.5, 0.25))


def test_prepared_input_by_hand():
    # Twice the width is weighted [1, .75 .25, .25 .75, 1] of its two columns 0 and 1; the rows
    # are equal. Each channel subtracts its mean and divides by its deviation.
    radiograph = Radiograph(np.array([[0, 1], [0, 1]], dtype=np.float32))
    row = torch.tensor([0.0, 0.25, 0.75, 1.0])
    expected = torch.stack([row, (row - 0.25) / 0.5, (row - 0.5) / 0.25])
    prepared = PLAIN.prepare(radiograph)
    assert prepared.dtype == torch.float32
    assert torch.equal(prepared, expected[None, :, None].expand(1, 3, 4, 4))


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (64, 64)])
def test_every_radiograph_becomes_a_square_that_keeps_its_borders(shape):
    pixels = np.zeros(shape, dtype=np.float32)
    pixels[:, -1] = 1
    prepared = Preprocessing(size=16, mean=(0.0,) * 3, std=(1.0,) * 3).prepare(Radiograph(pixels))
    assert prepared.shape == (1, 3, 16, 16)
    assert (prepared[..., -1] > 0).all()
    assert (prepared.diff(dim=-1) >= 0).all()
    assert prepared.diff(dim=-2).abs().max() < 1e-6


def test_a_fine_pattern_is_averaged_when_shrunk():
    # Columns 0 1 0 1 …: samples without averaging would be all black, or all white.
    pixels = np.tile(np.array([0, 1], dtype=np.float32), (64, 128))
    shrunk = resize(torch.tensor(pixels)[None, None], (16, 16))
    torch.testing.assert_close(shrunk, torch.full((1, 1, 16, 16), 0.5), rtol=0, atol=0.05)


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    # Not one column: there, torch's antialiased kernel takes the first row for all.
    size=st.tuples(st.integers(1, 30), st.integers(2, 30)),
    axis=st.sampled_from([-1, -2]),
    seed=st.integers(0, 2**31),
)
def test_stretching_favours_no_side(shape, size, axis, seed):
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed))
    flipped = resize(image.flip(axis), size).flip(axis)
    torch.testing.assert_close(flipped, resize(image, size), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(grey=st.floats(0, 1, width=32))
def test_denormalising_undoes_normalising(grey):
    preprocessing = Preprocessing()
    image = torch.full((2, 1, 3, 5), grey)
    back = preprocessing.denormalize(preprocessing.normalize(image))
    torch.testing.assert_close(back, image.expand(2, 3, 3, 5), rtol=0, atol=1e-6)


def test_denormalised_values_stay_in_range():
    assert PLAIN.denormalize(torch.full((1, 3, 1, 1), 9.0)).tolist() == [[[[1.0]]] * 3]
    assert PLAIN.denormalize(torch.full((1, 3, 1, 1), -9.0)).tolist() == [[[[0.0]]] * 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": 100_000},
        {"size": 224.5},
        {"mean": (0.5,)},
        {"mean": (), "std": ()},
        {"std": (0.2, 0.0, 0.2)},
        {"std": (0.2, float("nan"), 0.2)},
        {"mean": (float("inf"), 0.5, 0.5)},
    ],
)
def test_what_no_input_can_have_is_refused(wrong):
    with pytest.raises(ValueError, match=r"pixels|means|deviation"):
        Preprocessing(**wrong)
