"""Outliers: how well a model's gate tells radiographs from what is none of its business."""

from __future__ import annotations
