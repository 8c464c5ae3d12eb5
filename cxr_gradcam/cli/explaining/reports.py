"""What `explain` says of each file, and of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_gradcam.cli.options import complain


@dataclass
class Counts:
    """What became of the files so far."""

    explained: int = 0
    failed: int = 0
    done_before: int = 0
    no_picture: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record of `explain_files` or `explain_on_cluster`."""
        failed, skipped = record.get("error") is not None, "skipped" in record
        self.failed += failed
        self.explained += not (failed or skipped)
        self.done_before += record.get("skipped") == "done before"
        self.no_picture += record.get("skipped") == "no picture"

    def __str__(self) -> str:
        """Name all that is not zero."""
        parts = {
            "explained": self.explained,
            "failed": self.failed,
            "done before": self.done_before,
            "no pictures": self.no_picture,
        }
        said = [f"{count:,} {name}" for name, count in parts.items() if count]
        return ", ".join(said) or "nothing to do"


def report(record: Mapping[str, Any], *, as_json: bool, one_by_one: bool) -> None:
    """Print what became of one file.

    Args:
        record: of `explain_files` or `explain_on_cluster`.
        as_json: print it as one JSON object.
        one_by_one: print a line also where nothing went wrong.
    """
    if "skipped" in record:
        return
    failed = record.get("error") is not None
    if failed:
        complain(f"{record['file']}: {record['error']}")
    if as_json:
        print(json.dumps(record), flush=True)
    elif one_by_one and not failed:
        name, share = max(record["probabilities"].items(), key=lambda item: item[1])
        said = name if record["predicted_class"] is not None else f"no finding, {name}"
        print(f"{record['file']}: {said} {share:.1%}{_remark(record)}")


def _remark(record: Mapping[str, Any]) -> str:
    if record["is_familiar"] is False:
        return " (unlike the X-rays that the model was trained on: do not rely on it)"
    if record["verdict"] is not None:
        return f" ({record['finding']} {record['verdict']})"
    return "" if record.get("is_calibrated", True) else " (not calibrated)"
