"""Digit images: the official SVHN files, rendered street-view-like digits, and the splits made of them."""
