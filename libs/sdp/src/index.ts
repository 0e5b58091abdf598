export * from './types.ts';
export { SdpError } from './sdp-error.ts';
export { routerCodecs } from './router-codecs.ts';
export { routerRtpCapabilities } from './ortc.ts';
export { clientProfile, clientProfiles, profileOf, type ClientProfile } from './client-profile.ts';
export { deviceCapabilities } from './device-capabilities.ts';
export { createPubState, producerClosed, type PubState } from './pub-state.ts';
export {
  isReplay,
  planPublish,
  type ApplyPlan,
  type PublishInput,
  type PublishPlan,
  type ReplayPlan,
} from './pub-plan.ts';
export { abandonPublish, completePublish, type PublishAnswer, type PublishOutcome } from './pub-complete.ts';
export {
  addConsumer,
  canRestartIce,
  createSubState,
  currentOffer,
  hasRoomFor,
  isDirty,
  markStalled,
  needsOffer,
  offerUrgency,
  releaseSection,
  removeConsumer,
  renewOffer,
  reserveSection,
  restartIce,
  setConsumerPaused,
  type CreateSubInput,
  type SubPhase,
  type SubState,
} from './sub-state.ts';
export { createOffer, type CreateOfferInput } from './sub-offer.ts';
export { applyAnswer, type AppliedAnswer, type ApplyAnswerInput } from './sub-answer.ts';
