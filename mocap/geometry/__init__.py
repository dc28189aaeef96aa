"""Pure functions on arrays: rotations, projection, triangulation, smoothing."""
