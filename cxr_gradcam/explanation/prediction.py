"""A model's prediction for a radiograph: probabilities, verdict, out-of-distribution score."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_gradcam.anatomy.outline import Outlining
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.models.calibration import Verdict
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for a radiograph.

    Attributes:
        probabilities: {class name: calibrated probability}, in the order of the model's classes;
            sum 1 unless several classes can be true at once.
        finding: the class of the model's operating point; None without an operating point.
        verdict: how probable the finding is, in a word: "likely", "uncertain" or "unlikely"; None
            without an operating point.
        ood_score: distance from the training radiographs divided by the detector's threshold, or
            the corresponding score of the lungs if that is greater. Above 1 the radiograph is out
            of distribution, and the probabilities are unreliable. None if the model has no
            detector.
        multi_label: whether several classes can be true at once.
        is_calibrated: whether the probabilities were fitted to validation radiographs.
        assumptions: settings that were assumed because the weights lack them, one phrase each.
    """

    probabilities: dict[str, float]
    finding: str | None = None
    verdict: Verdict | None = None
    ood_score: float | None = None
    multi_label: bool = False
    is_calibrated: bool = False
    assumptions: tuple[str, ...] = ()

    @property
    def most_probable(self) -> str:
        """The most probable class, however improbable."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def predicted_class(self) -> str | None:
        """The most probable class; None if a multi-label model gives each less than one half."""
        name = self.most_probable
        return None if self.multi_label and self.probabilities[name] < 0.5 else name

    @property
    def is_familiar(self) -> bool | None:
        """Whether the radiograph is in distribution; None if the model has no detector."""
        return None if self.ood_score is None else self.ood_score <= 1


def predict(
    model: Classifier, forward_pass: ForwardPass, outlining: Outlining, sample: int = 0
) -> Prediction:
    """Return a model's prediction for one radiograph of a recorded batch.

    Args:
        model: the classifier that recorded the pass.
        forward_pass: recorded forward pass of N radiographs.
        outlining: the outlining of this radiograph's lungs.
        sample: index of the radiograph, 0 to N - 1.

    Returns:
        Calibrated probabilities, verdict and out-of-distribution score.
    """
    calibration = model.calibration
    shares = calibration.probabilities(forward_pass.logits[sample], model.multi_label)
    probabilities = dict(zip(model.class_names, shares.tolist(), strict=True))
    point = calibration.operating_point
    return Prediction(
        probabilities,
        None if point is None else point.class_name,
        None if point is None else point.verdict(probabilities[point.class_name]),
        _ood_score(model, forward_pass, outlining, sample),
        model.multi_label,
        calibration.is_fitted,
        model.assumptions,
    )


def _ood_score(
    model: Classifier, forward_pass: ForwardPass, outlining: Outlining, sample: int
) -> float | None:
    detector, features = model.ood_detector, forward_pass.features
    if detector is None or features is None:
        return None
    by_detector = float(detector.score(features[sample : sample + 1])[0]) / detector.threshold
    return max(by_detector, outlining.lungs.score)


def percentage(probability: float) -> str:
    """Write a probability in whole per cent; only exactly 0 and 1 become "0 %" and "100 %".

    Example:
        >>> percentage(0.934), percentage(0.999)
        ('93 %', '> 99 %')
    """
    if 0 < probability < 0.01:
        return "< 1 %"
    if 0.99 < probability < 1:
        return "> 99 %"
    return f"{probability:.0%}".replace("%", " %")
