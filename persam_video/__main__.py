"""``python -m persam_video``."""

from persam_video.cli.main import main

main()
