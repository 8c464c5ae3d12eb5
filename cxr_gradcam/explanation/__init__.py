"""What a model says of a radiograph, and where in it that comes from."""

from cxr_gradcam.explanation.engine import Examination, examine, explain
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import Prediction
from cxr_gradcam.explanation.question import Question

__all__ = ["Examination", "Explanation", "Prediction", "Question", "examine", "explain"]
