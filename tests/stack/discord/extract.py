#!/usr/bin/env python3
"""Cuts the operations that post and edit messages, with the schemas they reach, out of Discord's OpenAPI document.

Usage: extract.py openapi-of-discord.json > openapi.json
"""

import json
import sys

OPERATIONS = [
    ("/webhooks/{webhook_id}/{webhook_token}", "post"),
    ("/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", "patch"),
    ("/channels/{channel_id}/messages", "post"),
    ("/channels/{channel_id}/messages/{message_id}", "patch"),
]
JSON = "application/json"


def references(node):
    """Yields every $ref below the node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def operation(document, path, method):
    """The operation without its answers and without the other ways to encode the same body."""
    whole = document["paths"][path][method]
    cut = {key: whole[key] for key in ("operationId", "parameters", "requestBody") if key in whole}
    cut["requestBody"] = {**whole["requestBody"], "content": {JSON: whole["requestBody"]["content"][JSON]}}
    return cut


def reached(document, root):
    """The component schemas that the root refers to, directly or not, by name."""
    prefix = "#/components/schemas/"
    found, waiting = {}, list(references(root))
    while waiting:
        name = waiting.pop().removeprefix(prefix)
        if name not in found:
            found[name] = document["components"]["schemas"][name]
            waiting.extend(references(found[name]))
    return dict(sorted(found.items()))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    paths = {}
    for path, method in OPERATIONS:
        parameters = document["paths"][path].get("parameters", [])
        paths[path] = {"parameters": parameters, method: operation(document, path, method)}
    cut = {key: document[key] for key in ("openapi", "info", "servers")}
    cut |= {"paths": paths, "components": {"schemas": reached(document, paths)}}
    json.dump(cut, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
