"""What each stage does with its files: from the paths of a job to the functions that do the work, and back."""
