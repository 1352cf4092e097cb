"""Typed parameters: the schema of params.yaml and the loader that explains what is wrong with a file."""
