"""The detector: what survives the weights' header, and whose features it looks at."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.models.ood import OODDetector, from_header, to_header

WIDTH = 80


@pytest.fixture(scope="module")
def detector() -> OODDetector:
    """One axis of variance 9, all else of variance 0.25."""
    directions = np.eye(1, WIDTH, dtype=np.float32)
    mean = np.ones(WIDTH, np.float32)
    return OODDetector(mean, directions, np.array([9.0], np.float32), 0.25, threshold=2.0)


def test_the_score_by_hand(detector: OODDetector) -> None:
    features = torch.ones(3, WIDTH)
    features[1, 0] += 6
    features[2, 5] -= 2
    assert detector.score(features).tolist() == pytest.approx([0, 36 / 9 / WIDTH, 4 / 0.25 / WIDTH])


def test_without_a_threshold_everything_passes(detector: OODDetector) -> None:
    far = torch.full((1, WIDTH), 1000.0)
    assert not detector.is_familiar(far).any()
    assert replace(detector, threshold=float("inf")).is_familiar(far).all()


def test_upside_down_is_far(detector: OODDetector) -> None:
    plane = np.zeros(WIDTH + 1, np.float32)
    plane[[3, -1]] = 1, -0.5  # above 0 where the fourth feature is above 0.5
    turned = replace(detector, upside_down=plane)
    features = torch.ones(2, WIDTH)
    features[1, 3] = 0.4
    assert turned.is_familiar(features).tolist() == [False, True]
    assert turned.score(features)[0].item() == pytest.approx(2.0 * (1 + 0.5))
    assert turned.score(features)[1] == max(turned.distance(features)[1], 2.0 * (1 - 0.1))
    again = from_header(json.loads(json.dumps(to_header(turned))))
    assert torch.equal(again.score(features), turned.score(features))


def test_a_header_of_an_earlier_release_has_no_plane(detector: OODDetector) -> None:
    header = to_header(detector)
    del header["upside_down"]
    assert from_header(header).upside_down is None


def test_the_header_keeps_the_detector(detector: OODDetector) -> None:
    features = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(0))
    again = from_header(json.loads(json.dumps(to_header(detector))))
    assert again.threshold == detector.threshold
    np.testing.assert_array_equal(again.mean, detector.mean)
    torch.testing.assert_close(
        again.score(features), detector.score(features), rtol=0.01, atol=0.01
    )


def test_features_are_what_the_head_takes(model: ResNet50FineTuned) -> None:
    x = torch.randn(2, 3, 64, 64)
    features, logits = model.features(x)
    torch.testing.assert_close(model.resnet50.fc(features), logits)
    torch.testing.assert_close(logits, model.eval()(x))
    assert not model.resnet50.fc._forward_hooks


def test_every_way_of_looking_gives_the_features(model: ResNet50FineTuned) -> None:
    model.eval().enable_gradcam_mode()
    x = torch.randn(1, 3, 64, 64)
    features, _ = model.features(x)
    hooked = model.record(x).features
    model.fast = True
    staged = model.record(x).features
    assert hooked is not None
    assert staged is not None
    torch.testing.assert_close(hooked, features)
    assert torch.nn.functional.cosine_similarity(staged, features).item() > 0.999
