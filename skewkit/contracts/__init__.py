"""What a feature table must be, agreed on by people."""
