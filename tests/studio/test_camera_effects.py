import numpy as np
import pytest

from mocap.studio.camera_effects import Sensor, linear_from_srgb, srgb_from_linear

SIZE = (160, 120)


def grey(level: float) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, np.float32)


def test_srgb_there_and_back() -> None:
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(linear_from_srgb(srgb_from_linear(values)), values, atol=1e-6)
    # 18 % grey is 46 % of the display's range (IEC 61966-2-1).
    assert srgb_from_linear(np.array(0.18)) == pytest.approx(0.4613, abs=1e-4)


def test_ideal_sensor_gives_the_light_and_nothing_else() -> None:
    sensor = Sensor(SIZE, 0.0, 0.0, 0, 0)
    for level in (0.0, 0.02, 0.18, 0.7, 1.0, 3.0):
        wanted = 255 * float(srgb_from_linear(np.array(min(level, 1.0))))
        assert np.abs(sensor.expose(grey(level), 0).astype(float) - wanted).max() <= 1.0


def test_noise_has_the_strength_of_the_model_and_no_bias() -> None:
    quiet, noisy = Sensor(SIZE, 0.0, 0.0, 0, 0), Sensor(SIZE, 1.0, 0.0, 0, 0)
    clean = quiet.expose(grey(0.2), 0).astype(float)
    errors = np.array([noisy.expose(grey(0.2), f) - clean for f in range(20)])
    assert abs(errors.mean()) < 0.5
    slope = 255 * (srgb_from_linear(np.array(0.201)) - srgb_from_linear(np.array(0.199))) / 0.002
    sigma = slope * np.sqrt(0.003**2 + 0.012**2 * 0.2)
    within = (errors - errors.mean(axis=(1, 2, 3), keepdims=True)).std()
    assert within == pytest.approx(sigma, rel=0.05)


def test_noise_changes_from_frame_to_frame_and_repeats_with_the_seed() -> None:
    first, again = Sensor(SIZE, 1.0, 0.1, 4, 2), Sensor(SIZE, 1.0, 0.1, 4, 2)
    np.testing.assert_array_equal(first.expose(grey(0.3), 7), again.expose(grey(0.3), 7))
    a, b = (first.expose(grey(0.3), f).astype(float) for f in (7, 8))
    other = Sensor(SIZE, 1.0, 0.1, 5, 2).expose(grey(0.3), 7)
    assert (a != b).mean() > 0.5
    assert (a != other).mean() > 0.5
    assert abs(np.corrcoef(a[..., 0].ravel(), b[..., 0].ravel())[0, 1]) < 0.9


def test_cameras_differ_in_brightness_and_have_dark_corners() -> None:
    pictures = [Sensor(SIZE, 0.0, 0.1, 0, k).expose(grey(0.3), 0).astype(float) for k in range(6)]
    assert np.std([p.mean() for p in pictures]) > 2
    for picture in pictures:
        middle = picture[60, 80].mean()
        assert picture[0, 0].mean() < middle - 5


def test_light_is_not_changed() -> None:
    light = grey(0.3)
    Sensor(SIZE, 1.0, 0.1, 0, 0).expose(light, 0)
    assert (light == np.float32(0.3)).all()
