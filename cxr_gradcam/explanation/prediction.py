"""What a model says of a radiograph, and which map a question asks of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.explanation.question import Question, find_class
from cxr_gradcam.models.calibration import Verdict
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class Prediction:
    """What a model says of a radiograph.

    Attributes:
        probabilities: {class name: calibrated probability}, in the order of the model's classes;
            sum 1 unless several classes can be true at once.
        finding: the class of the model's operating point, or None.
        verdict: "likely", "uncertain" or "unlikely", of the finding; None without one.
        multi_label: whether each class is true or false on its own.
        ood_score: how far the image is from those of the training, as a share of the bound: above
            1 it is out of distribution, and the probabilities mean little; None where the model
            has no detector.
        is_calibrated: whether the probabilities were fitted to validation images.
        assumptions: what nobody said of the weights and was assumed, as in `Classifier`.
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
        """The most probable class; None where each may be false, and it is below one half."""
        name = self.most_probable
        return None if self.multi_label and self.probabilities[name] < 0.5 else name

    @property
    def is_familiar(self) -> bool | None:
        """Whether the image looks like those of the training; None where nobody knows."""
        return None if self.ood_score is None else self.ood_score <= 1


def predict(model: Classifier, forward_pass: ForwardPass, sample: int = 0) -> Prediction:
    """Return what a model says of one radiograph of a recorded batch.

    Args:
        model: what the pass was recorded by.
        forward_pass: of N radiographs.
        sample: which of them, 0 to N - 1.

    Returns:
        Its calibrated probabilities, verdict and out-of-distribution score.
    """
    calibration = model.calibration
    shares = calibration.probabilities(forward_pass.logits[sample], model.multi_label)
    probabilities = dict(zip(model.class_names, shares.tolist(), strict=True))
    point = calibration.operating_point
    return Prediction(
        probabilities,
        None if point is None else point.class_name,
        None if point is None else point.verdict(probabilities[point.class_name]),
        _ood_score(model, forward_pass, sample),
        model.multi_label,
        calibration.is_fitted,
        model.assumptions,
    )


def _ood_score(model: Classifier, forward_pass: ForwardPass, sample: int) -> float | None:
    detector, features = model.ood_detector, forward_pass.features
    if detector is None or features is None:
        return None
    return float(detector.score(features[sample : sample + 1])[0]) / detector.threshold


def resolve(
    question: Question, model: Classifier, forward_pass: ForwardPass, sample: int = 0
) -> Question:
    """Return a question with the class and the layers that it means for one radiograph.

    Args:
        question: as it was asked.
        model: what the pass was recorded by.
        forward_pass: of N radiographs.
        sample: which of them, 0 to N - 1.

    Raises:
        ValueError: the model has no such class.
    """
    names, contrast = model.class_names, question.contrast_with
    return replace(
        question,
        class_name=names[int(forward_pass.logits[sample].argmax())]
        if question.class_name is None
        else names[find_class(names, question.class_name)],
        contrast_with=None if contrast is None else names[find_class(names, contrast)],
        layers=forward_pass.layers if question.layers is None else question.layers,
    )


def percentage(probability: float) -> str:
    """Round a probability to whole per cents, but never to a certainty that the model has not.

    Example:
        >>> percentage(0.934), percentage(0.999)
        ('93 %', '> 99 %')
    """
    if 0 < probability < 0.01:
        return "< 1 %"
    if 0.99 < probability < 1:
        return "> 99 %"
    return f"{probability:.0%}".replace("%", " %")
