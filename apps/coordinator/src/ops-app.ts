import type { CoordinatorMetrics } from '@mediaserver/telemetry';
import express, { type Express } from 'express';

export interface OpsParts {
  readonly metrics: CoordinatorMetrics;
  readonly isReady: () => boolean;
  readonly isRegistryConnected: () => boolean;
}

/**
 * Health and metrics, on a port of their own. Without Redis a coordinator stays ready: it still
 * carries the calls of users who are in.
 */
export function createOpsApp({ metrics, isReady, isRegistryConnected }: OpsParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/readyz', (_request, response) => {
    const ready = isReady();
    response
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ok' : 'stopping', registry: isRegistryConnected() ? 'ok' : 'unreachable' });
  });
  app.get('/metrics', async (_request, response) => {
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  return app;
}
