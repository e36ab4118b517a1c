"""Twenty tasks of a coding agent on a real code base, done with our tools and in a plain shell.

`make usefulness` does them, checks every answer, and counts calls and tokens.
"""
