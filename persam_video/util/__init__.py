"""Utilities for all other packages; nothing here knows about videos or models."""
