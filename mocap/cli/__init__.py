"""The command line: the only place that ties the packages together."""
