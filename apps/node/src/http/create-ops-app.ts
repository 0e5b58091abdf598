import express, { type Express } from 'express';
import type { NodeMetrics } from '@mediaserver/telemetry';
import type { NodeCounts } from '../load-reporter.ts';

/** What the node says of itself for probes. */
export interface Readiness {
  readonly ready: boolean;
  /** Redis being away is told and does not make the node unready: its calls go on. */
  readonly registry: 'connected' | 'away';
  readonly workers: { readonly up: number; readonly configured: number };
  readonly stopping: boolean;
}

/** `/livez` = the process answers, `/readyz` = it can take calls, `/metrics` for Prometheus. */
export function createOpsApp(readiness: () => Readiness, counts: () => NodeCounts, metrics: NodeMetrics): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_request, response) => {
    response.json({ alive: true });
  });
  app.get('/readyz', (_request, response) => {
    const state = readiness();
    response.status(state.ready ? 200 : 503).json(state);
  });
  app.get('/metrics', async (_request, response) => {
    const { rooms, sessions, producers, consumers, pipes } = counts();
    metrics.rooms.set(rooms);
    metrics.sessions.set(sessions);
    metrics.producers.set(producers);
    metrics.consumers.set(consumers);
    metrics.pipes.set(pipes);
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  return app;
}
