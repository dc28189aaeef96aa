"""Bodies for the studio's tests; the body model is built once and cached."""

import os

import pytest

from mocap.errors import DependencyError
from mocap.offscreen import offscreen_visualizer
from mocap.studio.bodies import Body, PersonConfig


@pytest.fixture(scope="session")
def man() -> Body:
    return Body(PersonConfig())


@pytest.fixture(scope="session")
def woman() -> Body:
    return Body(PersonConfig(height_m=1.62, sex=0.0, age=45.0, build=0.3, outfit="office", seed=4))


@pytest.fixture(scope="session")
def graphics() -> None:
    """Skips a test where no off-screen drawing is possible, but never in continuous integration."""
    try:
        offscreen_visualizer(64, 64).destroy_window()
    except DependencyError as error:
        if os.environ.get("CI"):
            pytest.fail(f"continuous integration must draw: {error}")
        pytest.skip(str(error))
