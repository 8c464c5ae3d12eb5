"""A page that is served for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cxr_gradcam.web.page import Page


@contextmanager
def serving(build: Callable[[], Page], uploads: Path, **settings: Any) -> Iterator[str]:
    """Build and serve a page, whose components note Gradio's folder, and give its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        page = build()
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, **settings)
        try:
            yield address
        finally:
            page.close()
