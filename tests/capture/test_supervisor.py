from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zmq
from filmed_scene import Scene, film
from sample_videos import cut, damage, write_video
from scripted_detector import NAME as SCRIPTED

from capture.running_worker import CameraJob
from capture.supervisor import Supervisor, WatchLimits
from capture.transport import QUEUE_MESSAGES
from mocap.errors import InputError, WorkerError
from mocap.model import Observation

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def jobs(scene: Scene) -> list[CameraJob]:
    return [CameraJob(name, scene.video(name)) for name in scene.rig.names]


def collect(
    supervisor: Supervisor, seen: dict[str, list[Observation]] | None = None, limit_s: float = 40.0
) -> dict[str, list[Observation]]:
    """All observations, until every camera has ended."""
    seen = {} if seen is None else seen
    deadline = time.monotonic() + limit_s
    while len(supervisor.ended()) < len(supervisor.reports):
        assert time.monotonic() < deadline, "the supervisor hangs"
        cameras = [name for name in supervisor.reports if name not in supervisor.ended()]
        for observation in supervisor.poll(cameras, 0.1):
            seen.setdefault(observation.camera, []).append(observation)
    return seen


def indices(seen: dict[str, list[Observation]]) -> dict[str, list[int]]:
    return {name: [o.frame_index for o in seen[name]] for name in sorted(seen)}


def everything(scene: Scene) -> dict[str, list[int]]:
    return {name: list(range(scene.frames)) for name in scene.rig.names}


