"""Motion in the formats of other tools."""
