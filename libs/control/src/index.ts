export * from './control-client.ts';
export * from './control-tls.ts';
