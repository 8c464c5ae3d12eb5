"""The model's answer in words and bars: the probability of each class."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from cxr_gradcam.explanation import Explanation

EMPTY = '<p class="hint">The model\'s answer will stand here.</p>'


def answer_html(explanation: Explanation) -> str:
    """Write the probabilities as a list with bars, the most probable class first."""
    rows = (
        _row(name, explanation.probabilities[name])
        for name in by_probability(explanation.probabilities)
    )
    return f'<h2>The model\'s answer</h2><dl class="answer">{"".join(rows)}</dl>'


def by_probability(probabilities: Mapping[str, float]) -> list[str]:
    """Order the classes, the most probable first."""
    return sorted(probabilities, key=probabilities.__getitem__, reverse=True)


def percentage(probability: float) -> str:
    """Round to whole per cents, but never to a certainty that the model has not."""
    if 0 < probability < 0.01:
        return "< 1 %"
    if 0.99 < probability < 1:
        return "> 99 %"
    return f"{probability:.0%}".replace("%", " %")


def _row(name: str, probability: float) -> str:
    return (
        f'<div style="--share: {probability:.3f}">'
        f"<dt>{escape(name)}</dt><dd>{escape(percentage(probability))}</dd></div>"
    )
