"""People across views: which 2D people of different cameras are the same person."""
