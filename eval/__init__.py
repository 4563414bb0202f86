"""Measurements and checks behind the numbers of the documentation; run as ``python -m eval.NAME``.

They run from a checkout, in its root, and write what the documentation cites to ``eval/results``.
"""
