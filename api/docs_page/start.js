// A file of its own: the page's Content-Security-Policy allows no inline script. No validator of another host is asked.
SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null});
