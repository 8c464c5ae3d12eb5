import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_gradcam.synthetic.chest import Phantom, draw_phantom
from cxr_gradcam.synthetic.projection import FIELD_CM

seeds = st.integers(0, 2**63)


def pair(seed: int, size: int) -> tuple[Phantom, Phantom]:
    return draw_phantom(seed, size=size), draw_phantom(seed, size=size, opacity=True)


def surroundings(mask: np.ndarray, reach_cm: float) -> np.ndarray:
    radius = round(reach_cm / FIELD_CM * len(mask))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


@settings(deadline=None, max_examples=10)
@given(seed=seeds, size=st.integers(64, 112), opacity=st.booleans())
def test_arrays_keep_their_contract(seed, size, opacity):
    phantom = draw_phantom(seed, size=size, opacity=opacity)
    assert phantom.pixels.shape == phantom.lesion_mask.shape == (size, size)
    assert phantom.pixels.dtype == np.float32
    assert phantom.lesion_mask.dtype == np.bool_
    for lung in (phantom.right_lung, phantom.left_lung):
        assert lung.shape == (size, size)
        assert 0.04 < lung.mean() < 0.25
    assert not (phantom.right_lung & phantom.left_lung).any()
    assert phantom.pixels.min() >= 0
    assert phantom.pixels.max() <= 1
    assert phantom.has_opacity == opacity


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_opacity_is_the_only_difference_of_a_pair(seed):
    healthy, ill = pair(seed, 96)
    mask = ill.lesion_mask
    change = ill.pixels - healthy.pixels
    assert np.array_equal(healthy.right_lung, ill.right_lung)
    assert np.array_equal(healthy.left_lung, ill.left_lung)
    assert change[mask].mean() > 0.04
    far = ~surroundings(mask, 8)
    assert far.any()
    assert np.abs(change[far]).max() < 1e-3
    # at the borders the filters of the display leave less than any picture file can hold
    assert np.abs(change[[0, -1]]).max() < 1e-5
    assert np.abs(change[:, [0, -1]]).max() < 1e-5


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_opacity_lies_where_a_lung_is(seed):
    healthy, ill = pair(seed, 96)
    mask = ill.lesion_mask
    rows, columns = np.nonzero(mask)
    centimetres = FIELD_CM / 96
    y, x = (rows - 47.5) * centimetres, (columns - 47.5) * centimetres
    assert (np.abs(x) < 16.5).all()
    assert (y > -15).all()
    assert (y < 14).all()
    assert mask.sum() * centimetres**2 > 2
    # A lung is darker than the abdomen below it.
    assert np.median(healthy.pixels[mask]) < np.median(healthy.pixels[-9:, 30:66])


def test_same_arguments_give_the_same_arrays():
    first, second = (draw_phantom(5, size=96, opacity=True) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.lesion_mask, second.lesion_mask)


def test_seeds_give_different_chests():
    first, second = draw_phantom(1, size=96).pixels, draw_phantom(2, size=96).pixels
    assert np.abs(first - second).mean() > 0.02


@pytest.mark.parametrize("seed", [0, 7])
def test_size_does_not_change_the_chest(seed):
    large = draw_phantom(seed, size=512, opacity=True)
    small = draw_phantom(seed, size=256, opacity=True)
    reduced = large.pixels.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    assert np.corrcoef(reduced.ravel(), small.pixels.ravel())[0, 1] > 0.99
    # The pixel grids are half a pixel apart at most, so the masks may differ along their edge only.
    both = (large.lesion_mask[::2, ::2] & small.lesion_mask).sum()
    assert 2 * both / (large.lesion_mask[::2, ::2].sum() + small.lesion_mask.sum()) > 0.9


def test_it_is_a_frontal_chest():
    chest = draw_phantom(3, size=128).pixels
    right_lung, left_lung = chest[45:65, 28:40].mean(), chest[45:65, 88:100].mean()
    assert max(right_lung, left_lung) < chest[45:65, 60:68].mean()  # spine and mediastinum
    assert max(right_lung, left_lung) < chest[115:, 30:98].mean()  # abdomen
    assert chest[75:90, 74:84].mean() > chest[75:90, 44:54].mean()  # heart to the patient's left


@pytest.mark.parametrize("size", [63, 2049, 0, -1])
def test_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"size is {size} pixels"):
        draw_phantom(0, size=size)
