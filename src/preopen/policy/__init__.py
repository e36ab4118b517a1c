"""What a call may have: the operator's ceiling, the decision, and the narrowing of each call."""
