"""The ledger on PostgreSQL, which replicas on many machines share."""

from cio_mcp.ledger.postgres.shared import PostgresLedger

__all__ = ["PostgresLedger"]
