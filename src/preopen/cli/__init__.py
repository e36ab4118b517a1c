"""The shell: one file per verb, and the one room that reads the environment and prints."""
