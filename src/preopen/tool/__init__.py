"""What a tool asks for, and how its call is put and read back. Pure."""
