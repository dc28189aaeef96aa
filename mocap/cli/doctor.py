"""`mocap doctor`: whether this machine is ready, and what to do if it is not."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from rich.table import Table

from mocap.cli.progress import console, progress_bar
from mocap.cli.system_libraries import install_command, missing_libraries

_LOW_DISK_GIB = 5.0
_RENDER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked.
        verdict: "ok", "warn" or "fail".
        found: what there is.
        remedy: what to do; empty when nothing.
    """

    what: str
    verdict: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Doctor:
    """Check whether this machine is ready: versions, system libraries, models, rendering, GPU,
    cameras. Says what to do about everything that is not.

    Exit codes: 0 ready (warnings may remain), 1 something is missing.
    """

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        findings: list[Finding] = []
        with progress_bar("checks", len(CHECKS)) as progress:
            for done, check in enumerate(CHECKS):
                findings += check()
                progress(done + 1, len(CHECKS))
        table = Table(show_lines=False)
        for heading in ("check", "", "found", "what to do"):
            table.add_column(heading, overflow="fold")
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for finding in findings:
            colour = colours[finding.verdict]
            table.add_row(
                finding.what,
                f"[{colour}]{finding.verdict}[/{colour}]",
                finding.found,
                finding.remedy,
            )
        console.print(table)
        failed = [f.what for f in findings if f.verdict == "fail"]
        if failed:
            console.print(f"[red]Not ready:[/red] {', '.join(failed)}.")
            return 1
        console.print("[green]Ready.[/green]")
        return 0


def check_python() -> list[Finding]:
    """Python's version."""
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return [
        Finding(
            "Python",
            "ok" if good else "fail",
            platform.python_version(),
            "" if good else "use Python 3.11 or 3.12",
        )
    ]


def check_packages() -> list[Finding]:
    """The installed packages against what this one requires."""
    wrong: list[Finding] = []
    fine = 0
    for text in metadata.requires("mocap") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(
                Finding(requirement.name, "fail", "missing", f"pip install '{_plain(requirement)}'")
            )
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fine += 1
        else:
            wrong.append(
                Finding(requirement.name, "fail", version, f"pip install '{_plain(requirement)}'")
            )
    wrong.append(Finding("packages", "ok" if not wrong else "warn", f"{fine} as required"))
    if _installed("opencv-python"):
        wrong.append(
            Finding(
                "OpenCV",
                "fail",
                "opencv-python beside opencv-contrib-python: both write the same folder",
                "pip uninstall opencv-python opencv-contrib-python; "
                "pip install opencv-contrib-python",
            )
        )
    if not _installed("smplx"):
        wrong.append(
            Finding(
                "smplx",
                "warn",
                "not installed",
                "only for SMPL bodies (non-commercial licence): pip install smplx==0.1.28",
            )
        )
    return wrong


