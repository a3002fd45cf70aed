"""The library behind a protocol: tools for coding assistants over MCP."""
