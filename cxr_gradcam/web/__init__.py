"""The web app: the page and the three-panel viewer."""

from cxr_gradcam.extras import require

require("app", "The page")
