"""The network under policy: which requests a guest may make, and the one door through which."""
