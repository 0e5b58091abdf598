import { operationIds, operations } from '@mediaserver/contracts';
import { createCoordinatorMetrics, createLogger } from '@mediaserver/telemetry';
import type { Express } from 'express';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { fakeCoordinator } from '../coordinator.test-support.ts';
import { ApiKeys } from './auth.ts';
import { createApp } from './create-app.ts';
import { expressPath } from './operation-routes.ts';

/** As express keeps its routes; `_all` stands for the 405 of other methods. */
const layerSchema: z.ZodType<Layer> = z.object({
  route: z.object({ path: z.string(), methods: z.record(z.string(), z.boolean()) }).optional(),
  handle: z.unknown(),
});
interface Layer {
  route?: { path: string; methods: Record<string, boolean> } | undefined;
  handle: unknown;
}

function routesOf(router: unknown): string[] {
  // Routers are functions with a stack.
  const stack = typeof router === 'function' && 'stack' in router ? z.array(layerSchema).parse(router.stack) : [];
  return stack.flatMap(({ route, handle }) =>
    route
      ? Object.keys(route.methods)
          .filter((method) => method !== '_all')
          .map((method) => `${method} ${route.path}`)
      : routesOf(handle),
  );
}

it('has exactly the routes of the operations under /v1', () => {
  const app: Express = createApp({
    coordinator: fakeCoordinator().coordinator,
    keys: new ApiKeys([]),
    log: createLogger('test', 'silent'),
    metrics: createCoordinatorMetrics(),
  });
  const routes = routesOf(app.router).filter((route) => route.includes('/v1'));
  const expected = operationIds.map((id) => `${operations[id].method} ${expressPath(operations[id].path)}`);
  expect(routes.sort()).toEqual(expected.sort());
});
