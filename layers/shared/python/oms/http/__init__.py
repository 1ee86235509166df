"""HTTP for all routes: admission, bodies, headers, answers, problems."""
