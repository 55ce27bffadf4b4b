// Starts Swagger UI on our own document. Nothing is fetched from elsewhere: the page's policy forbids it.
"use strict";

// The key that the page fills in; each press of "Execute" then counts as a request of its own, as people expect.
const SHOWN_KEY = "your-own-key-1";

function newKey() {
  const random = new Uint8Array(16);
  crypto.getRandomValues(random);
  return "docs-" + Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor(request) {
    for (const name of Object.keys(request.headers || {})) {
      if (name.toLowerCase() === "idempotency-key" && request.headers[name] === SHOWN_KEY) {
        request.headers[name] = newKey();
      }
    }
    return request;
  },
});
