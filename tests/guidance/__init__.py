"""Tests of what a client can read and start beside the tools."""
