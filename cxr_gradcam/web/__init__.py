"""The web app: the page and the three-panel viewer."""

from cxr_gradcam.extras import require
from cxr_gradcam.quick_import import leave_stubs_alone

require("app", "The page")
leave_stubs_alone()
