"""The programs that start this server for their users: where each keeps its configuration, and what belongs in it.

All of it is pure; `cio-mcp install` reads and writes the files.
"""
