"""The hyper-parameter search of search.yaml: a small pipeline beside that of the table, under the same rules."""
