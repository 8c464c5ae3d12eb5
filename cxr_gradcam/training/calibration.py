"""Calibration: temperature, operating point and detector, fitted to a finished network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cxr_gradcam.data.dataset import PHANTOM_CLASSES, LabelledImages, load, sampling_weights
from cxr_gradcam.data.findings import measured_findings, named_class
from cxr_gradcam.data.labels import Doubt
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.split import Sources, Split, split_by_patient
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.calibration import EVEN, Calibration, OperatingPoint, Verdict
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from cxr_gradcam.models.importing import load_model
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.training.appearance import mix_appearance
from cxr_gradcam.training.fitting import choose_operating_point, fit_ood_detector, fit_temperature
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.validation import look

DRAWN = 2500
"""The number of training images that the detector is fitted to."""
PHANTOMS = 200
"""The number of synthetic radiographs among these, because the page's examples are synthetic."""
VIEWS = 2
"""How many times each validation image is used with another image's tone and sharpness."""
BATCH_SIZE = 16

Verdicts = dict[str, dict[str, dict[Verdict, tuple[int, int]]]]


@dataclass(frozen=True)
class Calibrated:
    """The results that `calibrate` stored.

    Attributes:
        calibration: temperature and operating points.
        ood_detector: the out-of-distribution detector.
        verdicts: {finding: {source: {verdict: (number of validation radiographs with this verdict,
            number of them with the finding)}}}.
    """

    calibration: Calibration
    ood_detector: OODDetector
    verdicts: Verdicts


def calibrate(
    checkpoint: Path,
    sources: Sources,
    *,
    validation_share: float | None = None,
    seed: int = 0,
    prevalence: float = EVEN,
) -> Calibrated:
    """Fit temperature, operating points and detector of trained weights, and store them there.

    The split is made again from the recipe in the file. If several classes are findings, each gets
    an operating point. Temperature and operating points come from the validation radiographs,
    unchanged and `VIEWS` times with another's tone and sharpness, so that they hold for other
    machines too. The detector is fitted to training images, drawn as in training. Cut-outs and
    radiographs without a read are not used.

    Args:
        checkpoint: a file that `save_checkpoint` wrote.
        sources: the folders of the training. Their `finding` names the finding; None to take it
            from the file or the class names.
        validation_share: for weights that were trained in another way: the share of the patients
            that was kept for validation; None for the value in the file.
        seed: seed of the choice of these patients; not used if the file has it.
        prevalence: the share of radiographs with the finding where the weights will be used, in
            (0, 1); it moves the bounds of the verdicts.

    Returns:
        The stored results.

    Raises:
        CheckpointError: the file cannot be read, or does not say how it was trained.
        ValueError: the folders or the split are not those of the training, or it is not clear which
            class is the finding.
        RadiographError: a file cannot be read.
    """
    stored = load_checkpoint(checkpoint)
    if stored.multi_label:
        raise ValueError(
            f"{checkpoint} finds several things at once, and calibrate fits classes of which one "
            "is true: use these weights as they are, or train with one class per radiograph"
        )
    named = sources.finding or stored.finding
    findings = measured_findings(stored.class_names, named, "calibrate")
    finding = findings[0] if len(findings) == 1 else None
    sources = replace(sources, finding=finding)
    if validation_share is None:
        split, seed = _split_of_training(checkpoint, stored, sources)
    else:
        split = split_by_patient(sources, validation_share, seed)
    print_notes(split.notes)
    split = split.only(~split.is_cut_out(split.source_of) & (split.doubts == Doubt.NONE))
    split = split.only(split.held_out | _drawn(split, seed))
    phantoms = PHANTOMS if split.class_names == PHANTOM_CLASSES else 0
    training, validation = load(split, stored.preprocessing.size, phantoms, 0.0)
    model = load_model(checkpoint)
    validation = in_order_of(model.class_names, validation, split)
    calibration, features, verdicts = fit_calibration(
        model, validation, split, findings, prevalence
    )
    source_of = validation.source_of[: len(features)]
    detector = _fit_detector(model, training, features, source_of)
    learnt = replace(stored, calibration=calibration, ood_detector=detector, finding=finding)
    save_checkpoint(checkpoint, learnt)
    return Calibrated(calibration, detector, verdicts)


def in_order_of(
    class_names: Sequence[str], validation: LabelledImages, split: Split
) -> LabelledImages:
    """Renumber the classes of images in the order of a model's classes.

    Args:
        class_names: the model's classes.
        validation: images of the split.
        split: the split, whose classes have another order.
    """
    order = [class_names.index(named_class(class_names, name)) for name in split.class_names]
    return replace(validation, labels=torch.tensor(order)[validation.labels])


