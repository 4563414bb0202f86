"""A machine learning backend for Label Studio: clicks into masks, boxes into tracks."""
