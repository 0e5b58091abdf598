import type { CoordinatorMetrics } from '@mediaserver/telemetry';
import express, { type Express } from 'express';
import type { NodeDirectory } from './node-directory.ts';

export interface OpsParts {
  readonly metrics: CoordinatorMetrics;
  readonly nodes: Pick<NodeDirectory, 'current'>;
  readonly isReady: () => boolean;
  readonly isRegistryConnected: () => boolean;
  readonly isJobsConnected: () => boolean;
}

/**
 * Health and metrics, on a port of their own. Without Redis a coordinator stays ready: it still
 * carries the calls of users who are in. `/readyz` answers `registry` and `jobs` beside the status:
 * each `ok` or `unreachable`.
 */
export function createOpsApp({ metrics, nodes, isReady, isRegistryConnected, isJobsConnected }: OpsParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/readyz', (_request, response) => {
    const ready = isReady();
    response.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'stopping',
      registry: isRegistryConnected() ? 'ok' : 'unreachable',
      jobs: isJobsConnected() ? 'ok' : 'unreachable',
    });
  });
  app.get('/metrics', async (_request, response) => {
    // Nobody else may have looked lately; without the registry the last count stands.
    await nodes.current().catch(() => undefined);
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  return app;
}
