"""The comparisons of ``eval.benchmark``: two ways to do the same work, timed in turns."""
