"""Training on a machine without internet and engines: pack what it needs, work there, bring the results home."""
