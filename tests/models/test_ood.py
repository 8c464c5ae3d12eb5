"""The gate: its distance beside the dense one, and what survives the weights' header."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.models.ood import (
    DIRECTIONS,
    PASS_RATE,
    OODDetector,
    fit_ood_detector,
    from_header,
    to_header,
)

WIDTH = 80


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.linspace(3, 0.1, WIDTH)
    return torch.randn(1000, WIDTH, generator=generator) * scales + 1


@pytest.fixture(scope="module")
def detector(features: torch.Tensor) -> OODDetector:
    return fit_ood_detector(features).with_threshold(features)


def test_the_score_is_the_mahalanobis_distance(
    features: torch.Tensor, detector: OODDetector
) -> None:
    x = features.double()
    variances, axes = torch.linalg.eigh(torch.cov(x.T, correction=0))
    variances[:-DIRECTIONS] = variances[:-DIRECTIONS].mean()
    centred = (x - x.mean(dim=0)) @ axes
    dense = (centred.square() / variances).sum(dim=1) / WIDTH
    torch.testing.assert_close(detector.score(features), dense.float(), rtol=1e-3, atol=1e-3)
    assert detector.score(features).mean().item() == pytest.approx(1, rel=1e-3)


def test_as_many_pass_as_promised(features: torch.Tensor, detector: OODDetector) -> None:
    assert detector.is_familiar(features).float().mean().item() == pytest.approx(
        PASS_RATE, abs=0.002
    )


def test_what_lies_elsewhere_does_not_pass(features: torch.Tensor, detector: OODDetector) -> None:
    last = features.clone()
    last[:, -1] += 5  # a direction that hardly varies
    assert not detector.is_familiar(last).any()


def test_without_a_threshold_everything_passes(features: torch.Tensor) -> None:
    assert fit_ood_detector(features).is_familiar(features * 1000).all()


def test_too_few_images_are_refused(features: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needs more than"):
        fit_ood_detector(features[: DIRECTIONS + 1])


def test_the_header_keeps_the_gate(features: torch.Tensor, detector: OODDetector) -> None:
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
