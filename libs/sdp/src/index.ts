export * from './types.ts';
export { SdpError } from './sdp-error.ts';
export { routerCodecs } from './router-codecs.ts';
export { routerRtpCapabilities } from './ortc.ts';
export { deviceCapabilities } from './device-capabilities.ts';
export { createPubState, producerClosed, type PubState } from './pub-state.ts';
export { planPublish, type ApplyPlan, type PublishInput, type PublishPlan, type ReplayPlan } from './pub-plan.ts';
export { abandonPublish, completePublish, type PublishAnswer, type PublishOutcome } from './pub-complete.ts';
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
