// Groups the worker's C++ files into few large translation units. Most of the
// time of compiling a file goes into the headers and templates it shares with
// its neighbours, so compiling them together costs a third.
import { readFileSync } from 'node:fs';
import path from 'node:path';

// Reading the shared headers costs about as much as this many lines of a file.
const HEADER_LINES = 150;

/** The C++ files the package's own build file lists, in its order. */
export function sourceFiles(workerDir) {
  const read = (file) => readFileSync(path.join(workerDir, file), 'utf8');
  const meson = read('meson.build');
  const common = /common_sources = \[([^\]]*)\]/.exec(meson)?.[1] ?? '';
  const libwebrtc = read('deps/libwebrtc/meson.build');
  const files = [
    ...common.matchAll(/src\/[\w/.-]+\.cpp/g),
    // Listed by meson.build under conditions; these are the default ones.
    ...[
      'src/DepLibWebRTC.cpp',
      'src/RTC/TransportCongestionControlClient.cpp',
      'src/RTC/TransportCongestionControlServer.cpp',
      'src/main.cpp',
    ].map((file) => [file]),
    ...[...libwebrtc.matchAll(/libwebrtc\/[\w/.-]+\.cc/g)].map(([file]) => [`deps/libwebrtc/${file}`]),
  ].map(([file]) => file);
  if (common === '' || files.length < 200) {
    throw new Error(`the worker's meson.build is not as this recipe expects it (${files.length} files found)`);
  }
  return [...new Set(files)];
}

/**
 * Names that mean something else in another file: two files that share one must
 * not meet in a unit. Too many names cost nothing but time; one too few is found
 * by the compiler, and the unit's files are then compiled one by one.
 */
export function privateNames(text) {
  const names = new Set();
  for (const [, name] of text.matchAll(
    /^\t{0,2}(?:inline |alignas\(\d+\) )*(?:static|const|constexpr|thread_local)\b[^;({=[]*?[\s*&](\w+)\s*[({=;[]/gm,
  ))
    names.add(name);
  for (const [, body] of text.matchAll(/enum\s*\{([^}]*)\}/g)) {
    for (const [name] of body.matchAll(/\w+/g)) names.add(name);
  }
  for (const [, name] of text.matchAll(/^#define (\w+)/gm)) names.add(name);
  // Every file defines this one, and each unit takes it back between files.
  names.delete('MS_CLASS');
  return names;
}

/**
 * @param {{ file: string, text: string }[]} sources
 * @returns {string[][]} files of each unit, heaviest unit first
 */
export function groupIntoUnits(sources, wanted) {
  const files = sources.map(({ file, text }) => ({
    file,
    names: privateNames(text),
    family: file.split('/')[0],
    // A specialisation must be seen before anything uses the template.
    specialises: /^\s*template<>/m.test(text),
    weight: text.split('\n').length + HEADER_LINES,
  }));
  const room = (files.reduce((sum, { weight }) => sum + weight, 0) / wanted) * 1.05;
  const units = [];
  for (const file of files) {
    const fits = units.filter(
      (unit) => unit.family === file.family && [...file.names].every((name) => !unit.names.has(name)),
    );
    // Neighbours share headers, so fill a unit before the next one is begun.
    let unit = fits.find(({ weight }) => weight + file.weight <= room);
    if (!unit && units.length >= wanted) unit = fits.toSorted((a, b) => a.weight - b.weight)[0];
    if (!unit) {
      unit = { family: file.family, weight: 0, names: new Set(), files: [] };
      units.push(unit);
    }
    unit.weight += file.weight;
    unit.files.push(file);
    for (const name of file.names) unit.names.add(name);
  }
  return units
    .toSorted((a, b) => b.weight - a.weight)
    .map((unit) =>
      unit.files.toSorted((a, b) => Number(b.specialises) - Number(a.specialises)).map(({ file }) => file),
    );
}
