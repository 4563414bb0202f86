"""The page on an evaluation: plots, pictures of the frames, tables."""
