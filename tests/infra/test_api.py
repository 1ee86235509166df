"""The HTTP API: routes, cross-origin rules, throttling, access log."""

import json
import re
from pathlib import Path

import pytest

from infra.stages import Stage, StageError
from local.openapi.operations import PARAMETERS
from local.openapi.responses import HEADERS
from tests.support.arns import arn_like, written_out
from tests.support.template import ORIGINS, Synthesized

ROOT = Path(__file__).parents[2]
CDK, VERSIONING = ROOT / "cdk.json", ROOT / "docs/integrate/versioning.md"
ROUTES = {
    "$default": "Docs",
    "ANY /api/v1/auth": "Auth",
    "ANY /api/v1/auth/{proxy+}": "Auth",
    "ANY /api/v1/auth/register": "Passwords",
    "ANY /api/v1/auth/login": "Passwords",
    "ANY /api/v1/auth/password": "Passwords",
    "ANY /api/v1/auth/password/forgot": "Passwords",
    "ANY /api/v1/auth/password/reset": "Passwords",
    "ANY /api/v1/auth/me/email": "Passwords",
    "ANY /api/v1/shop": "Auth",
    "ANY /api/v1/shop/{proxy+}": "Auth",
    "ANY /api/v1/inventory": "Inventory",
    "ANY /api/v1/inventory/{proxy+}": "Inventory",
    "ANY /api/v1/admin": "Admin",
    "ANY /api/v1/admin/{proxy+}": "Admin",
    "ANY /api/v1/orders": "Orders",
    "ANY /api/v1/orders/{proxy+}": "Orders",
    "ANY /api/v1/webhooks": "Webhooks",
    "ANY /api/v1/webhooks/{proxy+}": "Webhooks",
    "ANY /api/v1/reports": "Reports",
    "ANY /api/v1/reports/{proxy+}": "Reports",
    "ANY /api/v1/imports": "Reports",
    "ANY /api/v1/imports/{proxy+}": "Reports",
    "ANY /api/v1/events": "Webhooks",
    "ANY /api/v1/events/{proxy+}": "Webhooks",
}
# Of a stage with `public_catalogue`. Other methods of these paths use the route with {proxy+}.
OF_CATALOGUE = {
    f"{method} /api/v1/inventory/{path}": "Inventory"
    for method in ("GET", "HEAD")
    for path in ("products", "products/{product_id}", "categories")
}


def test_each_route_group_has_its_function(prod: Synthesized) -> None:
    integrations = prod.all("AWS::ApiGatewayV2::Integration")
    routes = {}
    for route in prod.all("AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Target"]["Fn::Join"][1][1]["Ref"]]
        assert integration["PayloadFormatVersion"] == "2.0"
        routes[route["RouteKey"]] = prod.function_of(integration["IntegrationUri"]).removeprefix("Functions")[:-8]

    assert routes == ROUTES | OF_CATALOGUE


