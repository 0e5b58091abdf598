/** @returns the value below which `share` of them lie, between neighbours in proportion. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low = Number.NaN, high = low] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at % 1);
}

/** How a set of times is told in a table: `median`, the middle half, and the ends, in whole units. */
export function spreadOf(values: readonly number[]): string[] {
  return [0.5, 0.25, 0.75, 0, 1].map((share) => quantile(values, share).toFixed(0));
}
export const SPREAD_COLUMNS = ['median', 'quartile 1', 'quartile 3', 'least', 'most'];

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
