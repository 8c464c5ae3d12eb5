"""Cut-outs: outlines that two pictures share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam.data.cut_outs import CutOuts, common_outline, graft, outline_of

SIDE = 64


def lungs(top: int = 10, bottom: int = 54, *, hole: bool = False) -> np.ndarray:
    """Two grey rectangles on black; in one of them, below, a part may be missing."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top:bottom, 8:28] = 100
    image[top:bottom, 36:56] = 140
    if hole:
        image[bottom - 20 : bottom, 36:50] = 0
    return image


def test_two_lungs_are_found() -> None:
    outline = outline_of(lungs())
    assert outline is not None
    assert outline.lungs == ((8, 10, 20, 44), (36, 10, 20, 44))
    assert outline.mask.sum() == 2 * 20 * 44


def test_a_lung_alone_or_two_on_one_side_are_no_outline() -> None:
    one = lungs()
    one[:, :32] = 0
    assert outline_of(one) is None
    assert outline_of(np.roll(lungs()[:, :32], 4, axis=1).repeat(2, axis=1) * 0) is None


def test_the_common_outline_by_hand() -> None:
    tall, low = outline_of(lungs()), outline_of(lungs(top=32, hole=True))
    assert tall is not None
    assert low is not None
    common = common_outline(tall, low)
    # the low lungs are stretched to the tall ones' boxes: 20 of 22 rows lack 14 of 20 columns
    assert common[:, :32].sum() == 20 * 44
    assert common[10:14, 36:56].all()
    assert not common[16:54, 36:48].any()
    assert common[16:54, 51:56].all()


def test_outlines_no_longer_tell_the_class() -> None:
    images = torch.from_numpy(np.stack([lungs(hole=i % 2 == 1) for i in range(8)]))[:, None]
    labels = torch.arange(8) % 2
    cut_outs = CutOuts(images, labels, torch.ones(8, dtype=torch.bool))
    shown = cut_outs.exchange(images, torch.arange(8), torch.Generator().manual_seed(0))
    areas = (shown > 0).flatten(1).sum(dim=1)
    assert (images > 0).flatten(1).sum(dim=1).unique().numel() == 2
    assert areas.unique().numel() == 1
    assert cut_outs.usable.all()


def test_other_pictures_stay_as_they_are_and_bad_cut_outs_are_not_used() -> None:
    images = torch.from_numpy(np.stack([lungs(), lungs(hole=True), np.full_like(lungs(), 90)]))
    is_cut_out = torch.tensor([False, True, True])
    cut_outs = CutOuts(images[:, None], torch.tensor([0, 1, 0]), is_cut_out)
    assert cut_outs.usable.tolist() == [True, False, False]  # no partner; no lungs
    generator = torch.Generator().manual_seed(0)
    shown = cut_outs.exchange(images[:, None], torch.arange(3), generator)
    assert torch.equal(shown, images[:, None])


def test_grafted_lungs_lie_inside_the_film_s_own() -> None:
    film = np.full((SIDE, SIDE), 0.8, np.float32)
    film[lungs() > 0] = 0.4
    own, tall, holed = (outline_of(each) for each in (lungs(), lungs(4, 60), lungs(hole=True)))
    assert own is not None
    assert tall is not None
    assert holed is not None
    opaque = lungs(4, 60).astype(np.float32) / 255
    opaque[20:40, 40:48] = 0.9
    grafted = graft(film, own, opaque, tall, holed)
    assert np.array_equal(grafted[:6], film[:6])  # outside of its lungs the film stays
    assert np.array_equal(grafted[:, :4], film[:, :4])
    assert grafted[25, 44] > film[25, 44] + 0.2  # the opacity is seen
    assert grafted[25, 18] == pytest.approx(film[25, 18], abs=0.01)  # aerated lung is as dark
    holes = grafted[46:54, 38:46], film[46:54, 38:46]  # where the other has none
    np.testing.assert_allclose(*holes, atol=0.01)


def test_cut_outs_are_grafted_into_the_films_that_healthy_ones_were_cut_from() -> None:
    film = np.full((SIDE, SIDE), 200, np.uint8)
    film[lungs() > 0] = 100
    images = torch.from_numpy(np.stack([film, lungs(), lungs(hole=True)]))[:, None]
    labels, is_cut_out = torch.tensor([0, 0, 1]), torch.tensor([False, True, True])
    chosen, generator = torch.tensor([1, 2]), torch.Generator().manual_seed(0)
    grey = images[chosen].float() / 255
    named = CutOuts(images, labels, is_cut_out, ["a", "a", "b"], absence=0)
    assert (named.exchange(grey, chosen, generator, graft_share=1.0)[:, 0, 0, 0] > 0.7).all()
    assert (named.exchange(grey, chosen, generator)[:, 0, 0, 0] == 0).all()
    alone = CutOuts(images, labels, is_cut_out, ["c", "a", "b"], absence=0)
    assert (alone.exchange(grey, chosen, generator, graft_share=1.0)[:, 0, 0, 0] == 0).all()
