"""HTTP for all routes: admission, bodies, headers, responses, problems."""
