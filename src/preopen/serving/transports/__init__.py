"""How messages of the protocol come in and go out: our own stdio."""
