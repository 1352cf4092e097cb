"""What each stage does with its files: one module a stage, named like its rule, with one function of that name."""
