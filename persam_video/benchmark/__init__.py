"""Running whole benchmarks; `persam_video.davis` scores the results."""
