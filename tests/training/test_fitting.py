"""Fitting: temperatures that are known, bounds by hand, and a detector beside the dense one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.training.fitting import (
    DIRECTIONS,
    PASS_RATE,
    RIGHT_LIKELY,
    WRONG_UNLIKELY,
    choose_operating_point,
    fit_logistic,
    fit_ood_detector,
    fit_temperature,
)

WIDTH = 80
ONE_SOURCE = torch.zeros(1000, dtype=torch.long)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 2, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator)[:, 0]
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("prevalence", [0.5, 0.1, 0.8])
def test_a_known_shift_of_the_log_odds_is_found(prevalence: float) -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 2, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator)[:, 0]
    shifted = 3 * (honest - torch.tensor([0.0, 1.5]))
    temperature, offsets = fit_logistic(shifted, labels, (1 - prevalence, prevalence))
    # another prevalence shifts the log odds by those of the prevalence; here they were even
    added = float(np.log(prevalence / (1 - prevalence)))
    assert temperature == pytest.approx(3, rel=0.05)
    assert offsets == pytest.approx((0.0, 1.5 + added), abs=0.1)


def test_what_is_told_without_error_gets_finite_numbers() -> None:
    labels = torch.arange(20) % 2
    temperature, offsets = fit_logistic(torch.eye(2)[labels], labels, (0.5, 0.5))
    assert 0.05 <= temperature < 0.2
    assert np.isfinite(offsets).all()


def _source(
    sick: list[float], healthy: list[float], source: int = 0, *, noisy: bool = False
) -> tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.int_], NDArray[np.bool_]]:
    """Give the arguments that say what one source's images are."""
    count = len(sick) + len(healthy)
    is_finding = np.arange(count) < len(sick)
    return np.array(sick + healthy), is_finding, np.full(count, source), np.full(count, noisy)


def test_threshold_by_hand() -> None:
    sick, healthy = [0.2, 0.6, 0.62, 0.7, 0.9], [0.1, 0.3, 0.4, 0.65]
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))
    assert point.threshold == 0.6  # 4 of 5 found, 3 of 4 let go


def test_bounds_by_hand() -> None:
    sick = [0.1, 0.45, *(0.51 + i / 1000 for i in range(98))]
    healthy = [*(i / 1000 for i in range(95)), 0.3, 0.4, 0.5, 0.55, 0.9]
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))
    assert point.threshold == 0.51  # 98 of 100 found, 98 of 100 let go
    # below it 2 of 100 are wrong; but what is as probable as not is not unlikely
    assert point.unlikely_below == 0.5
    assert point.likely_from == 0.51  # 98 of 100 right


def test_where_the_finding_is_rare_likely_begins_later() -> None:
    generator = np.random.default_rng(0)
    sick, healthy = (generator.beta(a, b, 4000).tolist() for a, b in ((4, 2), (2, 4)))
    common, rare = (
        choose_operating_point("Pneumonia", *_source(sick, healthy), prevalence)
        for prevalence in (0.5, 0.1)
    )
    assert rare.threshold == common.threshold
    assert rare.likely_from > common.likely_from
    assert rare.unlikely_below > common.unlikely_below


def test_likely_begins_where_it_is_right_often_enough() -> None:
    sick = [0.6] * 30 + [0.9] * 70
    healthy = [0.1] * 80 + [0.6] * 17 + [0.9] * 3
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))
    assert point.threshold == 0.6
    assert point.likely_from == 0.9  # 70 of 73 right; from 0.6 on, 100 of 120
    assert point.unlikely_below == 0.5  # nobody below 0.6 is ill; unlikely stops at one half


def test_unlikely_ends_where_it_is_wrong_too_often() -> None:
    sick = [0.1] * 2 + [0.4] * 8 + [0.9] * 90
    healthy = [0.1] * 80 + [0.4] * 20
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))
    assert point.threshold == 0.9
    assert point.unlikely_below == 0.4  # 2 of 82 wrong; up to 0.4, 10 of 110


def test_a_bound_that_keeps_no_promise_is_not_given() -> None:
    even = [0.2, 0.4, 0.6, 0.8]
    point = choose_operating_point("Pneumonia", *_source(even, even))
    assert (point.unlikely_below, point.likely_from) == (0.0, 1.0)


def _together(*sources: tuple[NDArray, ...]) -> list[NDArray]:
    return [np.concatenate(parts) for parts in zip(*sources, strict=True)]


def test_a_small_source_moves_the_threshold_as_much_as_a_large_one() -> None:
    large = _source([0.5] * 50 + [0.9] * 50, [0.1] * 100)
    small = _source([0.9], [0.6], source=1)
    assert choose_operating_point("Pneumonia", *large).threshold == 0.5
    assert choose_operating_point("Pneumonia", *_together(large, small)).threshold == 0.9


