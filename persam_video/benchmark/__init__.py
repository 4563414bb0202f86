"""Running a whole benchmark; `persam_video.davis` measures what it leaves."""
