"""What a skew looks at when it proposes itself: one feature of some requests, as it should be and as it is."""
