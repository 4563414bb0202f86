"""The cases of ``eval.robustness``: what could go wrong, what should happen, what did."""
