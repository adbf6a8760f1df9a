"""An OpenAPI document of the catalogue, so that a generated server serves the same endpoints in the same words.

    python benchmarks/peers/openapi.py > document.json

Answers are left out: the catalogue does not describe them, and a generated tool is the smaller for it.
"""

import argparse
import json
from typing import Any

from cio_mcp import __version__
from cio_mcp.catalog import CATALOG, Catalog, In
from cio_mcp.catalog.endpoint import Endpoint

Schema = dict[str, Any]


def document(catalog: Catalog) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all endpoints; an operation's id is the tool's name."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in catalog.values():
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Customer.io", "version": __version__},
        "servers": [{"url": "http://127.0.0.1"}],
        "paths": paths,
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    schema = endpoint.input_schema()
    required = set(schema.get("required", ()))
    parameters: list[dict[str, Any]] = []
    body: Schema = {"type": "object", "properties": {}}
    for field, info in endpoint.params.model_fields.items():
        name = info.alias or field
        match endpoint.locations[field]:
            case "path" | In.QUERY as where:
                place = where if isinstance(where, str) else where.value
                parameters.append(_parameter(name, place, schema["properties"][name], required=name in required))
            case In.BODY:
                body["properties"][name] = schema["properties"][name]
            case In.SPREAD:
                body["additionalProperties"] = True
    if needed := sorted(required & set(body["properties"])):
        body["required"] = needed
    operation = {
        "operationId": endpoint.name,
        "summary": endpoint.title,
        "description": " ".join(endpoint.description.split()),
        "parameters": parameters,
        "responses": {"200": {"description": "Done"}},
    }
    return operation | (_request_body(endpoint, body) if _has_body(body) else {})


def _parameter(name: str, where: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    bare = {key: value for key, value in schema.items() if key != "description"}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": where, "required": required, "schema": bare} | described


def _has_body(body: Schema) -> bool:
    return bool(body["properties"]) or "additionalProperties" in body


def _request_body(endpoint: Endpoint, body: Schema) -> dict[str, Any]:
    if endpoint.wrap:
        body = {"type": "object", "properties": {endpoint.wrap: body}, "required": [endpoint.wrap]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


def main() -> None:
    """Print the document of the catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    print(json.dumps(document(CATALOG), indent=1))


if __name__ == "__main__":
    main()
