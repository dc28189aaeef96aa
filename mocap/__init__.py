"""Multi-view markerless 3D motion capture for ordinary cameras: the core.

Importing this package opens no camera, window or socket and loads no heavy library.
"""

__version__ = "0.1.0"
