"""Segment Anything behind one small interface: encode an image once, decode many prompts."""
