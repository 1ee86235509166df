"""The HTTP API: one route group for each function, and $default for all other paths."""

import json
from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.functions import Functions
from infra.live import live
from infra.retention import retention
from infra.stages import Stage

BASE_PATH = "/api/v1"
# The headers in the OpenAPI document and in docs/integrate/versioning.md, except Set-Cookie, which no script can read.
# Scripts of a page cannot read others.
EXPOSED_HEADERS = [
    "Allow",
    "Deprecation",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-Id",
    "Idempotency-Replayed",
    "Sunset",
    "WWW-Authenticate",
]
ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"]
METHODS = [
    apigateway.CorsHttpMethod.GET,
    apigateway.CorsHttpMethod.HEAD,
    apigateway.CorsHttpMethod.POST,
    apigateway.CorsHttpMethod.PUT,
    apigateway.CorsHttpMethod.PATCH,
    apigateway.CorsHttpMethod.DELETE,
]
# The log has no query strings and no headers, since they can contain secrets and personal data.
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "extended_request_id": "$context.extendedRequestId",
    "time": "$context.requestTimeEpoch",
    "source_ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "response_length": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
}

# The p99 of a healthy system is far below this, even with a few cold starts.
SLOW_MS = 3000
# In five minutes. Fewer are single clients at their limits, which need no alarm.
TOO_MANY_REQUESTS = 100


class Api(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            api_name=f"Oms-{stage.name}",
            create_default_stage=False,
            disable_execute_api_endpoint=not stage.default_endpoint or None,
            cors_preflight=_cors(stage),
            # $default is the only route of Docs. Its calls come from `<api>/<stage>/$default`, which has two parts; the
            # permission for a whole API requires three.
            default_integration=integrations.HttpLambdaIntegration("Docs", live(functions.docs)),
        )
        public = self._group("auth", "Auth", functions.auth)
        self._group("shop", "Shop", functions.auth)
        passwords = _integration("Passwords", functions.passwords)
        for route in ("register", "login", "password", "password/forgot", "password/reset", "me/email"):
            public += self.api.add_routes(path=f"{BASE_PATH}/auth/{route}", integration=passwords)
        self._group("inventory", "Inventory", functions.inventory)
        if stage.public_catalogue:
            public += self._catalogue(functions.inventory)
        self._group("orders", "Orders", functions.orders)
        self._group("admin", "Admin", functions.admin)
        self._group("webhooks", "Webhooks", functions.webhooks)
        self._group("events", "Events", functions.webhooks)
        self._group("reports", "Reports", functions.reports)
        self._group("imports", "Imports", functions.reports)
        self.access_logs = self._default_stage(stage, public)
        self.too_many_requests = _count_429(self.access_logs, stage)
        acknowledge(
            self.api,
            "AwsSolutions-APIG4",
            "The functions authenticate: each request reads session and user, which no gateway authorizer could cache.",
        )
        alarms.on(
            "ApiServerErrors",
            self.api.metric_server_error(period=cdk.Duration.minutes(5), statistic=cloudwatch.Stats.SUM),
            threshold=1,
            why="The API answered 5xx: an unexpected error, or a service that is unavailable.",
            see="server-errors",
        )
        alarms.on(
            "ApiSlow",
            self.api.metric_latency(period=cdk.Duration.minutes(5), statistic=cloudwatch.Stats.percentile(99)),
            threshold=SLOW_MS,
            periods=3,
            why=f"For 15 minutes, the slowest 1 % of requests took {SLOW_MS // 1000} seconds or more.",
            see="slow-answers",
            ends=True,
        )
        alarms.on(
            "ApiTooManyRequests",
            self.too_many_requests,
            threshold=TOO_MANY_REQUESTS,
            why=f"The API answered 429 to at least {TOO_MANY_REQUESTS} requests in five minutes.",
            see="too-many-requests",
            ends=True,
        )

    def _group(self, name: str, construct_id: str, function: lambda_.Function) -> list[apigateway.HttpRoute]:
        integration = _integration(construct_id, function)
        paths = (f"{BASE_PATH}/{name}", f"{BASE_PATH}/{name}/{{proxy+}}")
        return [route for path in paths for route in self.api.add_routes(path=path, integration=integration)]

    def _catalogue(self, function: lambda_.Function) -> list[apigateway.HttpRoute]:
        """Adds separate routes for the reads of the public catalogue, so that they have the throttle of public ones."""
        integration = _integration("Catalogue", function)
        return [
            route
            for path in ("products", "products/{product_id}", "categories")
            for route in self.api.add_routes(
                path=f"{BASE_PATH}/inventory/{path}",
                methods=[apigateway.HttpMethod.GET, apigateway.HttpMethod.HEAD],
                integration=integration,
            )
        ]

    def _default_stage(self, stage: Stage, public: Sequence[apigateway.HttpRoute]) -> logs.LogGroup:
        """Adds the stage, and returns its access logs. `public` and the default route have a separate throttle."""
        log_group = logs.LogGroup(
            self,
            "AccessLogs",
            retention=logs.RetentionDays[stage.log_retention],
            removal_policy=retention(stage),
        )
        default = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=stage.throttle_rate, burst_limit=stage.throttle_burst),
        )
        resource = default.node.default_child
        assert isinstance(resource, apigateway.CfnStage)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(ACCESS_LOG)
        )
        throttle = {
            "ThrottlingRateLimit": stage.public_throttle_rate,
            "ThrottlingBurstLimit": stage.public_throttle_burst,
        }
        default_route = self.api.node.find_child("DefaultRoute")
        resource.route_settings = dict.fromkeys(["$default", *(_key_of(route) for route in public)], throttle)
        # A stage can name only routes that exist.
        default.node.add_dependency(default_route, *public)
        return log_group


def _key_of(route: apigateway.HttpRoute) -> str:
    resource = route.node.default_child
    assert isinstance(resource, apigateway.CfnRoute)
    return resource.route_key


def _count_429(access_logs: logs.LogGroup, stage: Stage) -> cloudwatch.Metric:
    """Returns the number of 429 responses, of the gateway's throttle and of the functions' limits.

    API Gateway has no metric for them.
    """
    # The field is found by its variable, so that it can be renamed.
    (field,) = (name for name, variable in ACCESS_LOG.items() if variable == "$context.status")
    counted = logs.MetricFilter(
        access_logs,
        "TooManyRequests",
        log_group=access_logs,
        filter_pattern=logs.FilterPattern.string_value(f"$.{field}", "=", "429"),
        metric_namespace=stage.metrics_namespace,
        metric_name="ApiTooManyRequests",
    )
    return counted.metric(statistic=cloudwatch.Stats.SUM, period=cdk.Duration.minutes(5))


def _cors(stage: Stage) -> apigateway.CorsPreflightOptions | None:
    """Returns the CORS rules, or None without origins in the settings.

    With rules, API Gateway would replace the `*` of the public documents.
    """
    if not stage.cors_origins:
        return None
    return apigateway.CorsPreflightOptions(
        allow_origins=list(stage.cors_origins),
        allow_methods=METHODS,
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=cdk.Duration.hours(1),
    )


def _integration(construct_id: str, function: lambda_.Function) -> integrations.HttpLambdaIntegration:
    # One permission for each function, not one for each of its routes.
    return integrations.HttpLambdaIntegration(construct_id, live(function), scope_permission_to_route=False)
