"""Exit codes that are not those of an error class."""

EXIT_CAMERA_LOST = 3
"""The session was written, but without what one camera would have seen."""
EXIT_INTERRUPTED = 130
"""Ctrl-C or SIGTERM; the session holds what was done so far."""
