import type { Coordinator } from '../../coordinator.ts';
import type { Handlers } from '../operation-routes.ts';

export function nodeHandlers(coordinator: Coordinator): Pick<Handlers, 'listNodes'> {
  return {
    listNodes: async () => ({ status: 200, body: await coordinator.listNodes() }),
  };
}
