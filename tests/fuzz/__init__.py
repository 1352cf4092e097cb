"""Thousands of wrong inputs: each must give a result, or one sentence that says what is wrong.

`python -m tests.fuzz` runs them, and tests/test_fuzz.py a few of each kind.
"""
