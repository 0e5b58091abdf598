/** After a change of a setting: `npx vitest run test/architecture/configuration.test.ts -u`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, Visitor } from 'oxc-parser';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { coordinatorEnvironmentSchema } from '../../apps/coordinator/src/config.ts';
import { nodeEnvironmentSchema } from '../../apps/node/src/config.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = join(ROOT, 'docs/configuration.md');

/** What JSON Schema says of one setting, as far as the table shows it. */
const settingSchema = z.object({
  default: z.union([z.string(), z.number(), z.array(z.string())]).optional(),
  description: z.string(),
});

function table(environment: z.ZodObject): string {
  const { properties = {} } = z.toJSONSchema(environment, { io: 'input', unrepresentable: 'any' });
  const rows = Object.entries(properties).map(([name, property]) => {
    const { default: standard, description } = settingSchema.parse(property);
    const shown = standard === undefined || Array.isArray(standard) ? '' : `\`${standard}\``;
    return `| \`${name}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| Variable | Default | |', '|---|---|---|', ...rows].join('\n');
}

it('the tables of docs/configuration.md are what the apps read', async () => {
  let page = readFileSync(PAGE, 'utf8');
  const tables = { coordinator: table(coordinatorEnvironmentSchema), node: table(nodeEnvironmentSchema) };
  for (const [app, rows] of Object.entries(tables)) {
    const between = new RegExp(`(<!-- ${app}: [^>]*-->\n)[^]*?(<!-- end -->)`);
    expect(page).toMatch(between);
    page = page.replace(between, (_all, begin: string, end: string) => `${begin}${rows}\n${end}`);
  }
  await expect(page).toMatchFileSnapshot(PAGE);
});

it("so is the demo's, which has no schema", () => {
  const { program } = parseSync('config.ts', readFileSync(join(ROOT, 'apps/demo/src/config.ts'), 'utf8'));
  const read = new Set<string>();
  new Visitor({
    MemberExpression({ object, property }) {
      if (object.type !== 'Identifier' || object.name !== 'env') return;
      if (property.type === 'Literal') read.add(String(property.value));
    },
  }).visit(program);
  const [, section = ''] = readFileSync(PAGE, 'utf8').split('## Demo');
  const documented = [...(section.split('##')[0] ?? '').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(read);
});
