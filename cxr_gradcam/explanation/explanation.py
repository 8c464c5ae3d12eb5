"""A prediction and its heat map."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.anatomy.outline import Lungs, Outlining
from cxr_gradcam.anatomy.zones import Place, Zone, locate
from cxr_gradcam.explanation.display import DEFAULT, Display
from cxr_gradcam.explanation.prediction import Prediction, percentage
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.extras import require
from cxr_gradcam.imaging.rendering import as_rgb, three_panels
from cxr_gradcam.models.calibration import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HALF = 0.5
"""The share of a map's maximum above which a region counts as marked."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A model's prediction for one radiograph, and the heat map that answers one question.

    Attributes:
        question: the question, with class and layers named.
        prediction: the model's prediction for the radiograph.
        heatmap: float32 (H, W), in [0, 1], in the radiograph's size; in the size of the network's
            input if `explain_inputs` was called without full size.
        peak: maximum of the map in the size of the network's input, before scaling to 1; 0 for an
            empty map. In units of the score for a gradient method at one layer, of the activations
            for EigenCAM and Score-CAM; a fraction of full agreement for several layers.
        hottest: (x, y) of the map's maximum in pixels of the radiograph, from the left and upper
            edge; the mean position of several equal maxima; None for an empty map.
        pixels: grey values (H, W) of the radiograph, in [0, 1], for `figure`; None if these are not
            kept, as in a batch.
        outlining: the outlining of the radiograph's lungs; None if it is not possible.
    """

    question: Question
    prediction: Prediction
    heatmap: NDArray[np.float32] = field(repr=False)
    peak: float
    hottest: tuple[float, float] | None = None
    pixels: NDArray[np.float32] | None = field(default=None, repr=False)
    outlining: Outlining | None = field(default=None, repr=False)

    @property
    def class_name(self) -> str:
        """The explained class."""
        return self.question.class_name or self.prediction.most_probable

    @property
    def method(self) -> str:
        """How the map was made, a name of `METHODS`."""
        return self.question.method

    @property
    def layers(self) -> tuple[str, ...]:
        """The target layers, by dotted name."""
        return tuple(self.question.layers or ())

    @property
    def contrast_with(self) -> str | None:
        """The class that the explained class is contrasted with, or None."""
        return self.question.contrast_with

    @property
    def against(self) -> bool:
        """Whether the map shows the evidence against the class."""
        return self.question.against

    @property
    def probabilities(self) -> dict[str, float]:
        """{class name: calibrated probability}, as in `Prediction`."""
        return self.prediction.probabilities

    @property
    def predicted_class(self) -> str | None:
        """The most probable class, or None, as in `Prediction`."""
        return self.prediction.predicted_class

    @property
    def finding(self) -> str | None:
        """The class of the model's operating point, or None."""
        return self.prediction.finding

    @property
    def verdict(self) -> Verdict | None:
        """How probable the finding is, in a word; None without an operating point."""
        return self.prediction.verdict

    @property
    def ood_score(self) -> float | None:
        """The out-of-distribution score, as in `Prediction`."""
        return self.prediction.ood_score

    @property
    def is_familiar(self) -> bool | None:
        """Whether the radiograph is in distribution; None if the model has no detector."""
        return self.prediction.is_familiar

    @property
    def answer(self) -> str:
        """The verdict or, without an operating point, the most probable class, in words."""
        prediction = self.prediction
        name = prediction.finding or prediction.most_probable
        said = f"{name}: {percentage(prediction.probabilities[name])}"
        return said if prediction.verdict is None else f"{said}, {prediction.verdict}"

    def figure(self, display: Display = DEFAULT) -> Figure:
        """Draw radiograph, heat map and overlay side by side, with the answer above.

        Args:
            display: how the map is overlaid on the radiograph.

        Returns:
            A matplotlib figure without a window; `savefig` saves it.

        Raises:
            ValueError: the pixels of the radiograph were not kept.
            MissingExtraError: matplotlib is not installed.
        """
        if self.pixels is None:
            raise ValueError("the radiograph's pixels were not kept: explain it by `explain`")
        require("app", "A figure")
        original = as_rgb(self.pixels)
        laid_over = display.draw(original, self.heatmap)["overlay"]
        title = f"{self.answer} (evidence {self.question})"
        return three_panels(
            original, self.heatmap, title, colormap=display.colormap, laid_over=laid_over
        )

    def _repr_png_(self) -> bytes | None:
        """Show the figure in a notebook."""
        if self.pixels is None:
            return None
        file = BytesIO()
        self.figure().savefig(file, format="png", dpi=80)
        return file.getvalue()

    @property
    def lungs(self) -> Lungs | None:
        """Both lungs of the radiograph; None without `outlining`."""
        return None if self.outlining is None else self.outlining.lungs

    @cached_property
    def place(self) -> Place | None:
        """The part of the chest where the map is strongest; None if it is not known."""
        return None if self.lungs is None else locate(self.heatmap, self.lungs, self.hottest)

    @property
    def hottest_region(self) -> str:
        """Where the map is strongest, in words.

        The part of the chest, such as "strongest in the right lung, upper zone"; without plausible
        lungs thirds of the picture, such as "strongest in the upper third, image left"; or "empty".
        """
        if self.is_empty:
            return "empty"
        if self.place is None:
            return f"strongest in the {_third_of_picture(self.heatmap)}"
        beside = self.place.zone in {Zone.OUTSIDE, Zone.ABOVE, Zone.BELOW}
        return f"strongest {'' if beside else 'in the '}{self.place.words}"

    @cached_property
    def marked(self) -> NDArray[np.bool_]:
        """The connected region above half of the maximum around the hottest place, bool (H, W).

        In the size of `heatmap`; all False for an empty map.
        """
        if self.is_empty:
            return np.zeros(self.heatmap.shape, bool)
        strong = self.heatmap > HALF * self.heatmap.max()
        _, pieces = cv2.connectedComponents(strong.astype(np.uint8))
        hottest = np.unravel_index(int(self.heatmap.argmax()), self.heatmap.shape)
        return np.asarray(pieces == pieces[hottest])

    @property
    def is_empty(self) -> bool:
        """Whether the map is empty: nothing in the radiograph is evidence for the question."""
        return self.peak == 0


def _third_of_picture(heatmap: NDArray[np.float32]) -> str:
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("upper", "middle", "lower")[3 * int(row) // heatmap.shape[0]]
    horizontal = ("image left", "centre", "image right")[3 * int(column) // heatmap.shape[1]]
    return f"{vertical} third, {horizontal}"
