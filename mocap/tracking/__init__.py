"""People over time: prediction, update, and who comes back."""
