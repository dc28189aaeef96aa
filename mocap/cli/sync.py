"""`mocap sync`: how late each camera of a rig is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.table import Table
from rich.text import Text

from capture.detectors import DEFAULT_DETECTOR
from capture.rig_videos import find_videos, list_videos
from mocap.cli.options import option
from mocap.cli.progress import console, progress_bar, say, say_error
from mocap.errors import CalibrationError, InputError, RigError
from mocap.files import check_output
from mocap.model import Rig
from mocap.storage.rig_file import load_rig, save_rig

if TYPE_CHECKING:
    from calibration.timing import CameraTracks, PairLag, RigOffsets

Method = Literal["auto", "motion", "audio", "flash"]
DEFAULT_RATE_HZ = 30.0
MOST_RIVALS_SHOWN = 4


@dataclass(frozen=True)
class Sync:
    """Find how late each camera is, from movement, sound or a flash of light.

    The videos need not begin together. Each camera gets an offset relative to the first, with its
    standard deviation and a confidence; where the evidence is weak (nothing moves, a movement
    that repeats, no sound), there is none, and the reason is said. See docs/synchronisation.md.

    Example: mocap sync --videos FOLDER --rig rig.toml --out synchronised.toml

    Exit codes: 0 every camera has an offset, 2 one has none or an input is not usable.
    """

    videos: Annotated[tuple[Path, ...], option("PATH [PATH ...]")] = ()
    """A folder with one video per camera, or the videos themselves; named after the cameras."""
    method: Method = "auto"
    """auto: sound, then light, then movement, until every camera has an offset."""
    observations: Annotated[Path | None, option("OBS.npz")] = None
    """2D people for the method motion, instead of running a detector; see docs/formats.md."""
    target: Annotated[Path | None, option("TARGET.toml")] = None
    """A calibration board which is moved about, for the method motion instead of people."""
    fps: Annotated[float | None, option("HZ")] = None
    """Frame rate of --observations, which do not state one. Default: 30."""
    rig: Annotated[Path | None, option("RIG")] = None
    """Calibrated cameras: the method motion then uses lenses and poses. Says which cameras."""
    out: Annotated[Path | None, option("RIG.toml")] = None
    """Write a copy of the rig with the offsets."""
    detector: Annotated[str, option("NAME")] = DEFAULT_DETECTOR
    """Finds the people for the method motion. Default: mediapipe-multi."""
    max_lag: Annotated[float | None, option("SECONDS")] = None
    """Largest offset to consider. Default: all that the recordings allow."""
    overwrite: bool = False
    """Replace an existing --out."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        self._check()
        rig = None if self.rig is None else load_rig(self.rig)
        videos = self._videos(rig)
        names = tuple(videos) if rig is None else rig.names
        lags: list[PairLag] = []
        offsets: RigOffsets | None = None
        for method in self._methods():
            if method == "motion":
                names, found = self._from_motion(videos, rig, names)
            else:
                found = self._from_videos(method, videos)
            lags += found
            offsets = _solved(names, lags)
            if offsets.complete:
                break
        assert offsets is not None
        _print(offsets, lags)
        if not offsets.complete:
            missing = [n for n, why in zip(names, offsets.refused, strict=True) if why is not None]
            wrote = "; no rig was written" if self.out is not None else ""
            raise CalibrationError(
                f"no offset for {', '.join(map(repr, missing))}{wrote}; film a flash, a clap or "
                f"an irregular movement which all cameras see, or leave these cameras out"
            )
        if self.out is not None and rig is not None:
            source = self._source()
            save_rig(_with_offsets(rig, offsets, source), self.out, overwrite=self.overwrite)
            say(str(self.out))
        return 0

    def _check(self) -> None:
        if not self.videos and self.observations is None:
            raise InputError("nothing to synchronise; pass --videos or --observations")
        if not self.videos and self.method in ("audio", "flash"):
            raise InputError(f"the method {self.method} needs videos; pass --videos")
        if self.observations is not None and self.method in ("audio", "flash"):
            raise InputError(
                f"--observations is for the method motion, not for {self.method}; leave it out"
            )
        if self.target is not None and (not self.videos or self.observations is not None):
            raise InputError(
                "--target is searched for in videos; pass --videos and no observations"
            )
        if self.target is not None and self.method in ("audio", "flash"):
            raise InputError(f"--target is for the method motion, not for {self.method}")
        if self.fps is not None and self.observations is None:
            raise InputError("--fps is for --observations only; videos state their frame rate")
        for name, value in (("--fps", self.fps), ("--max-lag", self.max_lag)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value:g}; it must be positive")
        if self.out is not None:
            if self.rig is None:
                raise RigError("--out is a copy of a rig with the offsets; name it with --rig")
            check_output(self.out, overwrite=self.overwrite)
            if self.out.exists() and self.rig.exists() and self.out.samefile(self.rig):
                raise RigError(f"--out is the rig itself, {self.rig}; name another file")

    def _methods(self) -> tuple[Method, ...]:
        if self.method != "auto":
            return (self.method,)
        if self.observations is not None or self.target is not None:
            # Who names what moves wants it used.
            return ("motion",)
        return ("audio", "flash", "motion")

    def _videos(self, rig: Rig | None) -> dict[str, Path]:
        """The video of each camera, named by the rig or by the files."""
        if not self.videos:
            return {}
        if rig is not None:
            return find_videos(self.videos, rig.names)
        files = list_videos(self.videos)
        if len({path.stem for path in files}) < len(files):
            raise InputError("two videos have the same name; name each after its camera")
        if len(files) < 2:
            raise InputError(f"{len(files)} video to synchronise; give at least two")
        return {path.stem: path for path in files}

    def _from_motion(
        self, videos: Mapping[str, Path], rig: Rig | None, names: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[PairLag]]:
        from calibration.timing import motion_lags
        from mocap.cli.sync_sources import (
            tracks_from_board,
            tracks_from_observations,
            tracks_from_videos,
        )

        tracks: list[CameraTracks]
        if self.observations is not None:
            rate_hz = DEFAULT_RATE_HZ if self.fps is None else self.fps
            tracks = tracks_from_observations(self.observations, names, rate_hz)
        elif self.target is not None:
            tracks = tracks_from_board(self.target, videos)
        else:
            with progress_bar("people", None) as progress:
                tracks, lost = tracks_from_videos(videos, self.detector, progress)
            for sentence in lost:
                say_error(sentence, "warning", "yellow")
        cameras = None if rig is None else {camera.name: camera for camera in rig}
        with progress_bar("movement", len(tracks) * (len(tracks) - 1) // 2) as progress:
            lags = motion_lags(tracks, cameras=cameras, max_lag_s=self.max_lag, progress=progress)
        return tuple(t.name for t in tracks), lags

    def _from_videos(self, method: Method, videos: Mapping[str, Path]) -> list[PairLag]:
        from calibration.timing import AudioSettings, audio_lag, flash_lag
        from mocap.cli.sync_sources import brightness_from_videos, sounds_from_videos

        if method == "audio":
            with progress_bar("sound", len(videos)) as progress:
                sounds = sounds_from_videos(videos, progress)
            settings = AudioSettings(max_lag_s=self.max_lag)
            return [audio_lag(a, b, settings) for a, b in combinations(sounds, 2)]
        with progress_bar("light", None) as progress:
            series = brightness_from_videos(videos, progress)
        return [flash_lag(a, b, self.max_lag) for a, b in combinations(series, 2)]

    def _source(self) -> str:
        inputs = [str(p) for p in self.videos]
        inputs += [] if self.observations is None else [str(self.observations)]
        return f"time offsets by mocap sync from {' '.join(inputs)}"


def _solved(names: Sequence[str], lags: Sequence[PairLag]) -> RigOffsets:
    from calibration.timing import solve_offsets

    return solve_offsets(names, lags)


def _with_offsets(rig: Rig, offsets: RigOffsets, source: str) -> Rig:
    """The rig with the offsets; where it was made from is noted."""
    for name, offset_s in zip(offsets.names, offsets.offsets_s, strict=True):
        rig = rig.replaced(replace(rig[name], time_offset_s=float(offset_s)))
    metadata = replace(rig.metadata, provenance=(*rig.metadata.provenance, source))
    return replace(rig, metadata=metadata)


def _print(offsets: RigOffsets, lags: Sequence[PairLag]) -> None:
    """The table of offsets, then what was refused and why."""
    table = Table(box=None, pad_edge=False)
    table.add_column("camera")
    for column in ("offset ms", "+- ms", "confidence", "drift ppm"):
        table.add_column(column, justify="right")
    table.add_column("from")
    for i, name in enumerate(offsets.names):
        reason = offsets.refused[i]
        if reason is not None:
            table.add_row(Text(name), "unknown", "", "", "", Text(reason))
            continue
        drift = offsets.drift_ppm[i]
        table.add_row(
            Text(name),
            f"{1000 * offsets.offsets_s[i]:.2f}",
            f"{1000 * offsets.sigma_s[i]:.2f}",
            f"{100 * offsets.confidence[i]:.0f} %",
            f"{drift:.1f}" if math.isfinite(drift) else "",
            "reference" if i == 0 else offsets.method[i],
        )
    console.print(table)
    say("A positive offset means that the camera is late.")
    _say_all(offsets.notes, "")
    refused = [p for p in lags if not p.accepted]
    if refused:
        say("\nNot used:", "bold")
    for pair in refused:
        text = f"{pair.first} - {pair.second} by {pair.method}: {pair.refused}"
        if len(pair.rivals_s) > 1:
            shown = ", ".join(f"{1000 * lag:.0f}" for lag in pair.rivals_s[:MOST_RIVALS_SHOWN])
            more = ", ..." if len(pair.rivals_s) > MOST_RIVALS_SHOWN else ""
            text += f"; possible are {shown}{more} ms"
        say(text)
    for pair in offsets.used:
        _say_all(pair.notes, f"{pair.first} - {pair.second} by {pair.method}: ")


def _say_all(notes: Sequence[str], lead: str) -> None:
    for note in notes:
        say(lead + note)
