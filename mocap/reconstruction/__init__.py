"""Matched 2D people to 3D keypoints with covariance."""
