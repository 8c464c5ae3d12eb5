"""`calibrate`: fit probabilities, verdicts and the out-of-distribution detector."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxr_gradcam.cli.options import add_sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("checkpoint", type=Path, metavar="FILE.safetensors", help="of train")
    add_sources(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.training.calibration import calibrate

    calibration, detector = calibrate(
        options.checkpoint,
        options.data,
        noisy=options.noisy,
        patient_pattern=options.patient_pattern,
    )
    point = calibration.operating_point
    assert point is not None  # calibrate chooses one  # noqa: S101
    print(
        f"{options.checkpoint}: temperature {calibration.temperature:.2f}; {point.class_name} "
        f"called from {point.threshold:.1%}, unlikely below {point.unlikely_below:.1%}, likely "
        f"from {point.likely_from:.1%}; familiar up to {detector.threshold:.2f}"
    )
    return 0
