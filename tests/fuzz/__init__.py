"""Frames that nobody should send, by the ten thousand, and what the server owes for each."""
