import { z } from 'zod';

/**
 * Carried by every control command, from the first commit, so that a late, doubled or misdirected
 * command has no effect:
 * - `bootId`: the process it is meant for; another boot answers `wrong_boot`;
 * - `epoch`: the room's epoch; a node that knows a higher one answers `stale_epoch`;
 * - `deadline`: Unix ms after which nobody waits for it; later it answers `deadline_exceeded`
 *   (hosts need clocks within a second of each other);
 * - `idempotencyKey`: the node keeps the result per key, so a retry adopts the first effect.
 */
export const fenceSchema = z.strictObject({
  bootId: z.string().min(1).max(64),
  epoch: z.number().int().min(0),
  deadline: z.number().int().min(0),
  idempotencyKey: z.string().min(1).max(128),
});
export type Fence = z.infer<typeof fenceSchema>;
