"""Losses, worked out by hand, and beside the maps that they lead."""

from __future__ import annotations

import torch

from cxr_gradcam.training.losses import smooth_labels


def test_labels_are_smoothed_each_by_its_own_share() -> None:
    targets = smooth_labels(torch.tensor([0, 1]), torch.tensor([0.0, 0.2]), 2)
    torch.testing.assert_close(targets, torch.tensor([[1.0, 0.0], [0.1, 0.9]]))
