"""What every other package may use; nothing here knows about videos or models."""
