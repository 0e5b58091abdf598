import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ControlTls } from '@mediaserver/control';

/**
 * Starts an HTTP server; with `tls` only clients with a certificate of its authority get in.
 * @throws Error with one readable line if the port cannot be had.
 */
export async function listen(
  handler: RequestListener,
  where: { readonly host: string; readonly port: number; readonly setting: string; readonly tls?: ControlTls | null },
): Promise<Server> {
  const { host, port, setting, tls } = where;
  const server = tls
    ? createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' }, handler)
    : createServer(handler);
  // Longer than the clients keep idle connections, so that the client is the one to end them.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message;
      reject(new Error(`cannot listen on ${host}:${port}: ${why}; change it with ${setting}`));
    });
    server.listen(port, host, resolve);
  });
  return server;
}

/** Idempotent; open requests are cut. */
export async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
