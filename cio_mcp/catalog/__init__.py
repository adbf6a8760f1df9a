"""The API, declared: one file per area, one class per operation."""

from cio_mcp.catalog.broadcasts import broadcasts
from cio_mcp.catalog.collections import collections
from cio_mcp.catalog.customers import customers
from cio_mcp.catalog.endpoint import Access, Area, Bucket, Catalog, Effect, Endpoint, Gate, Key, Repeat
from cio_mcp.catalog.entities import entities
from cio_mcp.catalog.messaging import messaging
from cio_mcp.catalog.params import In, Params
from cio_mcp.catalog.people import people
from cio_mcp.catalog.segments import segments
from cio_mcp.catalog.webhooks import webhooks

__all__ = [
    "CATALOG",
    "Access",
    "Area",
    "Bucket",
    "Catalog",
    "Effect",
    "Endpoint",
    "Gate",
    "In",
    "Key",
    "Params",
    "Repeat",
]

CATALOG = Catalog(people, entities, messaging, customers, segments, broadcasts, collections, webhooks)
