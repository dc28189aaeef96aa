"""The lens of one camera from views of a flat board: the parts of `calibration.intrinsics`."""
