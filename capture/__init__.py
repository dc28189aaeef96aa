"""Frame sources, detectors, per-camera workers and their supervisor."""
