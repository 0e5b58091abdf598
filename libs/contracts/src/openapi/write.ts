import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openApiDocument } from './document.ts';
import { errorsMarkdown } from './errors-page.ts';

/** Writes the generated documents; with `--check`, fails if the committed ones differ. */
const folder = new URL('../../../../docs/api/', import.meta.url);
const files: Readonly<Record<string, string>> = {
  'openapi.json': `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  'errors.md': errorsMarkdown(),
};

function committed(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv.includes('--check')) {
  const stale = Object.keys(files).filter((name) => committed(new URL(name, folder)) !== files[name]);
  if (stale.length > 0) {
    process.stderr.write(`docs/api: ${stale.join(', ')} differ from the schemas; run: npm run openapi\n`);
    process.exitCode = 1;
  }
} else {
  mkdirSync(fileURLToPath(folder), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(new URL(name, folder), text);
}
