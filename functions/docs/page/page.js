// The reference page: Swagger UI on this system's own document. "Execute" calls the system that serves the page.
"use strict";

// Swagger UI's dark colours depend on a class, not on the browser's setting.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

const signInStatus = document.getElementById("sign-in");

// The token is only in this page's memory, so leaving the page removes it.
function useTokenOf(response) {
  const path = new URL(response.url, location.href).pathname;
  if (response.status === 200 && /\/auth\/(login|refresh)$/.test(path)) {
    ui.preauthorizeApiKey("accessToken", JSON.parse(response.text).access_token);
    signInStatus.textContent = "Signed in: the page sends the access token with each request, for an hour.";
  } else if (response.status === 204 && path.endsWith("/auth/logout")) {
    ui.authActions.logout(["accessToken"]);
    signInStatus.textContent = "Signed out.";
  }
  return response;
}

const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  responseInterceptor: useTokenOf,
});
