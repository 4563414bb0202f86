"""Track objects through a video from one annotated frame, with PerSAM and a temporal prior."""
