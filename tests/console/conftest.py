"""A Customer.io that can be told to fault, and a database."""

from tests.cli.conftest import sandbox, sandbox_variables
from tests.postgres_cluster import postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url", "sandbox", "sandbox_variables"]
