// What goes into a worker built here, and the key its binary is cached under.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

export const RECIPE_DIR = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);

/** Debian's packages that end up in the worker, by linking or as headers. */
export const LINKED_PACKAGES = ['libssl-dev', 'libuv1-dev', 'libabsl-dev', 'libflatbuffers-dev', 'libsrtp2-dev'];

/** Everything a build needs: those, the compilers, and what unpacks a source package. */
export const BUILD_PACKAGES = ['g++', 'make', 'pkg-config', 'dpkg-dev', 'flatbuffers-compiler', ...LINKED_PACKAGES];

/** Taken from the distribution's source package, because its binary one has a slow crypto library. */
export const LIBSRTP_PACKAGE = 'libsrtp2-dev';
export const LIBSRTP_SOURCE = 'libsrtp2';

export const PKG_CONFIG = {
  // Shared, so that the distribution's security fixes reach a worker already built.
  shared: ['openssl', 'libuv'],
  // Static: only small parts are used, and its shared names change with each release.
  static: ['absl_flat_hash_map', 'absl_inlined_vector', 'absl_strings', 'absl_optional', 'absl_variant'],
};

// The worker parses packets from strangers, hence the hardening.
const HARDENING = ['-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'];
export const C_FLAGS = ['-O3', '-DNDEBUG', '-fPIC', ...HARDENING];
export const CXX_FLAGS = ['-std=c++20', '-O2', '-DNDEBUG', '-fPIE', '-pipe', '-w', ...HARDENING];
export const LINK_FLAGS = ['-pie', '-s', '-Wl,-O1', '-Wl,--as-needed', '-Wl,-z,relro', '-Wl,-z,now'];

/**
 * The distribution's OpenSSL knows kernel TLS. The worker's BIO callback answers
 * 1 to every control call, because it compares the operation with BIO_CB_RETURN
 * where that is one bit among others. OpenSSL then takes its memory BIO for one
 * that does kernel TLS, allocates no write buffer and crashes at the first
 * ClientHello.
 */
export const PATCHES = [
  {
    file: 'src/RTC/DtlsTransport.cpp',
    from: '(operationType == BIO_CB_RETURN)',
    to: '(operationType & BIO_CB_RETURN)',
  },
];

/** Applies the patches to one file's text, and refuses to go on where there is nothing to change. */
export function patched(file, text) {
  for (const { from, to } of PATCHES.filter((patch) => patch.file === file)) {
    const found = text.split(from).length - 1;
    if (found !== 1) {
      throw new Error(
        `worker source ${file}: expected one "${from}" to change, found ${found}; see PATCHES in deploy/worker/recipe.mjs`,
      );
    }
    text = text.replace(from, to);
  }
  return text;
}

/** Content of every file that shapes the result. The self-check and the texts do not. */
export function recipeHash(dir = RECIPE_DIR) {
  const hash = createHash('sha256');
  const files = readdirSync(dir, { recursive: true })
    .map(String)
    .filter((file) => /\.(h|mjs)$/.test(file) && !/self-check|prebuilt|\.test\./.test(file))
    .toSorted();
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(dir, file)))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/**
 * @param {Record<string, string | Record<string, string>>} facts all that may make two builds differ
 */
export function cacheKey(facts) {
  const ordered = (value) =>
    typeof value === 'object'
      ? Object.entries(value)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, ordered(inner)])
      : String(value);
  return createHash('sha256')
    .update(JSON.stringify(ordered(facts)))
    .digest('hex')
    .slice(0, 20);
}
