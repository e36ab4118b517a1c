"""What a person approved and said, and can check afterwards."""
