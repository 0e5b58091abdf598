import { describe, expect, it } from 'vitest';
import { toSourceEntries } from './libsrtp.mjs';
import { prebuiltUrl } from './prebuilt.mjs';
import { PATCHES, cacheKey, patched } from './recipe.mjs';
import { groupIntoUnits, privateNames } from './units.mjs';

describe('cache key', () => {
  const facts = { mediasoup: '1.0.0', compiler: 'g++ 12', packages: { libssl: '3.0.1', libuv: '1' } };

  it('does not depend on the order of facts', () => {
    const turned = { packages: { libuv: '1', libssl: '3.0.1' }, compiler: 'g++ 12', mediasoup: '1.0.0' };
    expect(cacheKey(turned)).toBe(cacheKey(facts));
  });

  it('changes with a fix of a linked library', () => {
    expect(cacheKey({ ...facts, packages: { ...facts.packages, libssl: '3.0.2' } })).not.toBe(cacheKey(facts));
  });
});

describe('patches', () => {
  const [{ file, from, to }] = PATCHES;

  it('change the line, once', () => {
    expect(patched(file, `a ${from} b`)).toBe(`a ${to} b`);
    expect(patched('other.cpp', `a ${from} b`)).toBe(`a ${from} b`);
  });

  it.each(['nothing to change', `${from} ${from}`])('refuse %j', (text) => {
    expect(() => patched(file, text)).toThrow(/expected one/);
  });
});

describe('units', () => {
  it('knows what a file keeps to itself', () => {
    const names = privateNames(
      '#define MS_CLASS "x"\n#define LOCAL 1\n\tstatic constexpr size_t Size{ 4 };\ninline static void onRead(int a)\n{\n\t\t\tstatic int deep = 1;\n}\nenum { kOne = 1 };',
    );
    expect([...names]).toEqual(expect.arrayContaining(['LOCAL', 'Size', 'onRead', 'kOne']));
    expect(names.has('MS_CLASS')).toBe(false);
  });

  it('keeps files apart that define the same name, and puts specialisations first', () => {
    const units = groupIntoUnits(
      [
        { file: 'src/a.cpp', text: 'static int x = 1;' },
        { file: 'src/b.cpp', text: 'static int x = 2;' },
        { file: 'src/c.cpp', text: 'template<>\nvoid f<int>() {}' },
      ],
      1,
    );
    expect(units.map((unit) => unit.join()).toSorted()).toEqual(['src/b.cpp', 'src/c.cpp,src/a.cpp']);
  });
});

describe('source entries for apt', () => {
  const wanted = (uri) => uri.includes('//deb.example.org/');

  it('come from one-line entries with their options', () => {
    const list =
      '# deb http://deb.example.org/debian old main\ndeb [signed-by=/k.gpg] http://deb.example.org/debian bookworm main\ndeb http://example.org/x y main\n';
    expect(toSourceEntries('sources.list', list, wanted)).toBe(
      'deb-src [signed-by=/k.gpg] http://deb.example.org/debian bookworm main',
    );
  });

  it('come from stanzas with their keys', () => {
    const stanza = 'Types: deb\n# comment\nURIs: http://deb.example.org/debian\nSuites: bookworm\nSigned-By: /k.gpg';
    const off = `Enabled: no\n${stanza}`;
    const other = stanza.replace('deb.example.org', 'other.example.org');
    expect(toSourceEntries('debian.sources', [stanza, off, other].join('\n\n'), wanted)).toBe(
      'Types: deb-src\nURIs: http://deb.example.org/debian\nSuites: bookworm\nSigned-By: /k.gpg',
    );
  });
});

it('asks for the same file as the install script of mediasoup', () => {
  const pkg = { version: '3.27.1', repository: { url: 'git+https://github.com/versatica/mediasoup.git' } };
  expect(prebuiltUrl(pkg, { base: undefined, platform: 'linux', arch: 'x64', release: '6.1.0-18-amd64' })).toBe(
    'https://github.com/versatica/mediasoup/releases/download/3.27.1/mediasoup-worker-3.27.1-linux-x64-kernel6.tgz',
  );
});
