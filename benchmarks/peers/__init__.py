"""The servers that ours is measured beside, each a small program of its own."""
