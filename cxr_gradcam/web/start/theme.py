"""Gradio's theme, made from the page's own design tokens."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import sizes

_LOOK = Path(__file__).parents[1] / "static" / "look"
_SHEETS = ("tokens", "components", "bar", "empty", "answer", "layout", "facts")
_FONT = ["system-ui", "sans-serif"]


def style_sheets() -> str:
    """Return the page's style sheets; the first defines every colour, space and size."""
    return "".join((_LOOK / f"{name}.css").read_text("utf-8") for name in _SHEETS)


def theme() -> gr.themes.Base:
    """Return the theme that gives Gradio's components the colours and sizes of tokens.css.

    The fonts are those of the reader's system, since the page contacts no other server.
    """
    made = gr.themes.Base(
        text_size=_sizes("text", "var(--small)", "var(--body)", "var(--head)"),
        spacing_size=_sizes("spacing", "var(--s1)", "var(--s2)", "var(--s3)"),
        radius_size=_sizes("radius", "var(--r1)", "var(--r2)", "var(--r2)"),
        font=_FONT,
        font_mono=["monospace"],
    )
    return made.set(**{key: value for name, value in _COLORS.items() for key in _both(name, made)})


def _sizes(name: str, small: str, middle: str, large: str) -> sizes.Size:
    """Return a scale of three sizes for the seven size names of Gradio."""
    return sizes.Size(
        name=f"{name}_of_the_page",
        xxs=small,
        xs=small,
        sm=small,
        md=middle,
        lg=middle,
        xl=large,
        xxl=large,
    )


def _both(name: str, made: gr.themes.Base) -> list[str]:
    """Return a setting's name, and that for the dark theme if it exists; tokens include both."""
    dark = f"{name}_dark"
    return [name, dark] if hasattr(made, dark) else [name]


_COLORS = {
    "body_background_fill": "var(--ground)",
    "body_text_color": "var(--ink)",
    "body_text_size": "var(--body)",
    "body_text_color_subdued": "var(--ink-2)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--raised)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--chosen)",
    "link_text_color": "var(--accent)",
    "link_text_color_hover": "var(--accent)",
    "link_text_color_active": "var(--accent)",
    "link_text_color_visited": "var(--accent)",
    "prose_text_size": "var(--body)",
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_title_text_color": "var(--ink-2)",
    "block_title_text_size": "var(--body)",
    "block_title_padding": "0px",
    "block_info_text_color": "var(--ink-2)",
    "block_info_text_size": "var(--small)",
    "layout_gap": "var(--s3)",
    "form_gap_width": "0px",
    "accordion_text_color": "var(--ink)",
    "checkbox_background_color": "var(--surface)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--edge)",
    "checkbox_border_color_selected": "var(--accent)",
    "checkbox_border_color_focus": "var(--accent)",
    "checkbox_label_background_fill": "var(--surface)",
    "checkbox_label_background_fill_hover": "var(--raised)",
    "checkbox_label_background_fill_selected": "var(--chosen)",
    "checkbox_label_border_color": "var(--edge)",
    "checkbox_label_border_color_selected": "var(--accent)",
    "checkbox_label_border_width": "1px",
    "checkbox_label_text_color": "var(--ink)",
    "checkbox_label_text_color_selected": "var(--ink)",
    "checkbox_label_padding": "var(--s2) var(--s3)",
    "checkbox_label_text_size": "var(--body)",
    "input_background_fill": "var(--surface)",
    "input_background_fill_focus": "var(--surface)",
    "input_border_color": "var(--edge)",
    "input_border_color_focus": "var(--accent)",
    "input_border_width": "1px",
    "input_radius": "var(--r2)",
    "input_text_size": "var(--body)",
    "input_placeholder_color": "var(--ink-2)",
    "button_border_width": "1px",
    "button_transition": "none",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent)",
    "button_primary_text_color": "var(--on-accent)",
    "button_primary_border_color": "var(--accent)",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--raised)",
    "button_secondary_border_color": "var(--edge)",
    "button_secondary_text_color": "var(--ink)",
    "error_background_fill": "var(--bad)",
    "error_text_color": "var(--on-bad)",
    "error_border_color": "var(--on-bad)",
    "loader_color": "var(--accent)",
    "slider_color": "var(--accent)",
    "table_border_color": "var(--line)",
    "table_text_color": "var(--ink)",
    "table_even_background_fill": "var(--surface)",
    "table_odd_background_fill": "var(--raised)",
}
