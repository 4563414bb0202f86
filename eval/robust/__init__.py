"""The cases of ``eval.robustness``: faults, the expected outcomes and the observed ones."""
