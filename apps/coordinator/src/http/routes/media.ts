import type { Coordinator } from '../../coordinator.ts';
import type { Handlers } from '../operation-routes.ts';

type MediaOperation =
  | 'publish'
  | 'subscribe'
  | 'getSubscribeOffer'
  | 'answerSubscribe'
  | 'restartSubscribe'
  | 'patchConsumer'
  | 'patchTrack';

export function mediaHandlers(coordinator: Coordinator): Pick<Handlers, MediaOperation> {
  return {
    publish: async ({ caller, params, query, body }) => ({
      status: 200,
      body: await coordinator.publish({ tenant: caller.tenant, ...params, ...query }, body),
    }),
    subscribe: async ({ caller, params, query, body }) => ({
      status: 200,
      body: await coordinator.subscribe({ tenant: caller.tenant, ...params, ...query }, body),
    }),
    getSubscribeOffer: async ({ caller, params, query }) => {
      const offer = await coordinator.currentOffer({ tenant: caller.tenant, ...params, ...query });
      return offer === null ? { status: 204, body: null } : { status: 200, body: offer };
    },
    answerSubscribe: async ({ caller, params, query, body }) => ({
      status: 200,
      body: await coordinator.answer({ tenant: caller.tenant, ...params, ...query }, body),
    }),
    restartSubscribe: async ({ caller, params, query }) => ({
      status: 200,
      body: await coordinator.restartSubscribe({ tenant: caller.tenant, ...params, ...query }),
    }),
    patchConsumer: async ({ caller, params, query, body }) => ({
      status: 200,
      body: await coordinator.patchConsumer({ tenant: caller.tenant, ...params, ...query }, body),
    }),
    patchTrack: async ({ caller, params, body }) => ({
      status: 200,
      body: await coordinator.patchTrack({ tenant: caller.tenant, ...params }, body),
    }),
  };
}
