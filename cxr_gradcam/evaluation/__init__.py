"""Studies of the quality of a model and its maps.

Names are imported when they are used, so that the page can show stored figures without scipy,
scikit-learn and matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cxr_gradcam.extras import require

if TYPE_CHECKING:
    from cxr_gradcam.evaluation.classification import evaluate, summarize
    from cxr_gradcam.evaluation.faithfulness import measure_faithfulness
    from cxr_gradcam.evaluation.localization import measure_localization
    from cxr_gradcam.evaluation.ood import measure_ood
    from cxr_gradcam.evaluation.plots import write_report
    from cxr_gradcam.evaluation.predictions import predict
    from cxr_gradcam.evaluation.sanity import measure_sanity

_HOMES = {
    "evaluate": "classification",
    "measure_faithfulness": "faithfulness",
    "measure_localization": "localization",
    "measure_ood": "ood",
    "measure_sanity": "sanity",
    "predict": "predictions",
    "summarize": "classification",
    "write_report": "plots",
}

__all__ = [
    "evaluate",
    "measure_faithfulness",
    "measure_localization",
    "measure_ood",
    "measure_sanity",
    "predict",
    "summarize",
    "write_report",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function of any kind
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("train", "Evaluation")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
