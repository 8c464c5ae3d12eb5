"""The label with a model's facts, after Sendak et al., npj Digital Medicine 2020.

All figures come from the results that `evaluate --json` stored for exactly these weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from cxr_gradcam.bundled import assets
from cxr_gradcam.models.classifier import Classifier

_WIDTH = 220
_LEAST_CASES = 20  # with fewer, an interval says little
RARE = 0.01
"""The prevalence for which the label says what "likely" means."""


def facts_html(model: Classifier) -> str:
    """Write the label of a model.

    Args:
        model: the classifier.

    Returns:
        HTML: the model's purpose, its performance and on which patients, limits of use, version.
    """
    finding = _measured(model)
    parts = [
        _part("What it is for", _purpose(model)),
        _part("Trained on", f"{model.trained_on[:1].upper()}{model.trained_on[1:]}."),
        *_results(finding),
        _part("When not to use it", _NOT_FOR),
        _part("Warnings", _warnings(model)),
        _part("Version", _version(model)),
    ]
    return "".join(part for part in parts if part)


_NOT_FOR = (
    "For the care of a patient. For lateral views, CT slices, limbs or photographs of a screen. "
    "To exclude a disease: a finding that it does not know goes unseen."
)


def _part(title: str, words: str) -> str:
    return f"<section><h3>{title}</h3><p>{escape(words)}</p></section>" if words.strip(".") else ""


def _purpose(model: Classifier) -> str:
    *others, last = model.class_names
    known = f"{', '.join(others)} and {last}" if others else last
    return (
        f"Research and teaching: it says how probable {known} are on a frontal chest X-ray, and a "
        "heat map shows where it looked, not where the disease is."
    )


def _warnings(model: Classifier) -> str:
    said = list(model.assumptions)
    if model.calibration.operating_point is None:
        said.append("its percentages are not calibrated")
    if model.ood_detector is None:
        said.append("it does not notice pictures unlike those of its training")
    said.append("a right answer can come with a map that shows the wrong place, and the reverse")
    words = "; ".join(said)
    return f"{words[0].upper()}{words[1:]}."


def _version(model: Classifier) -> str:
    known = model.provenance
    if known is None:
        return ""
    return f"{known.name}, {known.architecture}, SHA-256 {known.sha256[:12]}"


def _measured(model: Classifier) -> Mapping[str, Any] | None:
    """Return the stored results for the finding with the model's own weights, or None."""
    known = model.provenance
    if known is None or known.settings:
        return None
    for path in sorted((assets() / "results").glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        if result.get("weights_sha256") == known.sha256 and result.get("findings"):
            name, figures = next(iter(result["findings"].items()))
            return {"name": name, "date": result.get("date"), **figures}
    return None


def _results(finding: Mapping[str, Any] | None) -> list[str]:
    if finding is None:
        return [_part("How well it did", "Nothing was measured with these weights.")]
    everybody = finding["groups"]["all"]
    drawn = _discrimination(finding) + _reliability(finding)
    return [
        f"<section><h3>How well it did: {escape(finding['name'])}</h3>"
        f"<p>{_when(finding['date'])} {everybody['images']} X-rays of {everybody['patients']} "
        f"patients that no training has seen, {everybody['with_finding']} of them with the "
        "finding. The labels are those of the data sets, and not all of them are right: the whole "
        "card says how far the figures "
        f'hold.</p><div class="drawn">{drawn}</div></section>',
        _groups(finding["groups"]),
    ]


def _when(date: str | None) -> str:
    return f"Measured on {escape(date)}: on" if date else "On"


def _discrimination(finding: Mapping[str, Any]) -> str:
    """Draw the measured points of the ROC curve: at the bounds and at the threshold."""
    everybody = finding["groups"]["all"]
    called = (1 - everybody["specificity"]["value"], everybody["sensitivity"]["value"])
    points = sorted([(0.0, 0.0), (1.0, 1.0), called, *_bounds(finding, everybody)])
    line = " ".join(f"{_WIDTH * x:.1f},{_WIDTH * (1 - y):.1f}" for x, y in points)
    dots = "".join(_dot(x, y, "point") for x, y in points[1:-1]) + _dot(*called, "called")
    auc = _interval(everybody["auc"])
    words = f"ROC: AUC {auc}; the large dot is where the finding is called."
    return _figure(f'<path d="M0 {_WIDTH}L{_WIDTH} 0"/><polyline points="{line}"/>{dots}', words)


def _bounds(finding: Mapping[str, Any], everybody: Mapping[str, Any]) -> list[tuple[float, float]]:
    said = finding["verdicts"].get("all")
    if not said:
        return []
    ill = everybody["with_finding"]
    healthy = everybody["images"] - ill
    points, images, hits = [], 0, 0
    for verdict in ("likely", "uncertain"):
        images += said[verdict]["images"]
        hits += said[verdict]["with_finding"]
        points.append(((images - hits) / healthy, hits / ill))
    return points


def _dot(x: float, y: float, kind: str) -> str:
    radius = 6 if kind == "called" else 3
    return (
        f'<circle class="{kind}" cx="{_WIDTH * x:.1f}" cy="{_WIDTH * (1 - y):.1f}" r="{radius}"/>'
    )


def _reliability(finding: Mapping[str, Any]) -> str:
    """Draw for each verdict how many of its radiographs have the finding."""
    said = finding["verdicts"].get("all", {})
    rows = "".join(
        f'<div style="--share: {of["with_finding"] / of["images"]:.3f}"><dt>{verdict}</dt>'
        f"<dd>{of['with_finding']} of {of['images']}</dd></div>"
        for verdict, of in said.items()
        if of["images"]
    )
    words = f"How many of those that it called so have the finding. {_where_rare(finding)}".strip()
    return f'<figure><dl class="answer">{rows}</dl><figcaption>{words}</figcaption></figure>'


def _where_rare(finding: Mapping[str, Any]) -> str:
    """Say how many of those that are called likely have the finding where few radiographs have it.

    By Bayes' theorem, from the shares of the ill and of the others that were called likely.
    """
    everybody, likely = finding["groups"]["all"], finding["verdicts"].get("all", {}).get("likely")
    if not likely:
        return ""
    ill = everybody["with_finding"]
    hits = RARE * likely["with_finding"] / ill
    false = (1 - RARE) * (likely["images"] - likely["with_finding"]) / (everybody["images"] - ill)
    if not hits + false:
        return ""
    return (
        f"Of these X-rays {100 * ill / everybody['images']:.0f} % show it. Where 1 in "
        f"{1 / RARE:.0f} does, about {100 * hits / (hits + false):.0f} % of those called likely "
        "would."
    )


def _figure(drawing: str, words: str) -> str:
    box = f"-8 -8 {_WIDTH + 16} {_WIDTH + 16}"
    return (
        f'<figure><svg viewBox="{box}" role="img" aria-label="{escape(words)}">'
        f'<rect width="{_WIDTH}" height="{_WIDTH}"/>{drawing}</svg>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name.removeprefix('source '))}</th><td>{of['images']}</td>"
        f"<td>{_whisker(of['sensitivity'])}</td><td>{_whisker(of['specificity'])}</td></tr>"
        for name, of in groups.items()
        if min(of["with_finding"], of["images"] - of["with_finding"]) >= _LEAST_CASES
    )
    return (
        "<section><h3>By group</h3><p>With 95 % intervals over patients; groups with fewer than "
        f"{_LEAST_CASES} on either side are left out.</p><table><thead><tr><th>Group</th>"
        "<th>X-rays</th><th>Sensitivity</th><th>Specificity</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _whisker(figure: Mapping[str, float]) -> str:
    place = "; ".join(f"--{name}: {100 * figure[name]:.1f}%" for name in ("low", "value", "high"))
    return f'<span class="whisker" style="{place}" aria-hidden="true"></span>{_interval(figure)}'


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
