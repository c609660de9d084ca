"""Pictures: the scene, the rasteriser, the views of it, and videos."""
