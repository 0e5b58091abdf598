import { expect, test } from 'vitest';
import { RegistryError, toRegistryError } from './errors.ts';

function reply(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

test.each([
  [new Error('Command timed out'), 'registry_unavailable'],
  [new Error('Connection is closed.'), 'registry_unavailable'],
  [new Error("Stream isn't writeable and enableOfflineQueue options is false"), 'registry_unavailable'],
  [reply('LOADING Redis is loading the dataset in memory'), 'registry_unavailable'],
  [reply("READONLY You can't write against a read only replica."), 'registry_unavailable'],
  [reply('CLUSTERDOWN The cluster is down'), 'registry_unavailable'],
  [reply("OOM command not allowed when used memory > 'maxmemory'."), 'registry_refused'],
  [reply('NOPERM this user has no permissions'), 'registry_refused'],
  [reply('MISCONF Redis is configured to save RDB snapshots'), 'registry_refused'],
  [reply('ERR user_script:3: attempt to index a nil value'), 'registry_corrupt'],
  [reply('WRONGTYPE Operation against a key holding the wrong kind of value'), 'registry_corrupt'],
])('%s is %s', (error, code) => {
  const named = toRegistryError(error, 'create_room');
  expect(named).toMatchObject({ code, cause: error });
  expect(named.message).toContain('create_room');
  expect(toRegistryError(named, 'again')).toBe(named);
  expect(named).toBeInstanceOf(RegistryError);
});
