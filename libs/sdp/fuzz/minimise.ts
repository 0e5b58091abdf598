import type { Input } from './corpus.ts';

/** Tries at most; a finding that is not quite small is still a finding. */
const TRIES = 3000;

/** The shortest text found that still `fails`: lines go first, then parts of lines. */
export function minimise(input: Input, fails: (input: Input) => boolean): Input {
  let tries = 0;
  const shrink = (parts: readonly string[], joint: string, around: (text: string) => string): string[] => {
    let kept = [...parts];
    for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < kept.length && tries < TRIES;) {
        const fewer = kept.toSpliced(at, size);
        tries += 1;
        if (fails({ ...input, sdp: around(fewer.join(joint)) })) kept = fewer;
        else at += size;
      }
    }
    return kept;
  };
  let lines = shrink(input.sdp.split('\n'), '\n', (text) => text);
  for (const [index, line] of lines.entries()) {
    const parts = line.split(/(?<=[ :;=/,])/);
    if (parts.length === 1) continue;
    const shorter = shrink(parts, '', (text) => lines.with(index, text).join('\n')).join('');
    lines = lines.with(index, shorter);
  }
  return { ...input, sdp: lines.join('\n') };
}
