"""Synthetic scenes with ground truth: bodies, motions, rigs and rendering."""
