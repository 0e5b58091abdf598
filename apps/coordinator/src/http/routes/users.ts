import type { Coordinator } from '../../coordinator.ts';
import type { Handlers } from '../operation-routes.ts';

type UserOperation = 'joinRoom' | 'resumeUser' | 'getUser' | 'leaveRoom';

export function userHandlers(coordinator: Coordinator): Pick<Handlers, UserOperation> {
  return {
    joinRoom: async ({ caller, params, body }) => ({
      status: 201,
      body: await coordinator.join(caller.tenant, params.roomId, body),
    }),
    resumeUser: async ({ caller, params, body }) => ({
      status: 200,
      body: await coordinator.resume({ tenant: caller.tenant, ...params }, body),
    }),
    getUser: async ({ caller, params }) => ({
      status: 200,
      body: await coordinator.readUser({ tenant: caller.tenant, ...params }),
    }),
    leaveRoom: async ({ caller, params, query }) => {
      await coordinator.leave({ tenant: caller.tenant, ...params, ...query }, query.reason);
      return { status: 204, body: null };
    },
  };
}
