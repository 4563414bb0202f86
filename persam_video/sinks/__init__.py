"""Where results go, one frame at a time: PNG masks, overlay video, JSON lines."""