def all_gone(pids: list[int], limit_s: float) -> bool:
    """Whether the processes end in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_every_frame_of_every_camera_arrives_once_and_unchanged(scene: Scene) -> None:
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        pids = list(supervisor.pids.values())
        assert len(pids) == 3
        seen = collect(supervisor)
        assert indices(seen) == everything(scene)
        with np.load(scene.folder / "people.npz") as truth:
            for name in scene.rig.names:
                got = np.stack([o.detections.keypoints_px for o in seen[name]])
                np.testing.assert_array_equal(got, truth[name])
        times = [o.time_ns for o in seen["cam0"]]
        np.testing.assert_allclose(times, np.arange(scene.frames) / 30 * 1e9, atol=1)
        for report in supervisor.reports.values():
            assert report.frames == scene.frames
            assert (report.restarts, report.lost, report.errors, report.dropped) == (0, None, [], 0)
            assert min(report.startup_s, report.decode_s, report.detect_s, report.send_s) > 0
    assert all_gone(pids, 1.0)


def test_reading_stops_at_the_end_time(scene: Scene) -> None:
    short = [CameraJob(job.camera, job.video, 150_000_000) for job in jobs(scene)]
    with Supervisor(short, SCRIPTED, "fast") as supervisor:
        assert set(map(tuple, indices(collect(supervisor)).values())) == {(0, 1, 2, 3, 4)}


@POSIX
@pytest.mark.parametrize("what", ["kill", "terminate", "raise"])
def test_a_worker_that_dies_is_started_again_and_no_frame_is_lost(
    scene: Scene, monkeypatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.WARNING)
    scene.script(
        monkeypatch, {"cam1": {"faults": [{"frame": 5, "what": what, "times": 1}], "delay_s": 0.01}}
    )
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        assert indices(collect(supervisor)) == everything(scene)
        report = supervisor.reports["cam1"]
    assert (report.restarts, report.lost, report.frames) == (1, None, scene.frames)
    told = {
        "kill": "killed by signal 9",
        "terminate": "exit code 143",
        "raise": "RuntimeError: told to fail at frame 5",
    }[what]
    assert told in report.errors[0]
    assert len(caplog.messages) == 1
    assert "camera 'cam1': its worker died after 5 frames" in caplog.text
    assert told in caplog.text


def test_a_worker_that_dies_twice_costs_its_camera_only(
    scene: Scene, monkeypatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    scene.script(monkeypatch, {"cam1": {"faults": [{"frame": 5, "what": "raise"}]}})
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        seen = collect(supervisor)
        report = supervisor.reports["cam1"]
    assert indices(seen) == everything(scene) | {"cam1": [0, 1, 2, 3, 4]}
    assert report.lost == "RuntimeError: told to fail at frame 5"
    assert (report.restarts, len(report.errors)) == (1, 2)
    assert "camera 'cam1' was lost after 5 frames: RuntimeError: told to fail" in caplog.text
    assert "going on with cam0, cam2" in caplog.text


def test_the_run_ends_when_fewer_than_two_cameras_are_left(scene: Scene, monkeypatch) -> None:
    fault = {"faults": [{"frame": 3, "what": "raise"}]}
    scene.script(monkeypatch, {"cam0": fault, "cam2": fault})
    with (
        Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor,
        pytest.raises(WorkerError, match=r"was lost after 3 frames: .*3D needs 2 cameras, left is"),
    ):
        collect(supervisor)


def test_a_worker_that_falls_silent_is_ended_and_started_again(scene: Scene, monkeypatch) -> None:
    scene.script(monkeypatch, {"cam2": {"faults": [{"frame": 4, "what": "hang", "times": 1}]}})
    limits = WatchLimits(running_silence_s=1.5)
    with Supervisor(jobs(scene), SCRIPTED, "fast", limits) as supervisor:
        assert indices(collect(supervisor)) == everything(scene)
        assert supervisor.reports["cam2"].errors == ["it was silent for 1.5 s"]


def test_a_worker_that_hangs_while_it_starts(scene: Scene, monkeypatch) -> None:
    scene.script(monkeypatch, {"cam2": {"faults": [{"what": "hang"}]}})
    limits = WatchLimits(startup_silence_s=3.0, max_restarts=0)
    with Supervisor(jobs(scene), SCRIPTED, "fast", limits) as supervisor:
        assert list(indices(collect(supervisor))) == ["cam0", "cam1"]
        assert supervisor.reports["cam2"].lost == "it was silent for 3 s"


def test_a_camera_that_nobody_listens_to_is_not_called_silent(scene: Scene) -> None:
    limits = WatchLimits(running_silence_s=0.5)
    with Supervisor(jobs(scene), SCRIPTED, "fast", limits) as supervisor:
        begun, seen = time.monotonic(), {}
        while time.monotonic() - begun < 2.0:
            if "cam0" not in supervisor.ended():
                for observation in supervisor.poll(["cam0"], 0.1):
                    seen.setdefault("cam0", []).append(observation)
            else:
                time.sleep(0.1)
        assert indices(collect(supervisor, seen)) == everything(scene)
        assert supervisor.reports["cam1"].restarts == 0


def test_a_detector_that_delivers_other_keypoints_than_it_says(scene: Scene, monkeypatch) -> None:
    scene.script(monkeypatch, {"cam1": {"faults": [{"frame": 2, "what": "keypoints"}]}})
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        assert indices(collect(supervisor))["cam1"] == [0, 1]
        assert supervisor.reports["cam1"].lost == (
            "the detector returned 3 keypoints, but its skeleton 'coco17' has 17"
        )


@pytest.mark.parametrize("how", ["damaged", "cut"])
def test_a_bad_video_is_not_tried_twice(scene: Scene, tmp_path: Path, how: str) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", scene.frames, container={"movflags": "faststart"}, noise=True
    )
    (damage if how == "damaged" else lambda a, b: cut(a, b, 0.7))(whole, scene.video("cam1"))
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        seen = indices(collect(supervisor))
        report = supervisor.reports["cam1"]
    assert seen["cam0"] == seen["cam2"] == list(range(scene.frames))
    assert report.restarts == 0
    assert report.lost is not None
    assert (
        "cam1.mp4 is " + ("damaged after frame" if how == "damaged" else "truncated") in report.lost
    )
    assert len(seen.get("cam1", [])) == report.frames < scene.frames


def crowd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int = 5 * QUEUE_MESSAGES
) -> Scene:
    """Two cameras whose messages do not fit into the queues."""
    made = film(tmp_path / "crowd", cameras=2, frames=frames, people=150)
    made.script(monkeypatch)
    return made


def wait_for_first(supervisor: Supervisor) -> dict[str, list[Observation]]:
    deadline = time.monotonic() + 20
    seen: dict[str, list[Observation]] = {}
    while set(seen) != set(supervisor.reports) and time.monotonic() < deadline:
        for observation in supervisor.poll([n for n in supervisor.reports if n not in seen], 0.1):
            seen.setdefault(observation.camera, []).append(observation)
    return seen


def test_a_slow_central_node_loses_no_frame(tmp_path: Path, monkeypatch) -> None:
    scene = crowd(tmp_path, monkeypatch)
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        seen = wait_for_first(supervisor)
        time.sleep(1.5)
        # They have not run ahead to their ends, but wait for room.
        assert len(supervisor.pids) == 2
        assert indices(collect(supervisor, seen)) == everything(scene)
        assert supervisor.reports["cam0"].send_s > 1.0


def test_a_worker_that_is_done_waits_until_all_was_read(tmp_path: Path, monkeypatch) -> None:
    # So many messages that some are still on the worker's side when it has sent the last one.
    scene = crowd(tmp_path, monkeypatch, 2 * QUEUE_MESSAGES - 4)
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        seen = wait_for_first(supervisor)
        time.sleep(3.0)
        assert indices(collect(supervisor, seen)) == everything(scene)
        assert [report.errors for report in supervisor.reports.values()] == [[], []]


def test_workers_that_wait_for_room_end_when_they_are_stopped(tmp_path: Path, monkeypatch) -> None:
    scene = crowd(tmp_path, monkeypatch)
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor:
        pids = list(supervisor.pids.values())
        wait_for_first(supervisor)
        time.sleep(1.0)
        assert len(supervisor.pids) == 2
        begun = time.monotonic()
    assert time.monotonic() - begun < 3.0
    assert all_gone(pids, 0.5)


def test_foreign_messages_are_counted_and_do_no_harm(scene: Scene) -> None:
    with Supervisor(jobs(scene), SCRIPTED, "fast") as supervisor, zmq.Context() as context:
        stranger = context.socket(zmq.PUSH)
        stranger.connect(supervisor._receiver.addresses["cam0"])
        for garbage in (b"garbage", b"{}", b"\x00" * 1000):
            stranger.send(garbage)
        assert indices(collect(supervisor)) == everything(scene)
        deadline = time.monotonic() + 5
        while supervisor.reports["cam0"].dropped < 3 and time.monotonic() < deadline:
            supervisor.poll(["cam0"], 0.1)
        assert supervisor.reports["cam0"].dropped == 3
        assert supervisor.reports["cam1"].dropped == 0
        stranger.close(0)


def test_realtime_cameras_begin_together(scene: Scene, monkeypatch) -> None:
    scene.script(monkeypatch)
    with Supervisor(jobs(scene), SCRIPTED, "realtime") as supervisor:
        arrived: dict[int, list[float]] = {}
        while len(supervisor.ended()) < 3:
            cameras = [name for name in supervisor.reports if name not in supervisor.ended()]
            for observation in supervisor.poll(cameras, 0.05):
                arrived.setdefault(observation.frame_index, []).append(time.monotonic())
    complete = [times for times in arrived.values() if len(times) == 3]
    assert len(complete) >= 6
    assert np.median([max(times) - min(times) for times in complete]) < 0.1
    first, last = arrived[min(arrived)][0], arrived[max(arrived)][-1]
    assert last - first > 0.25


def test_an_unknown_detector_starts_nothing(scene: Scene) -> None:
    with pytest.raises(InputError, match="unknown detector 'openpose'; valid are mediapipe, "):
        Supervisor(jobs(scene), "openpose", "fast")


@POSIX
def test_workers_end_by_themselves_when_the_central_node_is_killed(
    scene: Scene, tmp_path: Path, monkeypatch
) -> None:
    # One of them hangs in its detector, where nothing but the end of its process helps.
    scene.script(monkeypatch, {"cam1": {"faults": [{"frame": 2, "what": "hang"}]}})
    program = f"""
import time
from pathlib import Path
from capture.running_worker import CameraJob
from capture.supervisor import Supervisor

folder, names = Path({str(scene.videos)!r}), {scene.rig.names!r}
jobs = [CameraJob(name, folder / (name + ".mp4")) for name in names]
supervisor = Supervisor(jobs, {SCRIPTED!r}, "fast")
pids = supervisor.pids.values()
while not supervisor.poll(["cam1"], 0.1):
    pass
print(*pids, flush=True)
time.sleep(60)
"""
    central = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert central.stdout is not None
    try:
        pids = [int(word) for word in central.stdout.readline().split()]
        assert len(pids) == 3
        central.kill()
        central.wait()
        assert all_gone(pids, 10.0)
    finally:
        central.kill()
        central.stdout.close()