def _split_of_training(path: Path, stored: Checkpoint, sources: Sources) -> tuple[Split, int]:
    """Make the split of the training again, and return it with its seed."""
    try:
        recipe = Recipe.from_stored(stored.training["recipe"])
        digest = stored.training["split"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not say how it was trained ({error} is missing): train it anew, or name "
            "the share of the patients that was kept for validation by --validation-share"
        ) from None
    split = split_by_patient(sources, recipe.validation_share, recipe.seed, recipe.kept_doubts)
    if split.digest() != digest:
        raise ValueError(
            f"{path} was not trained on these folders, or not split by patient in this way: "
            "give the folders and tables of its training in the same order, and the same "
            "--patients and --patient-pattern"
        )
    return split, recipe.seed


def _drawn(split: Split, seed: int) -> Tensor:
    """Return bool (N,), True for training images that are drawn for the detector."""
    trains = (~split.held_out).nonzero()[:, 0]
    weights = sampling_weights(split.labels[trains], split.source_of[trains], split.strata[trains])
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(weights, min(DRAWN, len(trains)), generator=generator)
    chosen = torch.zeros(len(split.paths), dtype=torch.bool)
    chosen[trains[drawn]] = True
    return chosen


def _fit_detector(
    model: ResNet50FineTuned | CAM, training: LabelledImages, validation: Tensor, source_of: Tensor
) -> OODDetector:
    """Fit the detector to training images and the features (M, K) of validation images."""
    features, _ = look(model, training.images)
    upside_down, _ = look(model, training.images[::2].flip(2))  # half of the images are enough
    return fit_ood_detector(features, upside_down, validation, source_of)


def fit_calibration(
    model: ResNet50FineTuned | CAM,
    validation: LabelledImages,
    split: Split,
    findings: Sequence[str],
    prevalence: float = EVEN,
) -> tuple[Calibration, Tensor, Verdicts]:
    """Fit temperature and operating points to validation radiographs.

    Args:
        model: the classifier.
        validation: the images, labelled by the indices of the model's classes; synthetic ones are
            not used.
        split: the split, with the names of the sources and which of them are noisy.
        findings: the classes that get an operating point each.
        prevalence: the share of radiographs with a finding where the weights will be used.

    Returns:
        The calibration; the radiographs' features (N, K); the verdicts of `Calibrated`.
    """
    real = validation.radiographs
    images, labels = validation.images[:real], validation.labels[:real]
    features, as_is = look(model, images)
    shifted = [look(model, mixed_appearance(images, seed))[1] for seed in range(VIEWS)]
    logits = torch.cat([as_is, *shifted])
    calibration = Calibration(fit_temperature(logits, labels.repeat(1 + VIEWS)))
    source_of = validation.source_of[:real]
    verdicts: Verdicts = {}
    for finding in findings:
        class_idx = model.class_names.index(finding)
        point = choose_operating_point(
            finding,
            calibration.probabilities(logits)[:, class_idx].numpy(),
            (labels == class_idx).repeat(1 + VIEWS).numpy(),
            source_of.repeat(1 + VIEWS).numpy(),
            (source_of >= split.noisy_from).repeat(1 + VIEWS).numpy(),
            prevalence,
        )
        calibration = _with_point(calibration, point, alone=len(findings) == 1)
        probabilities = calibration.probabilities(as_is)[:, class_idx]
        verdicts[finding] = {
            name: count_verdicts(
                [point.verdict(each) for each in probabilities[of].tolist()],
                (labels == class_idx)[of].tolist(),
            )
            for index, name in enumerate(split.sources)
            if (of := source_of == index).any()
        }
    return calibration, features, verdicts


def _with_point(calibration: Calibration, point: OperatingPoint, *, alone: bool) -> Calibration:
    if alone:
        return replace(calibration, operating_point=point)
    return replace(calibration, further_points=(*calibration.further_points, point))


def count_verdicts(said: Sequence[Verdict], ill: Sequence[bool]) -> dict[Verdict, tuple[int, int]]:
    """Count for each verdict how many images get it, and how many of these show the finding.

    Args:
        said: each image's verdict.
        ill: whether each image shows the finding.
    """
    words: tuple[Verdict, ...] = ("likely", "uncertain", "unlikely")
    return {
        word: (
            said.count(word),
            sum(each for each, of in zip(ill, said, strict=True) if of == word),
        )
        for word in words
    }


def mixed_appearance(images: Tensor, seed: int) -> Tensor:
    """Return the images, each with the tone and sharpness of another one.

    Args:
        images: uint8 (N, 1, H, W).
        seed: seed of the draw of the other images.

    Returns:
        uint8 (N, 1, H, W), in the same order.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    changed = torch.empty_like(images)
    for chosen in order.split(BATCH_SIZE):
        mixed = mix_appearance(images[chosen].float() / 255, generator)
        changed[chosen] = (mixed * 255).round().to(torch.uint8)
    return changed
