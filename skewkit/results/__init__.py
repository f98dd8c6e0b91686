"""What the verbs return, how it is drawn, and how it is said in words."""
