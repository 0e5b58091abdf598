/**
 * Media between two nodes of one room is pulled: the node whose users want a track asks the node
 * that has it. This file decides, from what one node knows of one other, what to do next; the node
 * does it and asks again. Nothing is piped that nobody consumes.
 *
 * Invariants of a plan:
 * 1. A producer is piped only if it is wanted and the other node still has it.
 * 2. `openPipe` comes before every `pipe`, and only if there is no pipe.
 * 3. What became unused is kept for `lingerMs`, then given up; wanting it again meanwhile keeps it.
 * 4. A pipe is closed only if it carries nothing in either direction.
 * 5. Once its steps have run, planning again at the same time gives no steps.
 */
export interface PipedProducer {
  readonly paused: boolean;
  /** When it was last given up by its last consumer, Unix ms; null while it is wanted. */
  readonly unusedSince: number | null;
}

export interface PipeView {
  /** Tracks the other node has, by producer id. */
  readonly offered: ReadonlyMap<string, { readonly paused: boolean }>;
  /** Producer ids that users of this node want. */
  readonly wanted: ReadonlySet<string>;
  readonly pipe: {
    /** What this node receives through it, by producer id. */
    readonly piped: ReadonlyMap<string, PipedProducer>;
    /** How many producers this node sends through it. */
    readonly sending: number;
    /** When it last carried anything, Unix ms; null while it carries something. */
    readonly idleSince: number | null;
  } | null;
}

export type PipeStep =
  | { readonly type: 'openPipe' }
  | { readonly type: 'closePipe' }
  | { readonly type: 'pipe' | 'unpipe' | 'pause' | 'resume' | 'drop'; readonly producerId: string };

export interface PipePlan {
  /** To be run in this order. `drop` is local: the other node closed the producer already. */
  readonly steps: readonly PipeStep[];
  /** When to plan again although nothing happened, Unix ms; null if only a change can give new steps. */
  readonly wakeAt: number | null;
}

/** @param now Unix ms. @param lingerMs how long something unused is kept. */
export function planPipe(view: PipeView, now: number, lingerMs: number): PipePlan {
  const steps: PipeStep[] = [];
  const deadlines: number[] = [];
  const piped = view.pipe?.piped ?? new Map<string, PipedProducer>();
  let kept = 0;

  for (const [producerId, { paused, unusedSince }] of piped) {
    const offered = view.offered.get(producerId);
    if (!offered) {
      steps.push({ type: 'drop', producerId });
    } else if (unusedSince !== null && !view.wanted.has(producerId) && unusedSince + lingerMs <= now) {
      steps.push({ type: 'unpipe', producerId });
    } else {
      kept += 1;
      if (offered.paused !== paused) steps.push({ type: offered.paused ? 'pause' : 'resume', producerId });
      if (unusedSince !== null && !view.wanted.has(producerId)) deadlines.push(unusedSince + lingerMs);
    }
  }

  const missing = [...view.wanted].filter((id) => view.offered.has(id) && !piped.has(id));
  if (missing.length > 0 && !view.pipe) steps.push({ type: 'openPipe' });
  for (const producerId of missing) steps.push({ type: 'pipe', producerId });

  if (view.pipe && kept + missing.length + view.pipe.sending === 0 && view.pipe.idleSince !== null) {
    const closeAt = view.pipe.idleSince + lingerMs;
    if (closeAt <= now) steps.push({ type: 'closePipe' });
    else deadlines.push(closeAt);
  }
  return { steps, wakeAt: deadlines.length > 0 ? Math.min(...deadlines) : null };
}
