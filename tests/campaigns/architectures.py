"""Plant a bright spot in front of every family of networks: what is found must lie where it was.

python -m tests.campaigns.architectures [NAME ...]

A network of random weights has no class whose map could be judged. But every map is a weighted sum
of the target layer's channels as a grid of places; so that grid is judged: where the activations
change more by one spot than by another, for what lies in the middle changes by either. The spots
lie neither on a diagonal nor opposite each other, which tells a transposed or mirrored grid, and
pooled channels that were taken for places.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxr_gradcam.models.any_classifier import CAM
from tests.campaigns.families import FAMILIES

SPOTS = ((0.2, 0.66), (0.7, 0.3))
"""Their centres: shares of the height and of the width."""
_RADIUS = 0.07  # of the side
_MOST = 0.8  # of the way from the least change to the greatest
# Shares of the side: a place of 7 is 0.14 wide, mirrored spots lie 0.32 away, the middle 0.28
_NEAR = 0.2
_ALIKE = 0.5  # correlation of the changes before two backgrounds


@dataclass(frozen=True)
class Outcome:
    """What came of an architecture.

    Attributes:
        name: of the architecture.
        layer: the target layer that was guessed.
        grid: its places, as height × width.
        found: of each spot, whether the places that changed most lie at it.
        keeps_places: whether what changes is the same before another background. If not, the
            random weights have spread the spot over the whole picture, and tell nothing.
        refusal: why there can be no map; "" where there can.
    """

    name: str
    layer: str = ""
    grid: str = ""
    found: tuple[bool, ...] = ()
    keeps_places: bool = True
    refusal: str = ""

    @property
    def verdict(self) -> str:
        """Return "found", "refused", "spread" or "WRONG"."""
        if self.refusal:
            return "refused"
        if not self.keeps_places:
            return "spread"
        return "found" if all(self.found) else "WRONG"


def build(name: str) -> nn.Module:
    """Return a network of random weights: of timm by "timm:NAME", else of torchvision."""
    torch.manual_seed(0)
    library, _, model = name.rpartition(":")
    if library == "timm":
        import timm

        network: nn.Module = timm.create_model(model)
    else:
        from torchvision.models import get_model

        network = get_model(model, weights=None)
    return network.eval()


def examine(name: str, network: nn.Module) -> Outcome:
    """Plant the spots in front of a network."""
    try:
        cam = CAM(network)
        one, other = (_change(cam, SPOTS[0], n) - _change(cam, SPOTS[1], n) for n in range(2))
    except ValueError as error:
        return Outcome(name, refusal=str(error))
    height, width = one.shape
    alike = float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])
    found = _is_at(one + other, SPOTS[0]), _is_at(-one - other, SPOTS[1])
    return Outcome(name, *cam.target_layers, f"{height} by {width}", found, alike > _ALIKE)


def _change(cam: CAM, spot: tuple[float, float], background: int) -> Tensor:
    """Return how much each place's activations change when a spot appears, (h, w) in [0, 1]."""
    [layer] = cam.target_layers
    with torch.no_grad():
        without, with_it = (
            cam.record(_picture(cam, each, background)).activations(layer)[0].float()
            for each in (None, spot)
        )
    change = (with_it - without).norm(dim=0)
    return (change - change.min()) / (change.max() - change.min())


def _picture(cam: CAM, spot: tuple[float, float] | None, background: int) -> Tensor:
    size, channels = cam.preprocessing.size, len(cam.preprocessing.mean)
    generator = torch.Generator().manual_seed(background)
    picture = 0.3 * torch.randn(1, channels, size, size, generator=generator)
    if spot is not None:
        across = (torch.arange(size) + 0.5) / size
        down, right = (across - spot[0])[:, None], (across - spot[1])[None]
        picture += 3.0 * ((down**2 + right**2).sqrt() < _RADIUS)
    return picture


def _is_at(change: Tensor, spot: tuple[float, float]) -> bool:
    """Return whether the middle of the places that changed most is the spot's, but for a bit."""
    places = (
        (change > change.min() + _MOST * (change.max() - change.min())).nonzero() + 0.5
    ) / torch.tensor(change.shape)
    return bool((places.mean(dim=0) - torch.tensor(spot)).norm() <= _NEAR)


def outcomes(names: Sequence[str]) -> Iterator[Outcome]:
    """Yield what comes of each architecture."""
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield examine(name, build(name))


def main() -> int:
    """Print a table; the status is 1 if a spot was looked for in vain."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", default=FAMILIES, metavar="NAME")
    wrong = 0
    print("| architecture | target layer | places | spots |\n|---|---|---|---|")
    for each in outcomes(options.parse_args().names):
        where = f"`{each.layer}` | {each.grid}" if each.layer else f"{each.refusal} |"
        print(f"| {each.name} | {where} | {each.verdict} |", flush=True)
        wrong += each.verdict == "WRONG"
    print(f"{wrong} wrong", file=sys.stderr)
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
