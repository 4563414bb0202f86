"""Training of the embedded model: data, sampling of clips, prompts and losses."""
