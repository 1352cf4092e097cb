"""Networks and what is computed with them: the ladder of VLAE, VLAC and the GM-DGM, Eq. (9), models on disk."""
