"""The model card: the bundled weights, their training data, and their figures.

All figures come from the weights' header and from the stored results of the command
`evaluate --json`, one file each in assets/results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from cxr_gradcam.bundled import assets, bundled_checkpoint
from cxr_gradcam.data.findings import require_finding
from cxr_gradcam.evaluation.intervals import markdown_table
from cxr_gradcam.models.checkpoint import Checkpoint, checksum, load_checkpoint

_FIGURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "f1": "F1",
    "ece": "calibration error",
    "ece_uncalibrated": "calibration error before temperature scaling",
}

_PURPOSE = """# Model card: a ResNet50 for frontal chest X-rays

For research and teaching. The model must not guide the care of a patient.

### What it does

It says how probable {finding} is on a frontal chest X-ray, and a heat map shows which places of the
picture its answer rests on. It knows the classes {classes} and no other: a fracture, a tumour
or a pneumothorax goes unseen. The picture is reduced to {size} x {size} pixels: fine signs go
unseen too.

### What a heat map means, and what it does not

It shows where the model looked, not where the disease is. A map can be right beside a wrong
answer, and wrong beside a right one. How often its hottest place lies in a lesion whose place is
known stands below; where that share is not far above that of a fixed guess, do not read a place
from the map. What is absent has no place: a map for {others} may be hottest anywhere, often at the
edge of the picture.
"""

_LIMITS = (
    "Most of the training pictures come from one hospital and show children aged 1 to 5. The "
    "adults are few, and their labels were mined from reports.",
    "The figures of the adults above are by such labels, and not to be believed: of 140 mined "
    "pneumonias that radiologists also read, 64 show an opacity. By what was read, the AUC on "
    "adults is 0.67 (60 with an opacity, 190 normal), and half of the healthy are called ill. The "
    "higher figure measured mostly which folder a film came from.",
    "The first stage of the training began from random weights, without any other medical picture.",
    "The stages did not keep the same patients for validation: most of those that the temperature, "
    "the bounds and the detector were fitted to had trained an earlier stage. The X-rays of the "
    "figures above were in none.",
)
"""The limits for weights without limits in their header: those of the first release."""

_ALWAYS = (
    "Nothing is known of other machines, portable pictures of the bedridden, or rare pneumonias.",
    "Synthetic X-rays are no patients: what is measured on them tells of the maps' working, not of "
    "a clinic.",
)

_LICENCES = (
    "Kermany et al., Cell 2018, chest X-ray images: CC BY 4.0.",
    "NIH ChestX-ray14 (Wang et al., CVPR 2017), provided by the NIH Clinical Center: free to use "
    "with attribution.",
)

_OWN_LICENCE = "The synthetic X-rays are drawn by this package. The weights are under Apache-2.0."


def model_card_file() -> str:
    """Write the card of the bundled weights for the Hugging Face Hub.

    Returns:
        The front matter in YAML, which the Hub's search reads, followed by `model_card`.
    """
    from huggingface_hub import ModelCard  # imported here, because the page needs no front matter

    front = front_matter(load_checkpoint(bundled_checkpoint()), stored_results())
    return str(ModelCard(f"---\n{front}\n---\n\n{model_card()}"))


def front_matter(checkpoint: Checkpoint, results: Mapping[str, Any]) -> str:
    """Write the metadata of weights.

    Args:
        checkpoint: the weights; their tensors are not needed.
        results: outputs of `evaluate --json` by name; results with findings are listed.

    Returns:
        YAML, as the Hub's documentation of model cards describes it.
    """
    from huggingface_hub import EvalResult, ModelCardData

    measured = [
        EvalResult(
            task_type="image-classification",
            dataset_type="image-folder",
            dataset_name=f"{finding} on X-rays of {name}",
            metric_type=metric,
            metric_value=round(figures["groups"]["all"][metric]["value"], 4),
        )
        for name, result in results.items()
        for finding, figures in result.get("findings", {}).items()
        for metric in ("auc", "sensitivity", "specificity")
        if metric in figures["groups"]["all"]
    ]
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="cxr_gradcam",
        pipeline_tag="image-classification",
        tags=["chest-x-ray", "grad-cam", "radiology", *map(str.lower, checkpoint.class_names)],
        model_name="ResNet50 for frontal chest X-rays",
        eval_results=measured or None,
    )
    return str(data.to_yaml())


def model_card() -> str:
    """Write the card of the bundled weights.

    Returns:
        Markdown: a heading of the first level, then headings of the third.
    """
    weights = bundled_checkpoint()
    card = write_card(load_checkpoint(weights), stored_results())
    return (
        f"{card}\n### The file\n\nAll figures are of the weights `{checksum(weights)}` (SHA-256).\n"
    )


def write_card(checkpoint: Checkpoint, results: Mapping[str, Any]) -> str:
    """Write a card.

    Args:
        checkpoint: the weights; their tensors are not needed.
        results: outputs of `evaluate --json`, by the title of the section.

    Returns:
        Markdown: a heading of the first level, then headings of the third.

    Raises:
        ValueError: it is not clear which class is the finding.
    """
    finding = require_finding(checkpoint.class_names, checkpoint.finding, "a model card")
    sections = [
        _PURPOSE.format(
            finding=finding,
            others=" or ".join(name for name in checkpoint.class_names if name != finding),
            classes=" and ".join(checkpoint.class_names),
            size=checkpoint.preprocessing.size,
        ),
        _decision(checkpoint),
        *(_result(name, result) for name, result in results.items()),
        _training(checkpoint.training),
        _list("Limits", [*checkpoint.training.get("limits", _LIMITS), *_ALWAYS]),
        _list("Data and licences", [*checkpoint.training.get("licences", _LICENCES), _OWN_LICENCE]),
    ]
    return "\n".join(sections)


def stored_results() -> dict[str, Any]:
    """Read the results of `evaluate --json` that come with the bundled weights.

    Returns:
        The results in the order of their files' names: that of 1-children.json is "children".
    """
    return {
        path.stem.split("-", 1)[1].replace("-", " "): json.loads(path.read_text("utf-8"))
        for path in sorted((assets() / "results").glob("*.json"))
    }


def _decision(checkpoint: Checkpoint) -> str:
    point = checkpoint.calibration.operating_point
    if point is None:
        return "### From the probability to a word\n\nThe probabilities are not calibrated.\n"
    return (
        "### From the probability to a word\n\n"
        "Temperature and bounds were chosen on pictures that the last stage of the training had "
        "kept for validation. The temperature is "
        f"{checkpoint.calibration.temperature:.2f}. {point.class_name} is called from a "
        f"probability of {point.threshold:.1%}; below {point.unlikely_below:.1%} it is "
        f'"unlikely", from {point.likely_from:.1%} "likely", between them "uncertain".\n'
    )


def _result(name: str, result: Mapping[str, Any]) -> str:
    """Show a result: an evaluation by finding, or a table with its description."""
    if "findings" not in result:
        return f"### {result['title']}\n\n{result['about']}\n\n{markdown_table(result['rows'])}"
    return "\n".join(
        _evaluation(f"{finding} on X-rays of {name}", figures)
        for finding, figures in result["findings"].items()
    )


def _evaluation(title: str, finding: Mapping[str, Any]) -> str:
    groups = finding["groups"]
    rows = [
        {"": name} | {group: figures.get(key, "") for group, figures in groups.items()}
        for key, name in (
            {"images": "X-rays", "patients": "patients", "with_finding": "with the finding"}
            | _FIGURES
        ).items()
    ]
    parts = [f"### {title}\n", "In brackets: 95 % interval over patients.\n", markdown_table(rows)]
    everybody = groups["all"]
    parts.append(
        "The predictive values are those of X-rays of which "
        f"{everybody['with_finding'] / everybody['images']:.0%} show the finding; where fewer do, "
        "more of the calls are false.\n"
    )
    if finding["verdicts"]:
        parts.append(
            "What is said of how many X-rays, and in brackets how many of them have the finding:\n"
        )
        parts.append(markdown_table(_spoken(finding["verdicts"])))
    if finding["source_auc"]:
        sources = [{"source": name, "AUC": auc} for name, auc in finding["source_auc"].items()]
        parts.append(
            "How well the probability tells X-rays of one source without the finding from the "
            "others; 0.5 is not at all, and above it those of this source are called ill more "
            "easily:\n"
        )
        parts.append(markdown_table(sources))
    return "\n".join(parts)


def _spoken(verdicts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, str]]:
    return [
        {"": said}
        | {
            group: f"{counts[said]['images']} ({counts[said]['with_finding']})"
            for group, counts in verdicts.items()
        }
        for said in verdicts["all"]
    ]


def _list(title: str, items: Sequence[str]) -> str:
    lines = [
        fill(item, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        for item in items
    ]
    return "\n".join([f"### {title}\n", *lines, ""])


def _training(training: Mapping[str, Any]) -> str:
    counts = [
        {
            "": side,
            "X-rays": training.get(f"{side}_images", ""),
            "synthetic": training.get(f"{side}_phantoms", ""),
        }
        for side in ("training", "validation")
    ]
    recipe = [
        {"setting": key.replace("_", " "), "": f"{value:g}" if isinstance(value, float) else value}
        for key, value in _recipe(training)
    ]
    return "\n".join(
        [
            "### How it was trained\n",
            f"On {training.get('source', 'unknown pictures')}. Below stands the last stage of the "
            "training, in which no patient stands on both sides.\n",
            markdown_table(counts),
            markdown_table(recipe),
        ]
    )


def _recipe(training: Mapping[str, Any]) -> list[tuple[str, Any]]:
    recipe = {"began with": training.get("initial_weights", "")} | training.get("recipe", {})
    return list(recipe.items())
