"""The models of the paper: the ladder that is VLAE and VLAC, and the GM-DGM built from the same sub-networks."""
