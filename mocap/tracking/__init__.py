"""People over time: stable ids."""
