"""May this model go forward, and can we go back."""
