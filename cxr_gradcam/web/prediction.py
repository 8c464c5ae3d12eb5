"""The model's prediction in words and bars: a verdict, and the probability of each class."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.prediction import percentage

_SIGNS = {"likely": "●", "uncertain": "◐", "unlikely": "○"}
_OUT_OF_DISTRIBUTION = (
    '<p class="unfamiliar" role="alert"><strong>Unlike the training X-rays: not reliable.</strong> '
    "Is it a frontal chest X-ray, upright, with bones white on black?</p>"
)

_SEARCH = (
    '<input type="search" placeholder="Search findings" aria-label="Search findings" '
    'autocomplete="off" />'
)

FEW = 6
"""Up to this number of classes, all are shown; longer lists can be searched."""

SEARCHING = """
element.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of element.querySelectorAll("dl > div")) {
    row.hidden = !row.firstChild.textContent.toLowerCase().includes(wanted);
  }
});
"""
"""JavaScript that the page runs for the prediction."""

EMPTY = ""
WAITING = '<p class="busy" role="status">Looking at the X-ray …</p>'


def prediction_html(explanation: Explanation) -> str:
    """Write the answer in one line, and the probabilities as a list with bars below it.

    The most probable class is first. If the image is out of distribution, a warning replaces the
    answer. A long list can be searched.
    """
    names = by_probability(explanation.probabilities)
    rows = (_row(name, explanation.probabilities[name]) for name in names)
    kind = " many" if len(names) > FEW else ""
    dimmed = " dimmed" if explanation.is_familiar is False else ""
    return (
        f'<h2 class="unseen">Answer of the model</h2>{_headline(explanation)}'
        f'<div class="shares">{_hint(explanation)}{_SEARCH if kind else ""}'
        f'<dl class="answer{kind}{dimmed}">{"".join(rows)}</dl></div>'
    )


def failure_html(message: str) -> str:
    """Write why there is no prediction."""
    return f'<p class="failure" role="alert">{escape(message)}</p>'


def by_probability(probabilities: Mapping[str, float]) -> list[str]:
    """Order the classes, the most probable first."""
    return sorted(probabilities, key=probabilities.__getitem__, reverse=True)


def _headline(explanation: Explanation) -> str:
    """Write the finding, its verdict and its probability, or the warning instead."""
    if explanation.is_familiar is False:
        return _OUT_OF_DISTRIBUTION
    name = explanation.finding or by_probability(explanation.probabilities)[0]
    share = f"<b>{escape(percentage(explanation.probabilities[name]))}</b>"
    if explanation.finding is None or explanation.verdict is None:
        return f'<p class="verdict">{escape(name)}, {share}</p>'
    sign = f'<span class="sign" aria-hidden="true">{_SIGNS[explanation.verdict]}</span>'
    return f'<p class="verdict">{sign} {escape(name)} {explanation.verdict}, {share}</p>'


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
