"""`python -m cxr_gradcam`."""

import sys

from cxr_gradcam.cli import main

sys.exit(main())
