"""`calibrate`: fit probabilities, verdicts and the out-of-distribution detector."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxr_gradcam.cli.options import add_sources, training_sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "checkpoint", type=Path, metavar="FILE.safetensors", help="what train wrote"
    )
    add_sources(parser)
    parser.add_argument(
        "--validation-share",
        type=float,
        metavar="SHARE",
        help="the share of the patients that was kept for validation; for weights that do not say "
        "how they were trained",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of that share; default: %(default)s"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.training.calibration import calibrate

    found = calibrate(
        options.checkpoint,
        training_sources(options),
        validation_share=options.validation_share,
        seed=options.seed,
    )
    calibration = found.calibration
    points = filter(None, (calibration.operating_point, *calibration.further_points))
    called = [
        f"{point.class_name} called from {point.threshold:.1%}, unlikely below "
        f"{point.unlikely_below:.1%}, likely from {point.likely_from:.1%}"
        for point in points
    ]
    print(
        f"{options.checkpoint}: temperature {calibration.temperature:.2f}; {'; '.join(called)}; "
        f"familiar up to {found.ood_detector.threshold:.2f}"
    )
    for finding, sources in found.verdicts.items():
        for source, verdicts in sources.items():
            counts = (f"{word} {images} ({ill})" for word, (images, ill) in verdicts.items())
            print(f"{source}, validation X-rays (with {finding}): {', '.join(counts)}")
    return 0
