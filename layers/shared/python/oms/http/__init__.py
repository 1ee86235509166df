"""The HTTP protocol of all routes: admission, bodies, headers, answers, problems."""
