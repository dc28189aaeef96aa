"""Rigs from calibration files of other tools."""