def _plain(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_system_libraries() -> list[Finding]:
    """Shared libraries that wheels do not bring."""
    missing = missing_libraries()
    if not missing:
        return [Finding("system libraries", "ok", "all found")]
    names = ", ".join(library.soname for library in missing)
    return [Finding("system libraries", "fail", f"missing {names}", install_command(missing))]


def check_models() -> list[Finding]:
    """The models of the embedded detector."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        return [
            Finding("detector models", "fail", "no mediapipe", "pip install mediapipe==0.10.14")
        ]
    folder = Path(spec.origin).parent / "modules"
    needed = (
        "pose_detection/pose_detection.tflite",
        "pose_landmark/pose_landmark_full.tflite",
        "holistic_landmark/hand_recrop.tflite",
        "hand_landmark/hand_landmark_full.tflite",
        "face_detection/face_detection_short_range.tflite",
        "face_landmark/face_landmark.tflite",
    )
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        return [
            Finding(
                "detector models",
                "fail",
                f"mediapipe lacks {', '.join(missing)}",
                "pip install --force-reinstall mediapipe==0.10.14",
            )
        ]
    return [Finding("detector models", "ok", "MediaPipe, in its package")]


def check_kernel_cache() -> list[Finding]:
    """Whether compiled kernels can be kept."""
    from mocap.compiled import cache_folder

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or cache_folder())
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if os.access(there, os.W_OK):
        return [Finding("kernel cache", "ok", "compiled once, then kept")]
    return [
        Finding(
            "kernel cache",
            "warn",
            f"{there} is write-protected: every run compiles for a minute",
            "set NUMBA_CACHE_DIR to a folder of your own",
        )
    ]


def check_transport() -> list[Finding]:
    """Whether processes can talk to each other."""
    import zmq

    with tempfile.TemporaryDirectory(prefix="mocap-") as folder, zmq.Context() as context:
        receiver, sender = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        try:
            address = f"ipc://{folder}/0" if sys.platform != "win32" else "tcp://127.0.0.1:*"
            receiver.bind(address)
            sender.connect(receiver.getsockopt_string(zmq.LAST_ENDPOINT))
            sender.send(b"ping")
            heard = receiver.poll(2000) and receiver.recv() == b"ping"
        except zmq.ZMQError as error:
            return [Finding("transport", "fail", str(error), "set TMPDIR to a folder of your own")]
        finally:
            receiver.close(0)
            sender.close(0)
    if not heard:
        return [Finding("transport", "fail", "no answer", "allow local sockets for this user")]
    return [Finding("transport", "ok", f"ZeroMQ {zmq.zmq_version()}")]


def check_rendering() -> list[Finding]:
    """Whether pictures can be made without a display."""
    code = (
        "import open3d as o3d; v = o3d.visualization.Visualizer(); "
        "assert v.create_window(visible=False, width=64, height=64), 'no context'; "
        "v.destroy_window()"
    )
    try:
        result = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            timeout=_RENDER_TIMEOUT_S,
            check=False,
        )
        problem = (
            "" if result.returncode == 0 else (result.stderr.strip().splitlines() or ["?"])[-1]
        )
    except subprocess.TimeoutExpired:
        problem = f"no answer within {_RENDER_TIMEOUT_S:g} s"
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    window = f"display {display}" if display else "no display: no window, but pictures and videos"
    if problem:
        remedy = "apt-get install libegl-mesa0 libgl1-mesa-dri, or install a graphics driver"
        return [Finding("rendering", "fail", problem, remedy)]
    return [Finding("rendering", "ok", f"Open3D {metadata_version('open3d')}; {window}")]


def metadata_version(package: str) -> str:
    """Version of a package or of its build for CPUs."""
    for name in (package, f"{package}-cpu"):
        if _installed(name):
            return metadata.version(name)
    return "?"


def check_gpu() -> list[Finding]:
    """Whether PyTorch can use a GPU."""
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return [Finding("GPU", "ok", names)]
    if shutil.which("nvidia-smi") is not None:
        return [
            Finding(
                "GPU",
                "warn",
                "there is a driver, but PyTorch sees no GPU",
                "pip install --force-reinstall torch==2.13.0, in a build with CUDA",
            )
        ]
    return [Finding("GPU", "ok", "none; the embedded detector runs on the CPU")]


def check_cameras() -> list[Finding]:
    """Which cameras the system lists."""
    folder = Path("/sys/class/video4linux")
    if not sys.platform.startswith("linux"):
        return [Finding("cameras", "ok", "not listed on this system; videos need none")]
    names = [
        f"{device.name} ({(device / 'name').read_text().strip()})"
        for device in sorted(folder.glob("video*"))
        if (device / "name").is_file()
    ]
    return [Finding("cameras", "ok", ", ".join(names) or "none; videos need none")]


def check_disk() -> list[Finding]:
    """Room for sessions where the user is."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    low = free < _LOW_DISK_GIB
    return [
        Finding(
            "disk",
            "warn" if low else "ok",
            f"{free:.1f} GiB free in the working folder",
            "an hour of one person from four cameras at 60 Hz takes about 4 GiB" if low else "",
        )
    ]


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_python,
    check_packages,
    check_system_libraries,
    check_models,
    check_kernel_cache,
    check_transport,
    check_rendering,
    check_gpu,
    check_cameras,
    check_disk,
)
"""All checks, in the order in which they are shown."""
