"""The keys that `cio-mcp login` keeps: in the system's keyring, or in files that only their owner can read."""
