"""Pictures for people: overlays, plots, pages."""
