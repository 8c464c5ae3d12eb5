"""`calibrate`: fit probabilities, verdicts and the out-of-distribution detector."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from cxr_gradcam.cli.options import add_sources, training_sources
from cxr_gradcam.models.calibration import EVEN, Calibration, Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "checkpoint",
        metavar="FILE.safetensors",
        help="weights that train wrote; with --recalibrate also: bundled",
    )
    add_sources(parser)
    parser.add_argument(
        "--validation-share",
        type=float,
        metavar="SHARE",
        help="the share of the patients that was kept for validation, for weights whose file does "
        "not state it",
    )
    parser.add_argument(
        "--recalibrate",
        type=Path,
        metavar="OUT.safetensors",
        help="fit the probabilities and verdicts to DATA, X-rays of your own that were not used "
        "for training; write the weights with them to this file, and print how much better they "
        "are",
    )
    parser.add_argument(
        "--prevalence",
        type=share_of_one,
        metavar="SHARE",
        help="share of X-rays with the finding where the weights will be used, between 0 and 1; "
        "default: 0.5, with --recalibrate the share in DATA",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of that share; default: %(default)s"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.recalibrate is not None:
        return _recalibrate(options)
    from cxr_gradcam.training.calibration import calibrate

    found = calibrate(
        Path(options.checkpoint),
        training_sources(options),
        validation_share=options.validation_share,
        seed=options.seed,
        prevalence=options.prevalence or EVEN,
    )
    calibration = found.calibration
    print(
        f"{options.checkpoint}: temperature {calibration.temperature:.2f}; {_points(calibration)}; "
        f"familiar up to {found.ood_detector.threshold:.2f}"
    )
    for finding, sources in found.verdicts.items():
        for source, verdicts in sources.items():
            print(f"{source}, validation X-rays (with {finding}): {_counts(verdicts)}")
    return 0


def _recalibrate(options: argparse.Namespace) -> int:
    from cxr_gradcam.training.recalibration import FOLDS, recalibrate

    found = recalibrate(
        options.checkpoint,
        training_sources(options),
        options.recalibrate,
        prevalence=options.prevalence,
    )
    print(
        f"{options.recalibrate}: fitted to {found.images} X-rays of {found.patients} patients, "
        f"{found.with_finding} with {found.finding}: temperature "
        f"{found.calibration.temperature:.2f}, offsets "
        f"{', '.join(f'{each:+.2f}' for each in found.calibration.offsets)}; "
        f"{_points(found.calibration)}"
    )
    for when, agreement in (
        ("before", found.before),
        (f"after, on patients left out of the fit ({FOLDS} parts in turn)", found.after),
    ):
        print(
            f"{when}: log loss {agreement.log_loss:.3f}; {found.finding} expected in "
            f"{agreement.expected:.0%} of them, seen in {found.with_finding / found.images:.0%}; "
            f"X-rays (with {found.finding}): {_counts(agreement.verdicts) or 'no words'}"
        )
    return 0


def _points(calibration: Calibration) -> str:
    points = filter(None, (calibration.operating_point, *calibration.further_points))
    return "; ".join(
        f"{point.class_name} called from {point.threshold:.1%}, unlikely below "
        f"{point.unlikely_below:.1%}, likely from {point.likely_from:.1%}"
        for point in points
    )


def _counts(verdicts: Mapping[Verdict, tuple[int, int]]) -> str:
    return ", ".join(f"{word} {images} ({ill})" for word, (images, ill) in verdicts.items())


def share_of_one(text: str) -> float:
    """Return a share between 0 and 1, both excluded."""
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1: give 0.01 for 1 %")
    return share
