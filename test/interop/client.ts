/** What every client of the matrix can be told to do, be it a browser, a library or a program of its own. */

export type Codec = 'opus' | 'VP8' | 'VP9' | 'H264' | 'AV1';

export interface Sending {
  readonly source: string;
  /** Default: by the source's name. */
  readonly kind?: 'audio' | 'video';
  readonly codec?: Codec;
  /** Video in layers: three sizes of 960x540 by rids, or one SVC stream of 1024x576 in this mode. */
  readonly layers?: 'simulcast' | 'L3T3' | 'L1T3';
}

/** Counted since the track began. */
export interface Flow {
  readonly packets: number;
  /** Decoded or encoded; 0 for audio. */
  readonly frames: number;
  /** Of the newest picture. */
  readonly width: number;
  /** '' where the client does not tell. */
  readonly codec: string;
}

/** Of both PeerConnections. */
export interface Connections {
  /** `a=ice-ufrag` of the server. */
  readonly ufrags: { readonly pub: string; readonly sub: string };
  /** Media sections there are, closed ones too. */
  readonly sections: { readonly pub: number; readonly sub: number };
}

export interface Message {
  readonly from: string;
  readonly data: unknown;
}

export interface Abilities {
  /** Codecs of video. */
  readonly send: readonly string[];
  readonly receive: readonly string[];
  /** Whether it sends several spatial layers in one stream if asked to. */
  readonly svc: boolean;
  /** Whether it mends by itself what goes wrong between it and its backend. */
  readonly recovers: boolean;
}

export interface InteropClient {
  /** Joins a room, which exists, and answers whatever offer comes from now on. */
  join(roomId: string, userId: string, sending: readonly Sending[]): Promise<void>;
  send(sending: Sending): Promise<void>;
  unpublish(source: string): Promise<void>;
  /** By the direction in SDP. */
  setPaused(source: string, paused: boolean): Promise<void>;
  /** New ICE credentials on both PeerConnections, in one call. */
  restartIce(): Promise<void>;
  /** Both PeerConnections anew, in one call. */
  restart(): Promise<void>;
  /** By trackId. */
  received(): Promise<Record<string, Flow>>;
  /** By source. */
  sent(): Promise<Record<string, Flow>>;
  connections(): Promise<Connections>;
  sendMessage(data: unknown): Promise<void>;
  messages(): Promise<readonly Message[]>;
  /** Answers an offer on a PeerConnection of its own, the same until it leaves. No media flows. */
  answer(offer: string): Promise<string>;
  abilities(): Promise<Abilities>;
  /** What went wrong that the call survived. */
  problems(): Promise<readonly string[]>;
  /** Leaves the call; another may be joined. */
  leave(): Promise<void>;
}

export const isAudio = ({ source, kind }: Sending): boolean =>
  kind ? kind === 'audio' : source === 'microphone' || source === 'screen-audio';

export const ufragOf = (sdp: string): string => /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? '';
export const sectionsOf = (sdp: string): number => [...sdp.matchAll(/^m=/gm)].length;

/** A scenario asks for something that the client does not have: no fault of anybody's. */
export class NotSupported extends Error {}
