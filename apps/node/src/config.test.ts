import { describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';

const load = (environment: Record<string, string> = {}) => loadConfig({ NODE_ID: 'node-1', ...environment });

describe('loadConfig', () => {
  it('has a default for everything', () => {
    const config = load();
    expect(config).toMatchObject({
      nodeId: 'node-1',
      control: { host: '127.0.0.1', port: 4001, url: 'http://127.0.0.1:4001', tls: null },
      pipe: { listen: '127.0.0.1', announced: '127.0.0.1' },
    });
    expect(config.media.announced.at(-1)?.ip).toBe('127.0.0.1');
  });

  it('makes a new boot id each time', () => {
    expect(load().bootId).not.toBe(load().bootId);
  });

  it('reads announced addresses with ports, v4 and v6', () => {
    const { media } = load({ ANNOUNCED: '203.0.113.5:40000:40001, 10.1.2.3 ,[2001:db8::7]:5000,2001:db8::8' });
    expect(media.announced).toEqual([
      { ip: '203.0.113.5', udpPort: 40_000, tcpPort: 40_001 },
      { ip: '10.1.2.3', udpPort: null, tcpPort: null },
      { ip: '2001:db8::7', udpPort: 5000, tcpPort: 5000 },
      { ip: '2001:db8::8', udpPort: null, tcpPort: null },
    ]);
    expect(() => load({ ANNOUNCED: 'not-an-ip' })).toThrow('ANNOUNCED: "not-an-ip"');
  });

  it('refuses a plain-text control API off loopback unless told', () => {
    const open = { CONTROL_HOST: '10.0.0.1', ANNOUNCED: '10.0.0.1' };
    expect(() => load(open)).toThrow('ALLOW_PLAINTEXT_CONTROL');
    expect(load({ ...open, ALLOW_PLAINTEXT_CONTROL: '1' }).control.url).toBe('http://10.0.0.1:4001');
  });

  it('refuses to announce what clients cannot reach, outside development', () => {
    const open = { CONTROL_HOST: '10.0.0.1', ALLOW_PLAINTEXT_CONTROL: '1' };
    for (const ip of ['127.0.0.1', '0.0.0.0', '169.254.1.1', '[fe80::1]:5000']) {
      expect(() => load({ ...open, ANNOUNCED: ip })).toThrow('clients cannot reach');
    }
  });

  it('takes an empty variable as unset', () => {
    expect(load({ REGION: '', WORKERS: '', ANNOUNCED: '', CONTROL_PORT: '' })).toMatchObject({
      region: null,
      control: { port: 4001 },
    });
  });

  it('refuses what cannot work', () => {
    expect(load({ CONTROL_HOST: '::1' }).control.url).toBe('http://[::1]:4001');
    const open = { CONTROL_HOST: '0.0.0.0', ALLOW_PLAINTEXT_CONTROL: '1', ANNOUNCED: '10.0.0.1' };
    expect(() => load(open)).toThrow('CONTROL_URL');
    expect(load({ ...open, CONTROL_URL: 'http://node-1.example:4001' }).control.url).toBe('http://node-1.example:4001');
    expect(() => load({ MEDIA_PORT_BASE: '65535', WORKERS: '4' })).toThrow('MEDIA_PORT_BASE');
    expect(() => load({ MEDIA_LISTEN: '127.0.0.1, ' })).toThrow('MEDIA_LISTEN');
  });

  it('names the setting that is wrong', () => {
    expect(() => load({ CONTROL_PORT: 'http' })).toThrow('CONTROL_PORT');
    expect(() => load({ PIPE_PORT_MIN: '50000', PIPE_PORT_MAX: '49999' })).toThrow('PIPE_PORT_MIN');
    expect(() => load({ CONTROL_TLS_CERT: '/nowhere' })).toThrow('must be set together');
  });
});
