"""The example radiographs of the package, as buttons with a thumbnail."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path

import gradio as gr
from PIL import Image

from cxr_gradcam.bundled import example_files

_THUMBNAIL = (160, 160)

_ON_LOAD = """
element.querySelectorAll("button").forEach((button, index) => {
  button.addEventListener("click", () => trigger("select", { index, value: performance.now() }));
});
"""


def examples() -> gr.HTML:
    """Make the component; its select event carries the index in `example_files`, and when."""
    buttons = "".join(_button(path) for path in example_files())
    heading = '<h2 id="examples-label">Or take a synthetic example</h2>'
    return gr.HTML(
        f'{heading}<div role="group" aria-labelledby="examples-label">{buttons}</div>',
        js_on_load=_ON_LOAD,
        elem_id="examples",
    )


def _button(path: Path) -> str:
    number, name = path.stem.split("-", 1)
    label = escape(f"Example {number}: {name.replace('-', ' ')}")
    image = f'<img src="data:image/webp;base64,{_thumbnail(path)}" alt="">'
    words = f"<span>{escape(name.replace('-', ' ').capitalize())}</span>"
    return f'<button type="button" aria-label="{label}">{image}{words}</button>'


def _thumbnail(path: Path) -> str:
    data = BytesIO()
    with Image.open(path) as image:
        image.thumbnail(_THUMBNAIL)
        image.save(data, "WEBP")
    return b64encode(data.getvalue()).decode("ascii")
