"""The only module that uses private names of Powertools: `_static_routes` and `_dynamic_routes` of a resolver.

Powertools has no public list of a resolver's routes. `tests/unit/test_private_names.py` says what else depends on the
names and on the order in which the resolver looks them up.
"""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route


def routes_by_precedence(app: APIGatewayHttpResolver) -> tuple[list[Route], list[Route]]:
    """The routes without variables in their paths, which the resolver tries first, and those with variables."""
    return app._static_routes, app._dynamic_routes


def routes_of(app: APIGatewayHttpResolver) -> list[Route]:
    """All routes, in the order in which the resolver tries them."""
    fixed, variable = routes_by_precedence(app)
    return [*fixed, *variable]
