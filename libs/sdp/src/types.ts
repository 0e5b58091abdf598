import type { CodecName, MediaKind, SdpErrorCode } from '@mediaserver/contracts';
import type { DtlsParameters, IceCandidate, IceParameters, RtpCapabilities, RtpParameters } from 'mediasoup/types';

/** What the server's descriptions say of a WebRtcTransport: its properties of the same names. */
export interface LocalTransportDescription {
  readonly iceParameters: IceParameters;
  readonly iceCandidates: readonly IceCandidate[];
  readonly dtlsParameters: DtlsParameters;
}

/** The Router's side of a negotiation: one for all Routers of a cluster, and the room's choice from it. */
export interface NegotiationContext {
  /** `router.rtpCapabilities`; never changed by this library. */
  readonly routerRtpCapabilities: RtpCapabilities;
  /** Codecs the room allows. The order is the room's preference; a publisher's own order wins over it. */
  readonly codecs: readonly CodecName[];
}

// ── PUB ────────────────────────────────────────────────────────────────────────────────────────

/** `transport.connect({dtlsParameters})`: the client's parameters, `role` is the client's. */
export interface ConnectAction {
  readonly type: 'connect';
  readonly dtlsParameters: DtlsParameters;
}
/** `transport.restartIce()`. */
export interface RestartIceAction {
  readonly type: 'restartIce';
}
/**
 * Closes the transport and makes a new one for the same PeerConnection; what follows runs on that, and so does the
 * answer. The client stopped the section that carried the transport, which ends it (see `transportIsLost`).
 */
export interface ReplaceTransportAction {
  readonly type: 'replaceTransport';
}
/** `transport.produce({kind, rtpParameters, paused})`; its id goes to `completePublish` under `mid`. */
export interface ProduceAction {
  readonly type: 'produce';
  readonly mid: string;
  readonly kind: MediaKind;
  readonly source: string;
  readonly rtpParameters: RtpParameters;
  readonly paused: boolean;
}
/** `producer.close()`, `producer.pause()` or `producer.resume()`, asked for by the client. */
export interface ProducerAction {
  readonly type: 'closeProducer' | 'pauseProducer' | 'resumeProducer';
  readonly mid: string;
  readonly producerId: string;
}
/** Run in the order given. */
export type PubAction = ConnectAction | RestartIceAction | ReplaceTransportAction | ProduceAction | ProducerAction;

/** `live`: sent and produced. `paused`: produced, the client sends nothing now. `inactive`: nothing asked for.
 * `rejected`: could not be taken, `code` says why. `closed`: stopped, by the client or by the server. */
export type PubSectionStatus = 'live' | 'paused' | 'inactive' | 'rejected' | 'closed';

/** One media section of a publish answer, in SDP order. The shell adds `trackId`. */
export interface PubSectionResult {
  readonly mid: string;
  readonly status: PubSectionStatus;
  readonly code: SdpErrorCode | null;
  readonly producerId: string | null;
  /** `audio`, `video` or `application`. */
  readonly kind: string;
  readonly source: string | null;
}

/** Something the client did that is taken, but probably not what it meant. Meant for logs. */
export interface SdpWarning {
  readonly code: 'recvonly_on_pub' | 'no_bandwidth_estimation';
  readonly mid: string;
}

// ── SUB ────────────────────────────────────────────────────────────────────────────────────────

/** The track a SUB section is made for. */
export interface SubTrack {
  readonly trackId: string;
  /** Publisher of the track. */
  readonly userId: string;
  readonly source: string;
  readonly kind: MediaKind;
}

/** What `transport.consume()` returned. */
export interface SubConsumer {
  readonly mid: string;
  readonly consumerId: string;
  readonly producerId: string;
  readonly rtpParameters: RtpParameters;
  /** Whether the track is muted; shown to the client, no effect on negotiation. */
  readonly paused: boolean;
  /** consumerId of the consumer this one takes over from. */
  readonly replaces: string | null;
}

export interface ResumeConsumerAction {
  readonly type: 'resumeConsumer' | 'pauseConsumer';
  readonly mid: string;
  readonly consumerId: string;
}
/** `consumer.close()`, and a `consumer.failed` event with this code. */
export interface CloseConsumerAction {
  readonly type: 'closeConsumer';
  readonly mid: string;
  readonly consumerId: string;
  readonly trackId: string;
  readonly code: SdpErrorCode;
}
/** The client takes data: make both data channels of this session. Once per generation. */
export interface OpenDataAction {
  readonly type: 'openData';
}
/** Run in the order given. */
export type SubAction = ConnectAction | OpenDataAction | ResumeConsumerAction | CloseConsumerAction;

/** `live`: accepted. `inactive`: accepted, the client wants nothing now. `rejected`: refused, `code` says why. `closed`. */
export type SubSectionStatus = 'live' | 'inactive' | 'rejected' | 'closed';

/** One media section of a subscribe answer, in SDP order; the anchor only where its data channels were refused. */
export interface SubSectionResult {
  readonly mid: string;
  readonly status: SubSectionStatus;
  readonly code: SdpErrorCode | null;
  readonly trackId: string | null;
  readonly consumerId: string | null;
}
