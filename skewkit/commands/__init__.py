"""The commands beside `skewkit run`: thin, one file each."""
