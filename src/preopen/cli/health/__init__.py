"""**Is this machine fit?** Facts are read at the edges; what they mean is pure."""
