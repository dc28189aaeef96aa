"""Body models, and fitting them to keypoints."""
