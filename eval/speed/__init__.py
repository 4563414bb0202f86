"""The comparisons of ``eval/benchmark.py``: two ways to do the same work, timed in turns."""
