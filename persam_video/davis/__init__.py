"""The DAVIS benchmark: dataset layout, J and F, and evaluation like the official code."""
