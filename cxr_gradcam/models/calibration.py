"""Calibration: from logits to calibrated probabilities, and from these to a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

Verdict = Literal["likely", "uncertain", "unlikely"]

EVEN = 0.5
"""The probability of a finding that is as probable as its absence."""


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds that turn a calibrated probability of a finding into a decision.

    Args:
        class_name: the finding.
        threshold: the probability, in [0, 1], from which on the finding is called.
        unlikely_below: the probability below which the finding is unlikely, at most `threshold`.
        likely_from: the probability from which on the finding is likely, at least `threshold`.
    """

    class_name: str
    threshold: float
    unlikely_below: float
    likely_from: float

    def __post_init__(self) -> None:
        """Refuse bounds that are not in order."""
        if not 0 <= self.unlikely_below <= self.threshold <= self.likely_from <= 1:
            raise ValueError(
                f"bounds {self.unlikely_below}, {self.threshold}, {self.likely_from} of an "
                "operating point: they must rise and lie in [0, 1]"
            )

    @classmethod
    def of_bounds(
        cls, class_name: str, threshold: float, unlikely_below: float, likely_from: float
    ) -> OperatingPoint:
        """Return the operating point of fitted bounds, limited so that the words make sense.

        Bounds fitted with equal weight of images with and without the finding can have any value.
        But a finding that is less probable than its absence is not called likely, and one that is
        more probable than its absence is not called unlikely.
        """
        return cls(class_name, threshold, min(unlikely_below, EVEN), max(likely_from, EVEN))

    def verdict(self, probability: float) -> Verdict:
        """Return the verdict for a calibrated probability of the finding."""
        if probability < self.unlikely_below:
            return "unlikely"
        return "likely" if probability >= self.likely_from else "uncertain"


@dataclass(frozen=True)
class Calibration:
    """Parameters that were fitted to a model's logits on validation images.

    Args:
        temperature: divisor of the logits; 1 if nothing was fitted.
        operating_point: the operating point of the finding; None if nothing was fitted, or if
            several classes are findings.
        further_points: the operating points of several findings.
        offsets: C numbers that are added to the divided logits; empty for none.
    """

    temperature: float = 1.0
    operating_point: OperatingPoint | None = None
    further_points: tuple[OperatingPoint, ...] = ()
    offsets: tuple[float, ...] = ()

    @property
    def is_fitted(self) -> bool:
        """Whether anything was fitted."""
        return self != Calibration()

    def point_of(self, class_name: str) -> OperatingPoint | None:
        """Return the operating point of a class; None if none was fitted."""
        points = (self.operating_point, *self.further_points)
        return next((each for each in points if each and each.class_name == class_name), None)

    def renamed(self, names: Mapping[str, str]) -> Calibration:
        """Return the calibration for classes that were renamed.

        Args:
            names: {class: its new name}.
        """
        point, *further = (
            None if each is None else replace(each, class_name=names[each.class_name])
            for each in (self.operating_point, *self.further_points)
        )
        return replace(self, operating_point=point, further_points=tuple(filter(None, further)))

    def probabilities(self, logits: Tensor, multi_label: bool = False) -> Tensor:
        """Turn logits (…, C) into calibrated probabilities.

        Args:
            logits: (…, C), of any leading shape.
            multi_label: whether several classes can be true at once.

        Returns:
            (…, C), float32; the last dimension sums to 1 unless `multi_label`.
        """
        scaled = logits.float() / self.temperature
        if self.offsets:
            scaled = scaled + scaled.new_tensor(self.offsets)
        return scaled.sigmoid() if multi_label else scaled.softmax(dim=-1)