def test_a_small_source_moves_the_bound_of_likely_as_much_as_a_large_one() -> None:
    large = _source([0.5] * 20 + [0.9] * 80, [0.1] * 100)
    small = _source([0.5, 0.9], [0.1, 0.1, 0.1, 0.5], source=1)
    assert choose_operating_point("Pneumonia", *large).likely_from == 0.5
    assert choose_operating_point("Pneumonia", *_together(large, small)).likely_from == 0.9


def test_noisy_labels_move_no_bound() -> None:
    sure = _source([0.5, 0.7], [0.1, 0.2])
    noisy = _source([0.01, 0.6], [0.1, 0.8], source=1, noisy=True)
    point = choose_operating_point("Pneumonia", *_together(sure, noisy))
    assert (point.unlikely_below, point.likely_from) == (0.5, 0.5)


@given(
    st.lists(st.floats(0, 1, width=16), min_size=1, max_size=40),
    st.lists(st.floats(0, 1, width=16), min_size=1, max_size=40),
)
def test_verdicts_keep_their_promises(sick: list[float], healthy: list[float]) -> None:
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))

    def share(said: str) -> float | None:
        """The share of a verdict's images that show the finding, were both equally frequent."""
        ill, well = (
            np.mean([point.verdict(each) == said for each in group]) for group in (sick, healthy)
        )
        return float(ill / (ill + well)) if ill + well else None

    unlikely, likely = share("unlikely"), share("likely")
    assert unlikely is None or unlikely <= WRONG_UNLIKELY + 1e-9
    assert likely is None or likely >= RIGHT_LIKELY - 1e-9 or point.likely_from == 1


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
)
def test_no_other_threshold_tells_them_better(sick: list[float], healthy: list[float]) -> None:
    point = choose_operating_point("Pneumonia", *_source(sick, healthy))

    def sum_of_rates(threshold: float) -> float:
        found = (np.array(sick) >= threshold).mean()
        return float(found + (np.array(healthy) < threshold).mean())

    assert point.unlikely_below <= point.threshold <= point.likely_from
    assert sum_of_rates(point.threshold) >= max(map(sum_of_rates, sick + healthy)) - 1e-9


@pytest.mark.parametrize(("sick", "healthy", "noisy"), [([0.5], [], False), ([0.5], [0.4], True)])
def test_one_side_alone_gives_no_operating_point(
    sick: list[float], healthy: list[float], noisy: bool
) -> None:
    with pytest.raises(ValueError, match="with Pneumonia and without it, and one kind is missing"):
        choose_operating_point("Pneumonia", *_source(sick, healthy, noisy=noisy))


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.linspace(3, 0.1, WIDTH)
    return torch.randn(1000, WIDTH, generator=generator) * scales + 1


def upside_down_of(features: torch.Tensor) -> torch.Tensor:
    """Features that differ a little, in one direction of much variance."""
    turned = features.clone()
    turned[:, 0] += 15
    return turned


@pytest.fixture(scope="module")
def detector(features: torch.Tensor) -> OODDetector:
    return fit_ood_detector(features, upside_down_of(features), features, ONE_SOURCE)


def test_the_score_is_the_mahalanobis_distance(
    features: torch.Tensor, detector: OODDetector
) -> None:
    x = features.double()
    variances, axes = torch.linalg.eigh(torch.cov(x.T))
    variances[:-DIRECTIONS] = variances[:-DIRECTIONS].mean()
    centred = (x - x.mean(dim=0)) @ axes
    dense = (centred.square() / variances).sum(dim=1) / WIDTH
    torch.testing.assert_close(detector.distance(features), dense.float(), rtol=1e-3, atol=1e-3)
    assert detector.distance(features).mean().item() == pytest.approx(1, rel=2e-3)


def test_as_many_pass_as_promised(features: torch.Tensor, detector: OODDetector) -> None:
    assert detector.is_familiar(features).float().mean().item() == pytest.approx(
        PASS_RATE, abs=0.002
    )


def test_what_lies_elsewhere_does_not_pass(features: torch.Tensor, detector: OODDetector) -> None:
    last = features.clone()
    last[:, -1] += 5  # a direction that hardly varies
    assert not detector.is_familiar(last).any()


def test_too_few_images_are_refused(features: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needs more than"):
        fit_ood_detector(features[: DIRECTIONS + 1], features, features, ONE_SOURCE)


def test_what_is_upside_down_is_noticed(features: torch.Tensor, detector: OODDetector) -> None:
    turned = upside_down_of(features)
    assert (detector.distance(turned) <= detector.threshold).float().mean() > 0.3
    assert detector.is_familiar(turned).float().mean() < 0.01
    assert detector.is_familiar(features).float().mean() >= 0.97


def test_no_source_is_refused_more_often_than_said(features: torch.Tensor) -> None:
    wide = features[:100] * 1.5
    validation = torch.cat([features, wide])
    source_of = torch.arange(1100) // 1000
    detector = fit_ood_detector(features, upside_down_of(features), validation, source_of)
    for source in (0, 1):
        passes = detector.distance(validation[source_of == source]) <= detector.threshold
        assert passes.float().mean() >= PASS_RATE
