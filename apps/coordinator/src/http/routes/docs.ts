import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { errorsHtml, openApiDocument } from '@mediaserver/contracts/openapi';
import express, { Router, type RequestHandler } from 'express';

const require = createRequire(import.meta.url);

/** The documentation loads nothing from elsewhere and runs no inline script. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // Swagger UI sets styles on elements.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Media server API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** The key typed into the page stays in its memory. */
const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

const ERRORS_STYLE = `body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ddd; padding: .4rem .6rem; text-align: left; vertical-align: top; }
tr:target { background: #fff3c4; }
`;

/** The OpenAPI document and pages to read it; open to everybody who reaches the API. */
export function docsRoutes(): Router {
  const router = Router();
  const documentText = JSON.stringify(openApiDocument());
  const errorsText = errorsHtml();
  const assets = dirname(require.resolve('swagger-ui-dist/package.json'));
  const file =
    (name: string): RequestHandler =>
    (_request, response) =>
      response.sendFile(name, { root: assets });
  const text =
    (type: string, body: string): RequestHandler =>
    (_request, response) =>
      response.type(type).send(body);

  router.get('/openapi.json', text('json', documentText));
  const docs = express.Router({ strict: true });
  docs.use((_request, response, next) => {
    response.set({ 'Content-Security-Policy': DOCS_POLICY, 'Cache-Control': 'no-cache' });
    next();
  });
  docs.get('/', text('html', PAGE));
  docs.get('/start.js', text('js', START));
  docs.get('/swagger-ui.css', file('swagger-ui.css'));
  docs.get('/swagger-ui-bundle.js', file('swagger-ui-bundle.js'));
  docs.get('/errors', text('html', errorsText));
  docs.get('/errors.css', text('css', ERRORS_STYLE));
  router.use('/docs', docs);
  return router;
}
