"""What each stage does with its files: the glue between the stages' definitions and the functions that do the work."""
