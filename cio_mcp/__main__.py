"""`python -m cio_mcp` is `cio-mcp`."""

import sys

from cio_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
