"""The back office: a private bucket of its files, and the CloudFront distribution that serves them and the API.

`make deploy` uploads the files after the deployment, and creates the web ACL before it: see `oms.commands.console`.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.buckets import private_bucket
from infra.checks import acknowledge
from infra.front import (
    API_PATHS,
    CACHED_ERRORS,
    CATALOGUE_PATHS,
    CATALOGUE_SECONDS,
    CONTENT_SECURITY_POLICY,
    HSTS_SECONDS,
    OPENER_POLICY,
    PERMISSIONS_POLICY,
    REFERRER_POLICY,
    UPLOAD_PATHS,
)
from infra.keys import Keys
from infra.stages import Stage

FUNCTIONS = Path(__file__).parent / "edge"
WEB_ACL_PARAMETER = "WebAclArn"


class Console(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        api: apigateway.HttpApi,
        imports: s3.IBucket,
        keys: Keys,
    ) -> None:
        super().__init__(scope, construct_id)
        # CloudFront's names are unique in an account, which may have the stage in several regions.
        self._name = f"Oms-{stage.name}-{cdk.Stack.of(self).region}"
        bucket = private_bucket(
            self,
            "Files",
            stage=stage,
            why_no_access_log="Its files are the same for everyone, and public through CloudFront.",
        )
        behaviors = self._of_api(stage, self._to_api(api, keys)) | self._of_uploads(imports)
        distribution = self._distribution(stage, bucket, behaviors)
        self.url = f"https://{stage.console_domain or distribution.distribution_domain_name}"
        cdk.CfnOutput(cdk.Stack.of(self), "ConsoleBucket", value=bucket.bucket_name)
        cdk.CfnOutput(cdk.Stack.of(self), "ConsoleDistribution", value=distribution.distribution_id)
        cdk.CfnOutput(cdk.Stack.of(self), "ConsoleHost", value=distribution.distribution_domain_name)

    def _to_api(self, api: apigateway.HttpApi, keys: Keys) -> origins.HttpOrigin:
        stack = cdk.Stack.of(self)
        return origins.HttpOrigin(
            f"{api.api_id}.execute-api.{stack.region}.{stack.url_suffix}",
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
            # The template has a reference, which CloudFormation resolves when it updates the distribution.
            custom_headers={"X-Origin-Secret": keys.origin.secret_value.unsafe_unwrap()},
        )

    def _distribution(
        self, stage: Stage, bucket: s3.Bucket, behaviors: dict[str, cloudfront.BehaviorOptions]
    ) -> cloudfront.Distribution:
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Back office and API of Oms-{stage.name}",
            default_behavior=self._files(stage, bucket),
            additional_behaviors=behaviors,
            error_responses=_without_cached_errors() if stage.public_catalogue else None,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            domain_names=[stage.console_domain] if stage.console_domain else None,
            certificate=self._certificate(stage),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            web_acl_id=self._web_acl_arn() if stage.has_web_acl else None,
        )
        _acknowledge(distribution, stage)
        return distribution

    def _files(self, stage: Stage, bucket: s3.Bucket) -> cloudfront.BehaviorOptions:
        access = cloudfront.S3OriginAccessControl(self, "Access", origin_access_control_name=self._name)
        return cloudfront.BehaviorOptions(
            origin=origins.S3BucketOrigin.with_origin_access_control(bucket, origin_access_control=access),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            # It follows the Cache-Control of the files, and has gzip and Brotli.
            cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
            compress=True,
            response_headers_policy=self._headers(stage),
            function_associations=[self._on_request("Pages", "pages.js", "Serves index.html for each page")],
        )

    def _of_api(self, stage: Stage, origin: cloudfront.IOrigin) -> dict[str, cloudfront.BehaviorOptions]:
        """Returns the behaviors of the API's paths. The first one whose path matches applies."""
        with_address = self._on_request("Api", "api.js", "Adds the client's address for the API")
        uncached = dict.fromkeys(API_PATHS, self._api(origin, cloudfront.CachePolicy.CACHING_DISABLED, with_address))
        if not stage.public_catalogue:
            return uncached
        return dict.fromkeys(CATALOGUE_PATHS, self._api(origin, self._catalogue_cache(stage), with_address)) | uncached

    def _of_uploads(self, imports: s3.IBucket) -> dict[str, cloudfront.BehaviorOptions]:
        """Returns the behavior of uploads, which sends a signed request to the bucket for which it is signed.

        So the page uploads to its own origin, and its policy and the bucket's CORS rules name no other.
        """
        bucket = origins.HttpOrigin(
            imports.bucket_regional_domain_name,
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
        )
        behavior = cloudfront.BehaviorOptions(
            origin=bucket,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            # The signature is for the bucket's host name.
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        )
        return dict.fromkeys(UPLOAD_PATHS, behavior)

    def _catalogue_cache(self, stage: Stage) -> cloudfront.CachePolicy:
        """Returns the cache policy of the public catalogue, which follows the Cache-Control of the responses.

        The key has the token, so that a cached response goes to requests without one only, the origin, for which API
        Gateway adds a header, and the whole query. With a minimum above zero, CloudFront would ignore no-store.
        """
        return cloudfront.CachePolicy(
            self,
            "Catalogue",
            cache_policy_name=f"{self._name}-catalogue",
            comment=f"Public catalogue of Oms-{stage.name}",
            min_ttl=cdk.Duration.seconds(0),
            default_ttl=cdk.Duration.seconds(0),
            max_ttl=cdk.Duration.seconds(CATALOGUE_SECONDS),
            header_behavior=cloudfront.CacheHeaderBehavior.allow_list("Authorization", "Origin"),
            query_string_behavior=cloudfront.CacheQueryStringBehavior.all(),
            cookie_behavior=cloudfront.CacheCookieBehavior.none(),
            enable_accept_encoding_gzip=True,
        )

    def _api(
        self,
        origin: cloudfront.IOrigin,
        cache: cloudfront.ICachePolicy,
        on_request: cloudfront.FunctionAssociation,
    ) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origin,
            # A redirect would come after a client has sent its token in clear text.
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cache,
            # API Gateway refuses the host name of another server.
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            function_associations=[on_request],
        )

    def _on_request(self, name: str, file: str, comment: str) -> cloudfront.FunctionAssociation:
        function = cloudfront.Function(
            self,
            name,
            code=cloudfront.FunctionCode.from_file(file_path=str(FUNCTIONS / file)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment=comment,
        )
        return cloudfront.FunctionAssociation(event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=function)

    def _headers(self, stage: Stage) -> cloudfront.ResponseHeadersPolicy:
        """Returns the policy with the headers of `infra.front.SECURITY_HEADERS`; a test compares both."""
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self._name,
            comment=f"Security headers of the back office of Oms-{stage.name}",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=CONTENT_SECURITY_POLICY, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=cdk.Duration.seconds(HSTS_SECONDS), include_subdomains=True, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy[REFERRER_POLICY.upper().replace("-", "_")],
                    override=True,
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in (
                        ("Permissions-Policy", PERMISSIONS_POLICY),
                        ("Cross-Origin-Opener-Policy", OPENER_POLICY),
                    )
                ]
            ),
        )

    def _certificate(self, stage: Stage) -> acm.ICertificate | None:
        if stage.console_certificate_arn is None:
            return None
        return acm.Certificate.from_certificate_arn(self, "Certificate", stage.console_certificate_arn)

    def _web_acl_arn(self) -> str:
        """Returns the parameter with the ARN of the web ACL. It has no default, so no deployment omits the ACL."""
        parameter = cdk.CfnParameter(
            cdk.Stack.of(self),
            WEB_ACL_PARAMETER,
            description="The web ACL of the distribution, which `make deploy` creates in us-east-1",
            allowed_pattern="arn:aws:wafv2:us-east-1:[0-9]{12}:global/webacl/.+",
        )
        return parameter.value_as_string


def _without_cached_errors() -> list[cloudfront.ErrorResponse]:
    return [cloudfront.ErrorResponse(http_status=status, ttl=cdk.Duration.seconds(0)) for status in CACHED_ERRORS]


def _acknowledge(distribution: cloudfront.Distribution, stage: Stage) -> None:
    acknowledge(distribution, "AwsSolutions-CFR1", "A shop's staff may travel, and its customers choose their country.")
    acknowledge(
        distribution,
        "AwsSolutions-CFR3",
        "API Gateway and the functions log each request to the API. Requests for files name no user.",
    )
    acknowledge(
        distribution,
        "AwsSolutions-CFR7",
        "The back office's files have one. Uploads come with a signature of their own, and S3 refuses a second one.",
    )
    if not stage.has_web_acl:
        acknowledge(distribution, "AwsSolutions-CFR2", "The stage chose no firewall: the setting console_web_acl.")
    if stage.console_domain is None:
        acknowledge(
            distribution,
            "AwsSolutions-CFR4",
            "CloudFront's own domain has a fixed policy of TLS. A stage with console_domain requires TLS 1.2.",
        )
