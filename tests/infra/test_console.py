"""The back office: its bucket, the CloudFront distribution before it and the API, and the functions at the edge."""

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from docs import handler as docs
from infra.front import API_PATHS, CATALOGUE_PATHS, CATALOGUE_SECONDS, SECURITY_HEADERS, UPLOAD_PATHS
from infra.stages import Stage, StageError
from oms.http.api import catalogue_headers
from oms.http.powertools import routes_of
from tests.support.template import CERTIFICATE, HTTP, Synthesized, named_in

EDGE = Path(__file__).parents[2] / "infra/edge"
NODE = Path(sys.executable).with_name("node")
DISTRIBUTION = "AWS::CloudFront::Distribution"
CONSOLE = {"console": True, "alarm_email": "none"}
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_DISABLED, CACHING_OPTIMIZED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


def distribution(prod: Synthesized) -> Any:
    return prod.one(DISTRIBUTION, "ConsoleDistribution")["DistributionConfig"]


def called(behavior: Any, prod: Synthesized) -> str:
    """Returns the file of infra/edge that a behavior runs for each request."""
    (association,) = behavior["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    (name,) = named_in(association["FunctionARN"])
    code = prod.all("AWS::CloudFront::Function")[name]["FunctionCode"]
    (file,) = (it.name for it in EDGE.iterdir() if it.read_text() == code)
    return file


def origin_of(behavior: Any, prod: Synthesized) -> Any:
    (origin,) = (it for it in distribution(prod)["Origins"] if it["Id"] == behavior["TargetOriginId"])
    return origin


def test_only_this_distribution_may_read_the_files_and_by_tls_alone(prod: Synthesized) -> None:
    bucket = prod.one("AWS::S3::Bucket", "ConsoleFiles")
    *denied, allowed = prod.one("AWS::S3::BucketPolicy", "ConsoleFilesPolicy")["PolicyDocument"]["Statement"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert [it["Condition"] for it in denied] == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "s3:GetObject")
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    (source,) = allowed["Condition"]["StringEquals"].items()
    assert source[0] == "AWS:SourceArn"
    assert {it for it in named_in(source[1]) if not it.startswith("AWS::")} == set(prod.all(DISTRIBUTION))


def test_the_files_come_from_the_bucket_by_origin_access_control(prod: Synthesized) -> None:
    behavior = distribution(prod)["DefaultCacheBehavior"]
    origin = origin_of(behavior, prod)

    assert origin["DomainName"]["Fn::GetAtt"][0].startswith("ConsoleFiles")
    (access,) = named_in(origin["OriginAccessControlId"])
    control = prod.all("AWS::CloudFront::OriginAccessControl")[access]["OriginAccessControlConfig"]
    assert (control["SigningBehavior"], control["SigningProtocol"]) == ("always", "sigv4")
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    assert (behavior["CachePolicyId"], behavior["Compress"]) == (CACHING_OPTIMIZED, True)
    assert called(behavior, prod) == "pages.js"


def test_each_file_has_the_security_headers(prod: Synthesized) -> None:
    (policy,) = named_in(distribution(prod)["DefaultCacheBehavior"]["ResponseHeadersPolicyId"])
    config = prod.all("AWS::CloudFront::ResponseHeadersPolicy")[policy]["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    sent = {it["Header"]: it["Value"] for it in config["CustomHeadersConfig"]["Items"]}
    sent["Content-Security-Policy"] = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    transport = security["StrictTransportSecurity"]
    assert transport["IncludeSubdomains"]
    sent["Strict-Transport-Security"] = f"max-age={transport['AccessControlMaxAgeSec']}; includeSubDomains"
    sent["X-Content-Type-Options"] = "nosniff" if "ContentTypeOptions" in security else ""
    sent["Referrer-Policy"] = security["ReferrerPolicy"]["ReferrerPolicy"]

    assert sent == SECURITY_HEADERS
    assert all(it["Override"] for it in [*security.values(), *config["CustomHeadersConfig"]["Items"]])


def test_the_policy_allows_this_origin_alone_and_nothing_inline() -> None:
    rules = dict(rule.split(" ", 1) for rule in SECURITY_HEADERS["Content-Security-Policy"].split("; "))

    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules.pop("img-src") == "'self' data:"
    assert set(rules.values()) == {"'none'", "'self'"}


def test_the_api_is_called_without_a_cache_and_with_all_of_the_request(prod: Synthesized) -> None:
    behaviors = distribution(prod)["CacheBehaviors"]

    # The first one that matches applies.
    assert [it["PathPattern"] for it in behaviors] == [*CATALOGUE_PATHS, *API_PATHS, *UPLOAD_PATHS]
    for behavior in behaviors[: -len(UPLOAD_PATHS)]:
        assert set(behavior["AllowedMethods"]) == {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
        is_cached = behavior["PathPattern"] in CATALOGUE_PATHS
        assert is_cached or behavior["CachePolicyId"] == CACHING_DISABLED
        assert behavior["OriginRequestPolicyId"] == ALL_EXCEPT_HOST
        assert behavior["ViewerProtocolPolicy"] == "https-only"
        assert "ResponseHeadersPolicyId" not in behavior, "the API writes its own headers"
        assert called(behavior, prod) == "api.js"
        origin = origin_of(behavior, prod)
        assert origin["DomainName"]["Fn::Join"][1][1] == ".execute-api."
        assert origin["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}


def test_a_signed_upload_reaches_the_bucket_of_imports_unchanged_and_without_the_origins_secret(
    prod: Synthesized,
) -> None:
    (behavior,) = (it for it in distribution(prod)["CacheBehaviors"] if it["PathPattern"] in UPLOAD_PATHS)
    origin = origin_of(behavior, prod)

    bucket, attribute = origin["DomainName"]["Fn::GetAtt"]
    assert (prod.all("AWS::S3::Bucket")[bucket], attribute) == (
        prod.one("AWS::S3::Bucket", "ImportsFiles"),
        "RegionalDomainName",
    )
    assert origin["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}
    assert not {"OriginCustomHeaders", "OriginAccessControlId"} & set(origin), "S3 refuses a second signature"
    assert (behavior["CachePolicyId"], behavior["OriginRequestPolicyId"]) == (CACHING_DISABLED, ALL_EXCEPT_HOST)
    assert behavior["ViewerProtocolPolicy"] == "https-only"
    assert "FunctionAssociations" not in behavior


def test_a35_only_the_public_catalogue_is_cached_and_by_token_origin_and_query(prod: Synthesized) -> None:
    behaviors = distribution(prod)["CacheBehaviors"]

    ((name, policy),) = prod.all("AWS::CloudFront::CachePolicy").items()
    config = policy["CachePolicyConfig"]
    assert {it["PathPattern"] for it in behaviors if it["CachePolicyId"] == {"Ref": name}} == set(CATALOGUE_PATHS)
    # With a minimum, CloudFront would keep responses with no-store. The maximum bounds a wrong header.
    assert [config[f"{it}TTL"] for it in ("Min", "Default", "Max")] == [0, 0, CATALOGUE_SECONDS]
    assert config["ParametersInCacheKeyAndForwardedToOrigin"] == {
        "CookiesConfig": {"CookieBehavior": "none"},
        "EnableAcceptEncodingBrotli": False,
        "EnableAcceptEncodingGzip": True,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": ["Authorization", "Origin"]},
        "QueryStringsConfig": {"QueryStringBehavior": "all"},
    }
    assert "AWS::Region" in named_in(config["Name"])


def test_a35_no_error_is_cached(prod: Synthesized) -> None:
    """CloudFront keeps these for ten seconds by default."""
    errors = distribution(prod)["CustomErrorResponses"]

    assert {it["ErrorCode"] for it in errors} == {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}
    assert all(it == {"ErrorCode": it["ErrorCode"], "ErrorCachingMinTTL": 0} for it in errors)


def test_the_cache_keeps_a_response_as_long_as_the_header_says() -> None:
    assert catalogue_headers("")["Cache-Control"] == f"public, s-maxage={CATALOGUE_SECONDS}"


def test_each_path_of_the_api_reaches_it() -> None:
    paths = {route.openapi_path for route in routes_of(docs.app)}

    assert {"/health", "/docs", "/openapi.json", "/.well-known/jwks.json"} <= paths
    assert [it for it in paths if not any(fnmatchcase(it, pattern) for pattern in API_PATHS)] == []


def test_the_template_has_a_reference_to_the_origin_secret_and_not_the_secret(prod: Synthesized) -> None:
    origin = origin_of(distribution(prod)["CacheBehaviors"][0], prod)
    secrets = {it["Name"]: name for name, it in prod.all("AWS::SecretsManager::Secret").items()}

    assert origin["OriginCustomHeaders"] == [
        {
            "HeaderName": "X-Origin-Secret",
            "HeaderValue": {
                "Fn::Join": [
                    "",
                    ["{{resolve:secretsmanager:", {"Ref": secrets["oms/prod/origin"]}, ":SecretString:::}}"],
                ],
            },
        }
    ]


def test_a33_behind_the_distribution_each_function_refuses_direct_requests(
    prod: Synthesized, dev: Synthesized, local: Synthesized
) -> None:
    def requiring(synthesized: Synthesized) -> set[str]:
        environments = {name: it["Environment"]["Variables"] for name, it in synthesized.functions().items()}
        return {name for name, it in environments.items() if it.get("OMS_FRONT_REQUIRED") == "true"}

    assert requiring(prod) == HTTP
    assert requiring(dev) == requiring(local) == set()


def test_the_distribution_has_its_domain_and_modern_tls(prod: Synthesized) -> None:
    config = distribution(prod)

    assert config["Aliases"] == ["office.shop.example"]
    assert config["ViewerCertificate"] == {
        "AcmCertificateArn": CERTIFICATE,
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert (config["HttpVersion"], config["IPV6Enabled"]) == ("http2and3", True)
    assert prod.template["Outputs"]["ApiUrl"]["Value"] == "https://office.shop.example"


def test_prod_is_not_deployed_without_the_web_acl(prod: Synthesized) -> None:
    assert distribution(prod)["WebACLId"] == {"Ref": "WebAclArn"}
    assert "Default" not in prod.template["Parameters"]["WebAclArn"]


def test_a_stage_without_a_back_office_has_no_part_of_it(dev: Synthesized, local: Synthesized) -> None:
    for synthesized in (dev, local):
        kinds = {it["Type"] for it in synthesized.template["Resources"].values()}
        assert not [it for it in kinds if it.startswith("AWS::CloudFront::")]
        assert "WebAclArn" not in synthesized.template["Parameters"]


def test_names_at_the_edge_differ_by_region(prod: Synthesized) -> None:
    """CloudFront's names are unique in an account, which may have one stage in two regions."""
    named = [
        *(it["Name"] for it in prod.all("AWS::CloudFront::Function").values()),
        *(it["OriginAccessControlConfig"]["Name"] for it in prod.all("AWS::CloudFront::OriginAccessControl").values()),
        *(
            it["ResponseHeadersPolicyConfig"]["Name"]
            for it in prod.all("AWS::CloudFront::ResponseHeadersPolicy").values()
        ),
    ]

    assert len(named) == 4
    assert all("AWS::Region" in named_in(it) for it in named)


def run_at_the_edge(file: str, events: list[Any]) -> list[Any]:
    """Returns the requests that a function of infra/edge makes of these events, run by Node."""
    code = (EDGE / file).read_text() + f"\nconsole.log(JSON.stringify({json.dumps(events)}.map(handler)))"
    return list(json.loads(subprocess.run([NODE, "-e", code], capture_output=True, text=True, check=True).stdout))


def test_a_page_is_index_html_and_a_file_is_itself() -> None:
    served = {
        "/": "/index.html",
        "/orders": "/index.html",
        "/orders/01J.../": "/index.html",
        "/customers/9f8a": "/index.html",
        "/v1.2/orders": "/index.html",
        "/index.html": "/index.html",
        "/assets/index-B3x9.js": "/assets/index-B3x9.js",
        "/favicon.svg": "/favicon.svg",
    }

    requests = run_at_the_edge("pages.js", [{"request": {"uri": path, "headers": {}}} for path in served])

    assert [it["uri"] for it in requests] == list(served.values())


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::1"])
def test_a13_the_address_of_the_viewer_replaces_one_that_the_client_has_sent(address: str) -> None:
    headers = {"true-client-ip": {"value": "198.51.100.9", "multiValue": [{"value": "198.51.100.8"}]}}
    event = {"viewer": {"ip": address}, "request": {"uri": "/api/v1/orders", "headers": headers}}

    (request,) = run_at_the_edge("api.js", [event])

    assert request == {"uri": "/api/v1/orders", "headers": {"true-client-ip": {"value": address}}}


@pytest.mark.parametrize(
    ("stage", "settings", "message"),
    [
        ("local", {"console": True}, "'console' is refused in 'local'"),
        ("dev", {"console": True, "default_endpoint": False}, "'console' and 'default_endpoint'"),
        ("dev", {"console_web_acl": True}, "'console_web_acl' needs 'console'"),
        ("dev", {"console_domain": "a.example", "console_certificate_arn": CERTIFICATE}, "'console_domain' needs"),
        ("prod", {**CONSOLE, "console_domain": "a.example"}, "need each other"),
        ("prod", {**CONSOLE, "console_certificate_arn": CERTIFICATE}, "need each other"),
        (
            "prod",
            {**CONSOLE, "console_domain": "a.example", "console_certificate_arn": CERTIFICATE.replace("us-", "eu-")},
            "'console_certificate_arn' is refused: .* in us-east-1",
        ),
        (
            "prod",
            {**CONSOLE, "console_domain": "https://a.example", "console_certificate_arn": CERTIFICATE},
            "'console_domain' is refused: 'https://a.example'",
        ),
        ("prod", {**CONSOLE, "console_web_acl_rate": 9}, "'console_web_acl_rate'"),
    ],
)
def test_a_setting_of_the_back_office_that_cannot_work_is_refused(
    stage: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        Stage.named(stage, settings)


@pytest.mark.parametrize(
    ("stage", "chosen", "has"),
    [("prod", {}, True), ("dev", {}, False), ("dev", {"console_web_acl": True}, True)],
)
def test_the_firewall_is_on_in_prod_and_a_choice_elsewhere(stage: str, chosen: dict[str, Any], has: bool) -> None:
    assert Stage.named(stage, CONSOLE | chosen).has_web_acl == has
    assert not Stage.named(stage, {"alarm_email": "none"}).has_web_acl
