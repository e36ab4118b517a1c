"""MCP ⇄ one tools/call: which tools there are, and what happens from arguments to answer."""
