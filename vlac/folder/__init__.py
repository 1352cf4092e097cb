"""Anybody's images: a folder in, clusters and a page to look at out (`vlac cluster`, `vlac assign`)."""
