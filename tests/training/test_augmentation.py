"""Augmentation: what varies, what stays, and that a lesion's mask moves with its picture."""

from __future__ import annotations

import torch

from cxr_gradcam.training.augmentation import augment, cover, degrade, refocus


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_varies_each_image_and_stays_in_range() -> None:
    images = torch.rand(1, 1, 64, 64).repeat(3, 1, 1, 1)
    varied = augment(images, 32, torch.Generator().manual_seed(1))
    assert varied.shape == (3, 1, 32, 32)
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert not torch.equal(varied[0], varied[1])
    again = augment(images, 32, torch.Generator().manual_seed(1))
    torch.testing.assert_close(varied, again, rtol=0, atol=0)


def test_the_mask_moves_with_the_picture() -> None:
    images = torch.zeros(64, 2, 64, 64)
    images[:, :, 16:40, 20:44] = 1
    varied = augment(images, 64, generator())
    picture, mask = varied[:, 0], varied[:, 1] > 0.5
    inside = torch.stack([each[m].mean() for each, m in zip(picture, mask, strict=True)])
    outside = torch.stack([each[~m].mean() for each, m in zip(picture, mask, strict=True)])
    # exposure and cover change single images; by far most keep the square where its mask is
    assert (inside - outside).median() > 0.6


def test_cover_and_exposure_leave_the_mask_alone() -> None:
    images = torch.ones(32, 2, 64, 64)
    mask = augment(images, 64, generator())[:, 1]
    assert (mask[:, 20:44, 20:44] > 0.999).all()  # what the moves never push out
    assert mask.min() >= 0


def test_every_second_image_or_so_is_covered() -> None:
    images = torch.full((400, 1, 32, 32), 0.5)
    covered = cover(images, generator())
    share = (covered != images).flatten(1).any(dim=1).float().mean()
    assert 0.35 < share < 0.55
    assert ((covered != images).float().mean(dim=(1, 2, 3)) <= 0.25**2 * 1.3).all()


def test_focus_leaves_a_flat_image_as_it_is_and_changes_an_edge() -> None:
    flat = torch.full((4, 1, 16, 16), 0.3)
    torch.testing.assert_close(refocus(flat, generator()), flat)
    edge = flat.clone()
    edge[..., 8:] = 0.7
    changed = (refocus(edge, generator()) - edge).abs()
    assert changed[..., 7:9].max() > 0.01
    assert changed[..., :5].max() < 1e-6


def test_a_share_of_the_images_is_degraded() -> None:
    images = torch.rand(60, 2, 64, 64, generator=generator())
    none, all_ = degrade(images, 0.0, generator()), degrade(images, 1.0, generator())
    assert torch.equal(none, images)
    assert torch.equal(all_[:, 1], images[:, 1])  # the mask stays
    assert ((all_[:, 0] - images[:, 0]).abs().mean(dim=(1, 2)) > 0.01).all()
    assert all_[:, 0].diff(dim=2).abs().mean() < 0.8 * images[:, 0].diff(dim=2).abs().mean()
    some = (degrade(images, 0.3, generator()) != images).flatten(1).any(dim=1).float().mean()
    assert 0.3 < some < 0.7  # 51 % are shrunk or compressed
    assert torch.equal(degrade(images, 1.0, generator()), all_)
