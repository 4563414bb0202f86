"""Reports on evaluations: curves, pictures of frames, and tables."""
