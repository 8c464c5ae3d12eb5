import numpy as np
import pytest

from cxr_gradcam.anatomy.zones import Zone, locate
from tests.anatomy.conftest import chest, true_lungs


def spot(shape: tuple[int, int], row: float, column: float) -> np.ndarray:
    """Return a map with one small hill at a place given in shares of the sides."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    distance = ((y / shape[0] - row) ** 2 + (x / shape[1] - column) ** 2) / 0.02**2
    return np.exp(-distance / 2).astype(np.float32)


def place_of(mask: np.ndarray, height: float, width: float) -> tuple[float, float]:
    """Return a place in a mask by shares of its height and of its width at that height."""
    rows = np.flatnonzero(mask.any(axis=1))
    row = round(rows[0] + height * (rows[-1] - rows[0]))
    columns = np.flatnonzero(mask[row])
    column = round(columns[0] + width * (columns[-1] - columns[0]))
    return row / len(mask), column / mask.shape[1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("height", "zone"), [(0.15, Zone.UPPER), (0.5, Zone.MIDDLE), (0.8, Zone.LOWER)]
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_thirds_of_each_lung_are_its_zones(seed, height, zone, side):
    phantom = chest(seed)
    lung = phantom.right_lung if side == "right" else phantom.left_lung
    outward = 0.3 if side == "right" else 0.7
    found = locate(spot(lung.shape, *place_of(lung, height, outward)), true_lungs(phantom))
    assert (found.zone, found.side) == (zone, side)
    assert found.share_in_lungs > 0.7


def test_hila_lie_at_the_inner_edges_half_way_down(phantom):
    for side, lung, inward in (
        ("right", phantom.right_lung, 0.98),
        ("left", phantom.left_lung, 0.02),
    ):
        found = locate(spot(lung.shape, *place_of(lung, 0.5, inward)), true_lungs(phantom))
        assert (found.zone, found.side) == (Zone.HILUM, side)


@pytest.mark.parametrize(
    ("row", "column", "zone"),
    [
        (0.55, 0.5, Zone.MEDIASTINUM),
        (0.95, 0.3, Zone.BELOW),
        (0.95, 0.6, Zone.BELOW),
        (0.03, 0.5, Zone.ABOVE),
        (0.99, 0.01, Zone.OUTSIDE),
    ],
)
def test_what_is_no_lung_has_a_name_without_a_side(phantom, row, column, zone):
    found = locate(spot((160, 160), row, column), true_lungs(phantom))
    assert (found.zone, found.side) == (zone, None)
    assert found.share_in_lungs < 0.2
    assert "image" not in found.words


def test_beside_the_lungs_lies_the_chest_wall(phantom):
    rows, columns = np.nonzero(phantom.left_lung)
    middle = round(rows.mean())
    edge = columns[rows == middle].max()
    found = locate(spot((160, 160), middle / 160, (edge + 5) / 160), true_lungs(phantom))
    assert (found.zone, found.side) == (Zone.WALL, "left")


def test_the_side_is_worded_by_the_picture_unless_the_file_names_it(phantom):
    hill = spot((160, 160), *place_of(phantom.right_lung, 0.15, 0.4))
    unnamed = locate(hill, true_lungs(phantom)).words
    assert unnamed == "lung, upper zone (image left, the patient's right in the usual view)"
    named = locate(hill, true_lungs(phantom, side_is_stated=True)).words
    assert named == "right lung, upper zone"
    turned = true_lungs(phantom, right_side="right", side_is_stated=True)
    assert locate(hill, turned).words == "left lung, upper zone"
    assert np.array_equal(turned.left, true_lungs(phantom).right)


def test_a_map_of_any_shape_is_located(phantom):
    """The radiograph was stretched to the network's square, and the map is on its own pixels."""
    row, column = place_of(phantom.left_lung, 0.8, 0.7)
    lungs = true_lungs(phantom)
    wide = type(lungs)((300, 700), lungs.shares, lungs.body, 0.0)
    found = locate(spot((300, 700), row, column), wide)
    assert (found.zone, found.side) == (Zone.LOWER, "left")
    assert wide.left.shape == (300, 700)
    assert wide.left.mean() == pytest.approx(phantom.left_lung.mean(), abs=0.005)


def test_nothing_is_said_of_an_empty_map_or_without_plausible_lungs(phantom):
    assert locate(np.zeros((160, 160), np.float32), true_lungs(phantom)) is None
    missing = true_lungs(phantom, problem="only one lung was found")
    assert locate(spot((160, 160), 0.5, 0.3), missing) is None


def test_a_map_on_another_grid_is_located_by_its_maximum_or_where_it_is_said(phantom):
    row, column = place_of(phantom.right_lung, 0.15, 0.4)
    coarse = spot((40, 40), row, column)
    lungs = true_lungs(phantom)
    assert locate(coarse, lungs).zone == Zone.UPPER
    assert locate(coarse, lungs, hottest=(column * 160, row * 160)).zone == Zone.UPPER
    assert locate(coarse, lungs, hottest=(80.0, 159.9)).zone == Zone.BELOW
