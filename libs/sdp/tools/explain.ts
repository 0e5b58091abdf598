/** What the library makes of SDP, as data for people: everything that `npm run sdp -- explain` prints. */
import { createPubState, routerRtpCapabilities, SdpError, type NegotiationContext } from '../src/index.ts';
import { parseSdp } from '../src/parse-sdp.ts';
import { clientLook } from './client-look.ts';
import { explainAnswer } from './explain-answer.ts';
import { explainOffer } from './explain-offer.ts';
import { explainProbe } from './explain-probe.ts';
import { attempt, cutOff, EMPTY, refusalOf, type ExplainOptions, type Explanation, type Given } from './explanation.ts';
import { guessRole } from './guess.ts';
import { outstandingOffer } from './outstanding-offer.ts';
import { findSdp } from './repair.ts';
import { transportOf } from './transport-summary.ts';

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** Explains texts that came one after the other; offers among them are those of one PeerConnection. */
export function explain(texts: readonly NamedText[], options: ExplainOptions): Explanation[] {
  const context: NegotiationContext = { routerRtpCapabilities: routerRtpCapabilities(), codecs: options.codecs };
  let state = createPubState(1);
  const sub = options.serverOffer === null ? null : outstandingOffer(findSdp(options.serverOffer).sdp);
  return texts.map(({ name, text }) => {
    const found = findSdp(text);
    const given: Given = { sdp: found.sdp, context, options, requestTracks: found.tracks };
    const document = attempt(() => parseSdp(found.sdp));
    const guess = document instanceof SdpError || options.role ? null : guessRole(document);
    const role = options.role ?? guess?.role ?? 'offer';
    const common = {
      ...EMPTY,
      name,
      role,
      roleBecause: guess?.because ?? null,
      client: null,
      transport: null,
      foundIn: found.foundIn,
      damage: found.damage,
      readAsItStood:
        found.sdp === text ||
        (found.foundIn !== null && found.foundIn !== 'text') ||
        !(attempt(() => parseSdp(text)) instanceof SdpError),
    };
    const told = (explanation: Explanation) =>
      found.cutOff ? cutOff(explanation, document instanceof SdpError ? null : document) : explanation;
    if (document instanceof SdpError) return told({ ...common, refusal: refusalOf(found.sdp, document) });
    const seen = { ...common, client: clientLook(found.sdp, document), transport: transportOf(found.sdp, document) };
    if (role === 'probe') return told({ ...seen, ...explainProbe(given, document) });
    if (role === 'answer') return told({ ...seen, ...explainAnswer(given, document, sub) });
    const published = explainOffer(given, document, state);
    state = published.state;
    return told({ ...seen, ...published.explanation });
  });
}
