"""A candidate beside the current model: promote, hold or roll back."""
