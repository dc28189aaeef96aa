"""Biomechanics of a body motion: joint angles, lengths, centre of mass, gait, speeds."""
