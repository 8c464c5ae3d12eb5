"""What the tests of the model share: a network that answers at once, and images for it."""

import copy
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import cxr_gradcam.web  # noqa: F401 - before Gradio, whose import it shortens
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.helpers.networks import lively
from tests.helpers.patience import PATIENCE

# A busy machine may take its time for any one example, and for any one answer.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
for step in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, step, PATIENCE)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of several processes has a core, and looks for the ports of its pages elsewhere.
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.environ["GRADIO_SERVER_PORT"] = str(7860 + 100 * number)


@pytest.fixture(scope="session")
def xray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with an opacity; it is not square, so that a swapped axis shows."""
    path = tmp_path_factory.mktemp("xrays") / "DOE_JANE.png"
    pixels = draw_phantom(7, size=320, opacity=True).pixels[:260]
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def bundled() -> ResNet50FineTuned:
    """The bundled weights, loaded and compiled once a run; no test changes them."""
    return ResNet50FineTuned.from_checkpoint()


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Four images (4, 3, 64, 96); their maps are (4, 2, 3)."""
    return torch.randn(4, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def random_network(images) -> Callable[[int], ResNet50FineTuned]:
    """Build a network of three classes whose BatchNorm statistics know the images, in eval mode."""

    def build(seed: int) -> ResNet50FineTuned:
        torch.manual_seed(seed)
        return lively(ResNet50FineTuned(3, False, True, weights=None), images, passes=2)

    return build


@pytest.fixture(scope="session")
def shared_model(random_network) -> ResNet50FineTuned:
    """A network that no test changes; with this seed each image has a map for each class."""
    return random_network(5)


@pytest.fixture
def model(shared_model) -> ResNet50FineTuned:
    """A copy of the shared network for a test that changes it."""
    return copy.deepcopy(shared_model)
