// The last line of a test run, from vitest's JSON report.

/**
 * @param {object | undefined} report what vitest wrote; undefined if it did not get that far
 * @param {number} exitCode vitest's own
 */
export function closingLine(report, exitCode) {
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  // A file that cannot be loaded has no tests to count, and still failed.
  const broken = (report?.testResults ?? []).filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  let failed = (report?.numFailedTests ?? 0) + broken;
  // Nothing ran, or something broke outside of the tests: neither is a success.
  if (failed === 0 && (passed === 0 || exitCode !== 0)) failed = 1;
  return {
    line: `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    failed,
  };
}