def source_arns(api: str, stage: str, route: str) -> list[str]:
    """Returns the source ARNs of API Gateway's calls; `ANY` stands for each method, or for itself.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    prefix = f"arn:aws:execute-api:eu-central-1:123456789012:{api}/{stage}"
    if route == "$default":
        return [f"{prefix}/$default"]
    method, path = route.split(" ")
    return [f"{prefix}/{it}{path}" for it in (("ANY", "*", "GET", "PATCH") if method == "ANY" else (method,))]


@pytest.mark.parametrize("stage", ["prod", "dev", "local"])
def test_the_api_may_invoke_the_function_of_each_route(stage: str, request: pytest.FixtureRequest) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    integrations = synthesized.all("AWS::ApiGatewayV2::Integration")
    (api,) = synthesized.all("AWS::ApiGatewayV2::Api")
    allowed = [
        (written_out(it["FunctionName"]), written_out(it["SourceArn"]))
        for it in synthesized.all("AWS::Lambda::Permission").values()
        if it["Action"] == "lambda:InvokeFunction" and it["Principal"] == "apigateway.amazonaws.com"
    ]
    routes = list(synthesized.all("AWS::ApiGatewayV2::Route").values())
    names = [written_out(it["StageName"]) for it in synthesized.all("AWS::ApiGatewayV2::Stage").values()]

    assert (len(routes), names) == (len(ROUTES | OF_CATALOGUE if stage == "prod" else ROUTES), ["$default"])
    for route in routes:
        function = written_out(integrations[route["Target"]["Fn::Join"][1][1]["Ref"]]["IntegrationUri"])
        for arn in source_arns(api, names[0], route["RouteKey"]):
            assert [it for name, it in allowed if name == function and arn_like(it, arn)], f"{arn} may not invoke"


def test_a_permission_is_compared_part_by_part() -> None:
    called = "arn:aws:execute-api:eu-central-1:123456789012:abc/$default/$default"

    assert arn_like("arn:aws:execute-api:eu-central-1:123456789012:abc/*/*", called)
    assert arn_like("arn:aws:execute-api:*:123456789012:ab?/*/$default", called)
    assert not arn_like("arn:aws:execute-api:eu-central-1:123456789012:abc/*/*/*", called)
    assert not arn_like("arn:aws:execute-api:eu-central-1:1234567890:abc/*/*", called)
    assert not arn_like("arn:aws:*:abc/*/*", called)


def test_a17_cross_origin_rules_name_each_origin_and_header(prod: Synthesized) -> None:
    cors = prod.one("AWS::ApiGatewayV2::Api", "Api")["CorsConfiguration"]

    assert cors["AllowOrigins"] == ORIGINS
    assert set(cors["AllowHeaders"]) == {"Authorization", "Content-Type", *headers_of_requests()}
    assert set(cors["ExposeHeaders"]) == headers_of_answers()
    assert set(cors["AllowMethods"]) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert "AllowCredentials" not in cors


def headers_of_requests() -> set[str]:
    """Returns the request headers that the document offers to clients."""
    return {it["name"] for it in PARAMETERS.values() if it["in"] == "header"}


def headers_of_answers() -> set[str]:
    """Returns the response headers that the document names, and those of a deprecation.

    No script can read Set-Cookie, and other origins get no cookies.
    """
    named = set(re.findall(r"`([A-Z][a-z]+): [^`]+`", VERSIONING.read_text()))
    assert named == {"Deprecation", "Sunset", "Link"}
    return {*HEADERS, *named} - {"Set-Cookie"}


def test_without_origins_of_a_stage_the_functions_answer_any_origin(dev: Synthesized) -> None:
    """If an API has CORS rules, API Gateway replaces a function's own header by them, also for `*`."""
    (api,) = dev.all("AWS::ApiGatewayV2::Api").values()

    assert "CorsConfiguration" not in api


def test_no_stage_on_aws_is_shipped_with_origins() -> None:
    shipped = json.loads(CDK.read_text())["context"]["settings"]

    assert {"dev", "prod"} <= shipped.keys()
    assert [name for name, settings in shipped.items() if settings.get("cors_origins")] == ["local"]


@pytest.mark.parametrize("origin", ["*", "https://*.shop.example", "http://shop.example", "shop.example", "null"])
def test_a17_a_vague_origin_is_refused(origin: str) -> None:
    with pytest.raises(StageError, match="'cors_origins' is refused"):
        Stage.named("prod", {"cors_origins": [origin]})


def test_f28_requests_are_throttled(prod: Synthesized) -> None:
    settings = prod.one("AWS::ApiGatewayV2::Stage", "ApiStage")["DefaultRouteSettings"]

    assert settings == {"ThrottlingRateLimit": 200, "ThrottlingBurstLimit": 400}


def test_routes_that_need_no_sign_in_have_a_throttle_of_their_own(prod: Synthesized) -> None:
    throttled = prod.one("AWS::ApiGatewayV2::Stage", "ApiStage")["RouteSettings"]
    routes = {route["RouteKey"]: name for name, route in prod.all("AWS::ApiGatewayV2::Route").items()}

    of_auth = {key for key in routes if key.startswith("ANY /api/v1/auth")}
    assert set(throttled) == {"$default"} | of_auth | OF_CATALOGUE.keys()
    assert len(throttled) == 9 + 6
    assert all(it == {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100} for it in throttled.values())
    (stage,) = (it for it in prod.template["Resources"].values() if it["Type"] == "AWS::ApiGatewayV2::Stage")
    assert {routes[key] for key in throttled} <= set(stage["DependsOn"]), "they exist before the stage names them"


def test_the_address_of_the_gateway_can_be_switched_off(prod: Synthesized, dev: Synthesized) -> None:
    (switched_on,), (switched_off,) = (it.all("AWS::ApiGatewayV2::Api").values() for it in (prod, dev))

    assert "DisableExecuteApiEndpoint" not in switched_on
    assert switched_off["DisableExecuteApiEndpoint"] is True


def test_the_access_log_has_no_query_and_no_header(prod: Synthesized) -> None:
    settings = prod.one("AWS::ApiGatewayV2::Stage", "ApiStage")["AccessLogSettings"]
    logged = json.loads(settings["Format"]).values()

    assert settings["DestinationArn"]["Fn::GetAtt"][0] in prod.all("AWS::Logs::LogGroup")
    assert "$context.requestId" in logged
    assert not [value for value in logged if "query" in value.lower() or "header" in value.lower()]
