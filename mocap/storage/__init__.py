"""Session files and rig files."""
