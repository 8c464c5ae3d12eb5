"""Sources, one look at them by the bundled weights, and an archive; each made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from cxr_gradcam import Explanation, Radiograph, ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.archive.identity import Algorithm
from cxr_gradcam.archive.results import make_results
from tests.archive.servers import Orthanc, running_orthanc
from tests.archive.sources import file_of, source


@pytest.fixture(scope="session")
def algorithm() -> Algorithm:
    return Algorithm.of_weights()


@pytest.fixture(scope="session")
def film() -> bytes:
    """The file of a digital radiograph."""
    return file_of(source())


@pytest.fixture(scope="session")
def radiograph(film: bytes) -> Radiograph:
    return read_radiograph(film)


@pytest.fixture(scope="session")
def explanation(bundled: ResNet50FineTuned, radiograph: Radiograph) -> Explanation:
    return explain(bundled, radiograph, "Pneumonia")


@pytest.fixture(scope="session")
def results(
    film: bytes, radiograph: Radiograph, explanation: Explanation, algorithm: Algorithm
) -> dict[str, Dataset]:
    """The objects of the film; no test changes them."""
    return make_results(film, radiograph, explanation, algorithm)


@pytest.fixture(scope="session")
def _orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture
def orthanc(_orthanc: Orthanc) -> Orthanc:
    """An empty archive."""
    _orthanc.clear()
    return _orthanc
