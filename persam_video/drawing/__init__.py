"""Drawing results over frames, for videos, reports and single pictures."""
