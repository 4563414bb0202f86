"""The DAVIS benchmark: dataset layout, J and F, evaluation in the official form."""
