"""The PerSAM method: target embedding, location confidence, prompts, cascade, mask weights."""
