"""Calibration of camera rigs: with a board, from people, and how far to trust the result."""
