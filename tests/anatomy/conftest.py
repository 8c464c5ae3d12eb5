"""Synthetic chests, drawn once."""

from functools import cache

import cv2
import numpy as np
import pytest

from cxr_gradcam.anatomy.network import SIDE, network_input
from cxr_gradcam.anatomy.outline import Lungs, body_mask
from cxr_gradcam.synthetic.chest import Phantom, draw_phantom


@cache
def chest(seed: int) -> Phantom:
    """Draw a chest with an opacity whose seed no training has seen."""
    return draw_phantom(3_500_000 + seed, size=160, opacity=True)


def true_lungs(phantom: Phantom, **facts: object) -> Lungs:
    """Return the lungs that were drawn, as if a network had outlined them."""
    both = (phantom.right_lung, phantom.left_lung)
    shares = np.stack([cv2.resize(lung.astype(np.float32), (SIDE, SIDE)) for lung in both])
    body = body_mask(network_input(phantom.pixels)[0, 0].numpy(), shares)
    return Lungs(phantom.pixels.shape, shares, body, 0.0, **facts)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return chest(0)
