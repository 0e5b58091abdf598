import type { Coordinator } from '../../coordinator.ts';
import type { Handlers } from '../operation-routes.ts';

type RoomOperation = 'createRoom' | 'listRooms' | 'getRoom' | 'closeRoom';

export function roomHandlers(coordinator: Coordinator): Pick<Handlers, RoomOperation> {
  return {
    createRoom: async ({ caller, body }) => {
      const { created, room } = await coordinator.createRoom(caller.tenant, body);
      return { status: created ? 201 : 200, body: room };
    },
    listRooms: async ({ caller, query }) => ({ status: 200, body: await coordinator.listRooms(caller.tenant, query) }),
    getRoom: async ({ caller, params }) => ({
      status: 200,
      body: await coordinator.readRoom(caller.tenant, params.roomId),
    }),
    closeRoom: async ({ caller, params, query }) => {
      await coordinator.closeRoom(caller.tenant, params.roomId, query.roomSessionId);
      return { status: 204, body: null };
    },
  };
}
