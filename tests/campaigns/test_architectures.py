"""The campaign of architectures itself: networks that it must judge rightly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.campaigns.architectures import build, examine


@pytest.mark.parametrize(
    "name",
    [
        "squeezenet1_1",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("swin_t", "timm:focalnet_tiny_srf", "timm:mobileone_s0")
        ),
    ],
)
def test_spots_are_found(name: str) -> None:
    outcome = examine(name, build(name))
    assert outcome.verdict == "found", outcome


class Turned(nn.Module):
    """A network that turns its grid round, so that no map of it can be right."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 32, 32)
        self.last = nn.Identity()
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        places = self.last(self.convolution(x).transpose(2, 3))
        return self.head(places.mean(dim=(2, 3)))


def test_a_turned_grid_is_noticed() -> None:
    torch.manual_seed(0)
    assert examine("turned", Turned()).verdict == "WRONG"


def test_a_network_without_places_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 2))
    outcome = examine("flat", network)
    assert outcome.verdict == "refused"
    assert "name one" in outcome.refusal
