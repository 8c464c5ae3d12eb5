"""A model's prediction for a radiograph, and the places that it depends on."""

from cxr_gradcam.explanation.engine import Examination, examine, explain
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import Prediction
from cxr_gradcam.explanation.question import Question

__all__ = ["Examination", "Explanation", "Prediction", "Question", "examine", "explain"]
