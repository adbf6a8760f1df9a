"""What hosts draw of answers, shown by the reference host of MCP Apps in a real browser."""
