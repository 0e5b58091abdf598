import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Every metric of the product, in one file. Names follow Prometheus' conventions (unit suffixes,
 * `_total` for counters); labels are bounded: no room, user or session ids.
 */
function makeRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Seconds; from a loopback call to a stalled one. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createCoordinatorMetrics() {
  const registry = makeRegistry();
  const registers = [registry];
  return {
    registry,
    apiRequestSeconds: new Histogram({
      name: 'mediaserver_api_request_duration_seconds',
      help: 'Time to answer an API call',
      labelNames: ['operation', 'status'],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    controlRequestSeconds: new Histogram({
      name: 'mediaserver_control_request_duration_seconds',
      help: 'Time for a command to a node, as the coordinator sees it',
      labelNames: ['command', 'outcome'],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    webhookDeliveries: new Counter({
      name: 'mediaserver_webhook_deliveries_total',
      help: 'Webhook requests by lane and outcome',
      labelNames: ['lane', 'outcome'],
      registers,
    }),
    placementRefusals: new Counter({
      name: 'mediaserver_placement_refusals_total',
      help: 'Rooms and sessions no node could take',
      labelNames: ['kind'],
      registers,
    }),
    nodes: new Gauge({
      name: 'mediaserver_nodes',
      help: 'Registered nodes by state: ready, stopping, or lost (no heartbeat lately)',
      labelNames: ['state'],
      registers,
    }),
  };
}
export type CoordinatorMetrics = ReturnType<typeof createCoordinatorMetrics>;

export function createNodeMetrics() {
  const registry = makeRegistry();
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `mediaserver_node_${name}`, help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `mediaserver_node_${name}`, help, labelNames, registers });
  return {
    registry,
    rooms: gauge('rooms', 'Rooms this node carries'),
    sessions: gauge('sessions', 'Sessions on this node'),
    producers: gauge('producers', 'Producers of sessions on this node'),
    consumers: gauge('consumers', 'Consumers of sessions on this node'),
    pipes: gauge('pipes', 'Pipes to other nodes'),
    workers: gauge('workers', 'Live mediasoup Workers'),
    loadRatio: gauge('load_ratio', 'Load as reported for placement; 1 is full'),
    outboxDepth: gauge('outbox_facts', 'Facts waiting to be written to Redis'),
    controlRequestSeconds: new Histogram({
      name: 'mediaserver_node_control_request_duration_seconds',
      help: 'Time to carry out a control command',
      labelNames: ['command', 'outcome'],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    workerDeaths: new Counter({
      name: 'mediaserver_node_worker_deaths_total',
      help: 'mediasoup Workers that died unasked',
      registers,
    }),
    dataMessagesReceived: counter('data_messages_received_total', 'Messages taken from data channels of clients', [
      'channel',
    ]),
    dataMessagesDelivered: counter(
      'data_messages_delivered_total',
      'Messages handed to data channels of clients, each recipient counted',
      ['channel'],
    ),
    dataMessagesRefused: counter('data_messages_refused_total', 'Messages answered with an error, by its code', [
      'reason',
    ]),
    dataMessagesDropped: counter(
      'data_messages_dropped_total',
      'Messages lost on the way: the client or the other node did not take them',
      ['reason'],
    ),
    dataSessionsClosed: counter(
      'data_sessions_closed_total',
      'Sessions that lost their data channels: too slow, sending far too much, or messages of another node were lost',
    ),
    negotiationFailures: new Counter({
      name: 'mediaserver_node_negotiation_failures_total',
      help: 'SDP refused, by error code',
      labelNames: ['code'],
      registers,
    }),
  };
}
export type NodeMetrics = ReturnType<typeof createNodeMetrics>;
