"""What a service was served: logged by itself, read again, with its labels and beside its replay."""
