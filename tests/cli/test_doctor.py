"""`mocap doctor` sees what is wrong and says what to do."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mocap.cli import doctor, system_libraries
from mocap.cli.system_libraries import SystemLibrary


def verdicts(findings: list[doctor.Finding]) -> dict[str, str]:
    return {finding.what: finding.verdict for finding in findings}


def test_this_machine_has_the_required_packages() -> None:
    assert "fail" not in verdicts(doctor.check_packages()).values()


def test_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "pyzmq":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    finding = next(f for f in doctor.check_packages() if f.what == "pyzmq")
    assert finding.verdict == "fail"
    assert "pip install" in finding.remedy
    assert "pyzmq" in finding.remedy


def test_wrong_version_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(
        doctor.metadata, "version", lambda name: "0.10.21" if name == "mediapipe" else real(name)
    )
    finding = next(f for f in doctor.check_packages() if f.what == "mediapipe")
    assert (finding.verdict, finding.found) == ("fail", "0.10.21")


def test_two_builds_of_opencv_are_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda _: True)
    assert verdicts(doctor.check_packages())["OpenCV"] == "fail"


def test_detector_models_are_in_the_package() -> None:
    assert verdicts(doctor.check_models()) == {"detector models": "ok"}


def test_transport_answers() -> None:
    assert verdicts(doctor.check_transport()) == {"transport": "ok"}


def test_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = SystemLibrary("libnotthere.so.7", "libnotthere7", "nothing")
    monkeypatch.setattr(system_libraries, "LIBRARIES", (strange,))
    (finding,) = doctor.check_system_libraries()
    assert finding.verdict == "fail"
    assert "libnotthere.so.7" in finding.found
    assert "libnotthere7" in finding.remedy


def test_script_names_what_to_install_when_not_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = SystemLibrary("libnotthere.so.7", "libnotthere7", "nothing")
    monkeypatch.setattr(system_libraries, "LIBRARIES", (strange,))
    monkeypatch.setattr(system_libraries.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(system_libraries.shutil, "which", lambda _: "/usr/bin/apt-get")
    assert system_libraries.main() == 1
    message = capsys.readouterr().err
    assert "sudo apt-get install" in message
    assert "libnotthere7" in message


def test_script_needs_nothing_but_python() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-S", system_libraries.__file__], capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_a_failure_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, bad = doctor.Finding("a", "ok", ""), doctor.Finding("b", "fail", "", "do this")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [fine],))
    assert doctor.Doctor().execute() == 0
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [fine], lambda: [bad]))
    assert doctor.Doctor().execute() == 1


def test_a_write_protected_folder_for_compiled_kernels_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "not" / "made" / "yet"))
    assert [finding.verdict for finding in doctor.check_kernel_cache()] == ["ok"]
    monkeypatch.setattr(doctor.os, "access", lambda _path, _mode: False)
    (finding,) = doctor.check_kernel_cache()
    assert finding.verdict == "warn" and str(tmp_path) in finding.found
