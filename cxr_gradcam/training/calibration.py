"""Calibration: what validation and training images teach about finished weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from cxr_gradcam.data.dataset import LabelledImages, load, sampling_weights
from cxr_gradcam.data.image_folder import PATIENT_PATTERN
from cxr_gradcam.data.split import split_by_patient
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.training.appearance import mix_appearance
from cxr_gradcam.training.fitting import choose_operating_point, fit_ood_detector, fit_temperature

DRAWN = 3000
"""Training images that the detector is fitted to."""
VIEWS = 2
BATCH_SIZE = 16


def calibrate(
    checkpoint: Path,
    data: Sequence[Path],
    *,
    noisy: Sequence[Path] = (),
    patient_pattern: str = PATIENT_PATTERN,
) -> tuple[Calibration, OODDetector]:
    """Fit temperature, operating point and detector of trained weights, and store them there.

    The split is made again from the recipe in the file. Temperature and operating point come from
    the validation radiographs, as they are and `VIEWS` times with another's tone and sharpness, so
    that they hold for other machines too. The finding is the last class. The detector is
    fitted to
    training images, drawn as in training.

    Args:
        checkpoint: the file that `train` wrote.
        data: the folders it was trained on.
        noisy: those whose labels are often wrong.
        patient_pattern: as in training.

    Returns:
        What is now stored.

    Raises:
        CheckpointError: the file cannot be read, or does not say how it was trained.
        ValueError: other folders than those of the training, or another split.
        RadiographError: a picture that cannot be read.
    """
    stored = load_checkpoint(checkpoint)
    try:
        recipe = stored.training["recipe"]
        share, seed, phantoms = recipe["validation_share"], recipe["seed"], recipe["phantoms"]
    except KeyError as error:
        raise CheckpointError(
            f"{checkpoint} does not say how it was trained ({error} is missing): train it anew"
        ) from None
    split = split_by_patient(data, noisy, share, seed, patient_pattern)
    if split.digest() != stored.training.get("split"):
        raise ValueError(
            f"{checkpoint} was not trained on these folders, or not split by patient in this way: "
            "name the folders of its training, in their order, and the same --patient-pattern"
        )
    training, validation = load(split, stored.preprocessing.size, phantoms, share)
    model = ResNet50FineTuned.from_checkpoint(checkpoint)
    calibration, validation_features = fit_calibration(model, validation, split.noisy_from)
    shares = sampling_weights(training.labels, training.source_of)
    drawn = torch.multinomial(
        shares, min(DRAWN, len(training)), generator=torch.Generator().manual_seed(seed)
    )
    features, _ = _look(model, training.images[drawn])
    detector = fit_ood_detector(features, validation_features)
    save_checkpoint(checkpoint, replace(stored, calibration=calibration, ood_detector=detector))
    return calibration, detector


def fit_calibration(
    model: ResNet50FineTuned, validation: LabelledImages, noisy_from: int
) -> tuple[Calibration, Tensor]:
    """Fit temperature and operating point; give the radiographs' features (N, K) too."""
    real = len(validation) - len(validation.masks)
    images = validation.images[:real]
    features, as_is = _look(model, images)
    shifted = [_look(model, mixed_appearance(images, seed))[1] for seed in range(VIEWS)]
    logits = torch.cat([as_is, *shifted])
    labels = validation.labels[:real].repeat(1 + VIEWS)
    calibration = Calibration(fit_temperature(logits, labels))
    source_of = validation.source_of[:real].repeat(1 + VIEWS)
    point = choose_operating_point(
        model.class_names[-1],
        calibration.probabilities(logits)[:, -1].numpy(),
        (labels == logits.shape[1] - 1).numpy(),
        source_of.numpy(),
        (source_of >= noisy_from).numpy(),
    )
    return replace(calibration, operating_point=point), features


def mixed_appearance(images: Tensor, seed: int) -> Tensor:
    """Return 8-bit pictures (N, 1, H, W) tone and sharpness of others, drawn from all of them."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    changed = torch.empty_like(images)
    for chosen in order.split(BATCH_SIZE):
        mixed = mix_appearance(images[chosen].float() / 255, generator)
        changed[chosen] = (mixed * 255).round().to(torch.uint8)
    return changed


def _look(model: ResNet50FineTuned, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features (N, K) and logits (N, C) of 8-bit pictures (N, 1, H, W)."""
    batches = images.split(BATCH_SIZE)
    console = Console(stderr=True)
    looked = [
        model.features(model.preprocessing.normalize(batch.float() / 255))
        for batch in track(batches, "looking", console=console, transient=True)
    ]
    return torch.cat([features for features, _ in looked]), torch.cat(
        [logits for _, logits in looked]
    )
