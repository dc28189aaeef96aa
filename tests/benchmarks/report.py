"""Metrics as JSON: what every benchmark program prints."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One measured figure.

    Attributes:
        key: stable name.
        value: the figure.
        unit: its unit.
        better: which direction is better.
        note: what it was measured on, or what it is compared with.
    """

    key: str
    value: float
    unit: str
    better: Literal["lower", "higher", "neither"]
    note: str = ""


def print_report(benchmark: str, metrics: list[Metric]) -> None:
    """Prints all figures of one run."""
    report = {
        "benchmark": benchmark,
        "machine": platform.platform(),
        "python": platform.python_version(),
        "metrics": [asdict(metric) for metric in metrics],
    }
    print(json.dumps(report, indent=2))
