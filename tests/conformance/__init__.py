"""The MCP conformance suite, run against this server over real sockets."""
