"""Rules of the server before the back office and the API: the paths of the API, and the headers of the files.

The server is CloudFront, or the local front door.
"""

# All other paths are files of the back office, or its pages: the server responds to a path without a file extension
# with index.html.
API_PATHS = ("/api/*", "/docs", "/docs/*", "/health", "/openapi.json", "/event-catalogue", "/.well-known/*")
# Uploads of files to import. S3 checks the signature in the query, and refuses all other requests.
UPLOAD_PATHS = ("/uploads/*",)
# Of the paths of the API, those of the public catalogue.
CATALOGUE_PATHS = (
    "/api/v1/inventory/products",
    "/api/v1/inventory/products/*",
    "/api/v1/inventory/categories",
)
# The maximum time in the cache, as in the responses.
CATALOGUE_SECONDS = 30
# Errors that CloudFront keeps for ten seconds by default, also with no-store.
CACHED_ERRORS = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
# Pages load from their own origin only. A download of an export is a link to S3, which needs no permission here.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
PERMISSIONS_POLICY = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
OPENER_POLICY = "same-origin"
REFERRER_POLICY = "same-origin"
HSTS_SECONDS = 63_072_000
# The headers of each file of the back office. Responses of the API have their own.
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Strict-Transport-Security": f"max-age={HSTS_SECONDS}; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": REFERRER_POLICY,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Cross-Origin-Opener-Policy": OPENER_POLICY,
}
