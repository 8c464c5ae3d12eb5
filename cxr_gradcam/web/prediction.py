"""The model's prediction in words and bars: a verdict, and the probability of each class."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.prediction import percentage

_SIGNS = {"likely": "●", "uncertain": "◐", "unlikely": "○"}
_OUT_OF_DISTRIBUTION = (
    '<p class="unfamiliar" role="alert"><strong>This does not look like the frontal chest X-rays '
    "the model was trained on.</strong> Do not rely on the percentages. Is it a frontal chest "
    "X-ray, upright, with bones white on black?</p>"
)

_SEARCH = (
    '<input type="search" placeholder="Search findings" aria-label="Search findings" '
    'autocomplete="off" />'
)

FEW = 6
"""As many classes stand side by side; among more, one searches."""

SEARCHING = """
element.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of element.querySelectorAll("dl > div")) {
    row.hidden = !row.firstChild.textContent.toLowerCase().includes(wanted);
  }
});
"""
"""What the page runs where the prediction stands."""

EMPTY = '<p class="hint">The prediction will appear here.</p>'
WAITING = '<p class="hint" role="status">Analysing the X-ray …</p>'


def prediction_html(explanation: Explanation) -> str:
    """Write the verdict, and the probabilities as a list with bars, the most probable first.

    Where the image is out of distribution, a warning takes the verdict's place. A long list can be
    searched.
    """
    names = by_probability(explanation.probabilities)
    rows = (_row(name, explanation.probabilities[name]) for name in names)
    kind = " many" if len(names) > FEW else ""
    dimmed = " dimmed" if explanation.is_familiar is False else ""
    return (
        f"<h2>The model's prediction</h2>{_summary(explanation)}{_hint(explanation)}"
        f"{_SEARCH if kind else ''}"
        f'<dl class="answer{kind}{dimmed}">{"".join(rows)}</dl>'
    )


def failure_html(message: str) -> str:
    """Write why there is no prediction."""
    return f'<p class="failure" role="alert">{escape(message)}</p>'


def by_probability(probabilities: Mapping[str, float]) -> list[str]:
    """Order the classes, the most probable first."""
    return sorted(probabilities, key=probabilities.__getitem__, reverse=True)


def _summary(explanation: Explanation) -> str:
    if explanation.is_familiar is False:
        return _OUT_OF_DISTRIBUTION
    if explanation.finding is None or explanation.verdict is None:
        return ""
    sign = f'<span aria-hidden="true">{_SIGNS[explanation.verdict]}</span>'
    return f'<p class="verdict">{sign} {escape(explanation.finding)}: {explanation.verdict}</p>'


def _hint(explanation: Explanation) -> str:
    said = []
    if explanation.prediction.multi_label and len(explanation.probabilities) > 1:
        said.append("Several findings can be present at once.")
    if not explanation.prediction.is_calibrated:
        said.append("The percentages are not calibrated.")
    return f'<p class="hint">{" ".join(said)}</p>' if said else ""


def _row(name: str, probability: float) -> str:
    return (
        f'<div style="--share: {probability:.3f}">'
        f"<dt>{escape(name)}</dt><dd>{escape(percentage(probability))}</dd></div>"
    )
