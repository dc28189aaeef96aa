"""The one sequence of steps that live and offline processing both run."""
