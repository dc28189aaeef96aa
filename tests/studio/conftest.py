"""Bodies for the studio's tests; the body model is built once and cached."""

import pytest

from mocap.studio.bodies import Body, PersonConfig


@pytest.fixture(scope="session")
def man() -> Body:
    return Body(PersonConfig())


@pytest.fixture(scope="session")
def woman() -> Body:
    return Body(PersonConfig(height_m=1.62, sex=0.0, age=45.0, build=0.3, outfit="office", seed=4))
