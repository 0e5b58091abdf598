import type { SdpErrorCode } from '@mediaserver/contracts';

export interface ErrorAdvice {
  /** What in the SDP, or in the request around it, is not as it must be. */
  readonly cause: string;
  /** What the client or the backend should do. */
  readonly remedy: string;
}

/** Cause and remedy of every error of this library. The table in NEGOTIATION.md is made from it. */
export const errorGuide: Readonly<Record<SdpErrorCode, ErrorAdvice>> = {
  malformed_sdp: {
    cause: 'not SDP; a number out of range; an extension id or an SSRC with two meanings',
    remedy: 'send the text as the client gave it: unedited, untrimmed, with its line ends',
  },
  sdp_too_large: {
    cause: 'over 512 KiB, 128 sections or 4 KiB in a line, or hundreds of one thing in a section',
    remedy: 'fewer transceivers; stop those that are done, so that their sections are used again',
  },
  invalid_identifier: {
    cause: 'a cname or user id that could not stand in SDP',
    remedy: 'another name, without spaces or control characters',
  },
  bad_mid: {
    cause: 'a mid missing, doubled or over 16 characters; BUNDLE naming an unknown one; `tracks` naming one twice',
    remedy: 'do not edit mids',
  },
  bundle_required: {
    cause: 'sections in no common BUNDLE group',
    remedy: "`bundlePolicy: 'max-bundle'`; GStreamer: `bundle-policy=max-bundle`",
  },
  rtcp_mux_required: { cause: 'no `a=rtcp-mux`', remedy: "`rtcpMuxPolicy: 'require'` (the default)" },
  missing_ice: {
    cause: 'ufrag or pwd missing or short',
    remedy: 'do not edit',
  },
  bad_setup: {
    cause: '`a=setup` missing, `holdconn`, `actpass` in an answer, or not the role agreed on',
    remedy: 'do not edit; do not send an offer as an answer; a new PeerConnection for a new role',
  },
  missing_fingerprint: { cause: 'no `a=fingerprint`', remedy: 'do not edit; a client with DTLS-SRTP' },
  bad_fingerprint: {
    cause: 'not hex, of the wrong length, or only md5',
    remedy: 'do not edit; sha-256 is what every client has',
  },
  dtls_required: {
    cause: 'SDES keys (`a=crypto`) only, or a section that is not RTP',
    remedy: 'a client with DTLS-SRTP; SDES is gone from WebRTC',
  },
  dtls_fingerprint_changed: {
    cause: 'another PeerConnection than before: its certificate differs',
    remedy: 'say that it is new: publish with `reset: true`, or resume with `reset: "all"`',
  },
  pt_collision: {
    cause: 'one payload type means two codecs in the BUNDLE',
    remedy: 'do not edit payload types; GStreamer: another `pt` for each codec',
  },
  plan_b_unsupported: {
    cause: 'two tracks in one section (Plan B)',
    remedy: "Unified Plan: `sdpSemantics: 'unified-plan'`, or a client that is not from before 2019",
  },
  unroutable_media: {
    cause: 'a sending section with no SSRC, no rid and no mid extension',
    remedy: 'offer the mid extension, or keep the `a=ssrc` lines',
  },
  no_common_codec: {
    cause: 'of a section: no codec, in profile and packetization mode, that the room allows and the server has',
    remedy: "change the room's `codecs` or the client's codec preferences",
  },
  mline_count_shrunk: {
    cause: 'fewer sections than in the offers before',
    remedy: 'offer from the same PeerConnection (sections never leave an SDP), or publish with `reset: true`',
  },
  mline_mismatch: {
    cause: 'a section that is in use came with another mid or kind: not the continuation of the offers before',
    remedy: 'offer from the same PeerConnection, or publish with `reset: true`',
  },
  unknown_track_mid: {
    cause: '`tracks` names a mid that is not in the SDP',
    remedy: "read the mid after `setLocalDescription`; it is the transceiver's `mid`",
  },
  missing_track: {
    cause: 'a section starts to send and has no entry in `tracks`',
    remedy: 'one entry for each such section; `inactive` or `recvonly` for those that are not meant to send',
  },
  duplicate_source: {
    cause: 'two live sections with the same `source`',
    remedy: 'another source, or stop the first before the second starts',
  },
  stale_offer: {
    cause: 'an older version of the same `o=` line than the last one applied, or of an earlier `generation`',
    remedy: 'roll back, make a new offer; let a client have one publish under way at a time',
  },
  stale_negotiation: {
    cause: 'the answer is for an offer that is not current',
    remedy: 'drop it; fetch the current offer and answer that',
  },
  no_negotiation: { cause: 'no offer was made yet', remedy: 'fetch the current offer first' },
  answer_mismatch: {
    cause: 'the answer has other sections than the offer, or refuses the one that carries the transport',
    remedy: 'answer with the PeerConnection that got the offer, and that offer alone',
  },
  remap_unsupported: {
    cause: 'of a section: the answer has other payload types or extension ids than the offer',
    remedy: 'do not edit; an answer must use the numbers of the offer',
  },
  scalability_unsupported: {
    cause: 'of a section: AV1 with several spatial layers, of which Chromium shows a frozen picture',
    remedy: '`scalabilityMode: "L1T3"` with AV1, set in the client too; VP9 takes `L3T3`',
  },
  too_many_sections: {
    cause: 'of a track: the offer has 400 sections already',
    remedy:
      'it is offered as soon as others end; in large rooms subscribe to what is shown (`subscribe`: `audio` or `none`, then by track)',
  },
  client_rejected: {
    cause: 'of a section: the client answered port 0; it stopped the transceiver or has no codec of it',
    remedy: 'give the codecs of the device at join (`capabilitiesSdp`), so that only what it can receive is offered',
  },
  track_changed: {
    cause: 'a live section was given another `source`',
    remedy: 'keep the source while a section lives; for another track, another transceiver',
  },
  data_on_pub_unsupported: {
    cause: 'of a section: data channels on PUB',
    remedy: 'open them on SUB; the section is refused, the others are not hurt',
  },
  data_unsupported: {
    cause: 'of the data section: an SCTP port other than 5000',
    remedy: 'do not edit `a=sctp-port`',
  },
};
