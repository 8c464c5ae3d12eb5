"""The names of the releases up to 0.1, for one release: import from `imaging.rendering`."""

from cxr_gradcam.imaging.quantization import quantize
from cxr_gradcam.imaging.rendering import (
    COLORMAPS,
    as_rgb,
    color_table,
    colorize,
    overlay,
    three_panels,
)

__all__ = ["COLORMAPS", "as_rgb", "color_table", "colorize", "overlay", "quantize", "three_panels"]
