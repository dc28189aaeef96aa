"""Looking at sessions: pure scene geometry, playback, Open3D window and off-screen rendering."""
