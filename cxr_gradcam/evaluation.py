"""Evaluation: how often a model is right on radiographs whose class is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score
from torchvision.datasets import ImageFolder

from cxr_gradcam.capture import evaluating
from cxr_gradcam.explanation import find_class
from cxr_gradcam.radiograph import Radiograph, RadiographError, read_radiograph
from cxr_gradcam.resnet50 import ResNet50FineTuned

BATCH_SIZE = 16


def evaluate(model: ResNet50FineTuned, data: Path) -> dict[str, Any]:
    """Measure a model on a folder with one folder of radiographs per class.

    Args:
        model: the classifier.
        data: the folder; its folders carry the model's class names, in any case.

    Returns:
        {"images": count, "accuracy": share, "auc": mean over the classes, "classes": {name:
        {"images", "sensitivity", "specificity", "auc"}}}, all shares in [0, 1]. A class that has
        no image has no figures.

    Raises:
        ValueError: a folder that is no class of the model.
        RadiographError: a picture that cannot be read.
    """
    folder = list_folder(data)
    class_of = [find_class(model.class_names, name.replace("_", " ")) for name in folder.classes]
    labels = np.array([class_of[target] for target in folder.targets])
    probabilities = np.concatenate(list(_predict(model, [path for path, _ in folder.samples])))
    return figures(labels, probabilities, model.class_names)


def list_folder(data: Path) -> ImageFolder:
    """List a folder with one folder of radiographs per class; hidden files do not count."""
    return ImageFolder(str(data), is_valid_file=lambda path: not Path(path).name.startswith("."))


def read_listed(path: str) -> Radiograph:
    """Read one of many files; the error names it."""
    try:
        return read_radiograph(path)
    except RadiographError as error:
        raise RadiographError(f"{path}: {error}") from error


def figures(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Compute the figures of `evaluate` from labels (N,) and probabilities (N, C)."""
    predicted = probabilities.argmax(axis=1)
    present = [index for index in range(len(class_names)) if (labels == index).any()]
    return {
        "images": len(labels),
        "accuracy": float(accuracy_score(labels, predicted)),
        "auc": mean_auc(labels, probabilities),
        "classes": {
            class_names[index]: _class_figures(labels == index, predicted == index)
            | {"auc": float(roc_auc_score(labels == index, probabilities[:, index]))}
            for index in present
        },
    }


def mean_auc(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Give the area under the ROC curve of each class against the rest, averaged.

    Raises:
        ValueError: all labels are of one class.
    """
    present = np.unique(labels)
    if len(present) < 2:
        raise ValueError("all images are of one class: an ROC curve needs two")
    return float(np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in present]))


def _class_figures(actual: NDArray[np.bool_], called: NDArray[np.bool_]) -> dict[str, float]:
    (tn, fp), (fn, tp) = confusion_matrix(actual, called, labels=[False, True])
    return {
        "images": int(tp + fn),
        "sensitivity": float(tp / (tp + fn)),
        "specificity": float(tn / (tn + fp)),
    }


def _predict(model: ResNet50FineTuned, paths: list[str]) -> Iterator[NDArray[np.float32]]:
    device = next(model.parameters()).device
    batches = [paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE)]
    with evaluating(model), torch.inference_mode():
        for batch in track(batches, "evaluating", console=Console(stderr=True), transient=True):
            inputs = [model.preprocessing.prepare(read_listed(path)) for path in batch]
            logits = model(torch.cat(inputs).to(device))
            yield logits.float().softmax(dim=1).cpu().numpy()
