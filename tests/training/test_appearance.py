"""A picture takes another one's tone curve and sharpness, and nothing else of it."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cxr_gradcam.training.appearance import (
    SIGMAS,
    difference_of_gaussians,
    gaussian_blur,
    match_detail,
    match_histogram,
    mix_appearance,
)

SWAPPED = torch.tensor([1, 0])
ALL = torch.ones(2)


def _pictures(seed: int, count: int = 2, side: int = 48) -> Tensor:
    """Draw smooth fields of blobs, of another brightness and fineness each."""
    noise = torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    fields = torch.cat([gaussian_blur(noise[i : i + 1], 0.5 + i) for i in range(count)])
    return (fields * torch.linspace(0.5, 1, count).view(-1, 1, 1, 1)).clamp(0, 1)


def test_two_grey_levels_become_the_others_two() -> None:
    dark = torch.tensor([0.0, 0.0, 0.2, 0.2]).view(1, 1, 2, 2)
    bright = torch.tensor([1.0, 0.6, 1.0, 0.6]).view(1, 1, 2, 2)
    toned = match_histogram(torch.cat([dark, bright]), SWAPPED, ALL)
    assert toned.flatten(1).tolist() == [
        torch.tensor([0.6, 0.6, 1.0, 1.0]).tolist(),
        torch.tensor([0.2, 0.0, 0.2, 0.0]).tolist(),
    ]


def test_half_the_way_is_the_mean() -> None:
    images = _pictures(0)
    half = match_histogram(images, SWAPPED, ALL / 2)
    whole = match_histogram(images, SWAPPED, ALL)
    assert torch.allclose(half, (images + whole) / 2)


@given(st.integers(0, 1000))
def test_the_mean_becomes_the_others_and_the_order_stays(seed: int) -> None:
    images = _pictures(seed)
    toned = match_histogram(images, SWAPPED, ALL)
    assert torch.allclose(toned.mean((1, 2, 3)), images[SWAPPED].mean((1, 2, 3)), atol=0.01)
    for image, result in zip(images.flatten(1), toned.flatten(1), strict=True):
        assert bool((result[image.argsort()].diff() >= 0).all())


def test_nothing_changes_with_oneself_as_partner() -> None:
    images = _pictures(1)
    alone = torch.arange(2)
    assert torch.allclose(match_histogram(images, alone, ALL), images, atol=1 / 255)
    assert torch.allclose(match_detail(images, alone, ALL), images, atol=1e-6)


def test_parts_are_differences_of_gaussians_and_sum_to_the_picture() -> None:
    images = _pictures(2)
    assert torch.allclose(torch.stack(difference_of_gaussians(images)).sum(0), images, atol=1e-6)
    radius = round(3 * SIGMAS[0])
    kernel = torch.exp(-(torch.arange(-radius, radius + 1) ** 2) / (2 * SIGMAS[0] ** 2))
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    blurred = F.conv2d(padded, (kernel[:, None] * kernel)[None, None])
    assert torch.allclose(difference_of_gaussians(images)[0], images - blurred, atol=1e-6)


def test_the_blurred_picture_gets_finer_detail_and_the_fine_one_less() -> None:
    images = _pictures(3) * 0.4 + 0.3  # far enough from black and white for every gain
    before = difference_of_gaussians(images)[0].square().mean((1, 2, 3))
    after = difference_of_gaussians(match_detail(images, SWAPPED, ALL))[0].square().mean((1, 2, 3))
    assert before[0] > 4 * before[1]
    assert after[0] < before[0] / 2
    assert after[1] > 2 * before[1]


def test_what_tells_the_machine_no_longer_tells_the_class() -> None:
    """Class 1 is darker and blurred in every picture; after an exchange only chance tells."""
    noise = torch.rand(64, 1, 32, 32, generator=torch.Generator().manual_seed(4))
    ill = torch.arange(64) % 2 == 1
    images = torch.where(ill.view(-1, 1, 1, 1), gaussian_blur(noise, 2.0) * 0.6, noise)

    def gap(pictures: Tensor) -> float:
        means = pictures.mean((1, 2, 3))
        return float((means[ill].mean() - means[~ill].mean()).abs() / means.std())

    assert gap(images) > 1.9
    assert gap(mix_appearance(images, torch.Generator().manual_seed(5))) < 1.5


def test_equal_seeds_give_equal_results_in_range() -> None:
    images = _pictures(6, count=4)
    first, second = (mix_appearance(images, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert bool(((first >= 0) & (first <= 1)).all())
