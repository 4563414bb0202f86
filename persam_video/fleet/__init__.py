"""Fleets: videos on many machines, which Ray connects and a shared storage supplies."""
