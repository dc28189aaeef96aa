"""`mocap doctor`."""
from dataclasses import dataclass
@dataclass(frozen=True)
class Doctor:
    """Check."""
    def execute(self) -> int:
        return 0
