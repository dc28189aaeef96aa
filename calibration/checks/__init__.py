"""What can be wrong with a calibration, one concept per module; see `calibration.verdict`."""
