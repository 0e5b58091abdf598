export * from './types.ts';
export { SdpError } from './sdp-error.ts';
export { routerCodecs } from './router-codecs.ts';
export { deviceCapabilities } from './device-capabilities.ts';
export {
  abandonPublish,
  completePublish,
  createPubState,
  planPublish,
  producerClosed,
  type ApplyPlan,
  type PublishAnswer,
  type PublishInput,
  type PublishOutcome,
  type PublishPlan,
  type PubState,
  type ReplayPlan,
} from './pub-state.ts';
export {
  addConsumer,
  applyAnswer,
  createOffer,
  createSubState,
  currentOffer,
  isDirty,
  markStalled,
  needsOffer,
  releaseSection,
  removeConsumer,
  reserveSection,
  restartIce,
  setConsumerPaused,
  type AppliedAnswer,
  type ApplyAnswerInput,
  type CreateOfferInput,
  type CreateSubInput,
  type SubPhase,
  type SubState,
} from './sub-state.ts';
