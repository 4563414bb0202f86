"""The cases of ``eval/robustness.py``: what could go wrong, what should happen, what did."""
