import type { Coordinator } from '../../coordinator.ts';
import type { Handlers } from '../operation-routes.ts';

export function eventHandlers(coordinator: Coordinator): Pick<Handlers, 'listEvents'> {
  return {
    listEvents: async ({ caller, params, query }) => ({
      status: 200,
      body: await coordinator.listEvents(caller.tenant, params.roomId, query),
    }),
  };
}
