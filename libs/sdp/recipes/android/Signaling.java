package com.example.call;

import java.util.List;

/**
 * The app's own channel to its own backend, which relays each call to the media server and adds what only it knows:
 * the API key, the roomId, the userId of who is logged in, and the sessionId (`?sessionId=`).
 *
 * <p>Calls block until the answer is there and end by themselves after some 10 seconds. They are made on one thread
 * only, the signalling thread of {@link CallClient}. `subscribe.offer` signals go to {@link CallClient#receiveOffer},
 * `user.left` of this session to {@link CallClient#close}.
 *
 * <p>The records are the objects of the API under their names there (docs/api/openapi.json); a field that is null is
 * left out of the JSON, and fields that are not here are ignored.
 */
public interface Signaling {
  /** POST /v1/rooms/{roomId}/users */
  JoinResult join(JoinRequest request) throws SignalingException;

  /** POST /v1/rooms/{roomId}/users/{userId}/resume */
  JoinResult resume(ResumeRequest request) throws SignalingException;

  /** PUT /v1/rooms/{roomId}/users/{userId}/publish */
  PublishResult publish(PublishRequest request) throws SignalingException;

  /** PUT /v1/rooms/{roomId}/users/{userId}/subscribe/answer */
  AnswerResult answer(AnswerRequest request) throws SignalingException;

  /** PATCH /v1/rooms/{roomId}/tracks/{trackId} with {@code by: "user"} */
  void setMuted(String trackId, boolean muted) throws SignalingException;

  /** DELETE /v1/rooms/{roomId}/users/{userId} */
  void leave() throws SignalingException;

  record JoinRequest(String capabilitiesSdp, PublishRequest publish) {}

  /** {@code reset}: {@code none}, {@code ice} or {@code all}. */
  record ResumeRequest(String sessionId, String reset, String capabilitiesSdp, PublishRequest publish) {}

  /** Both {@code publish} and {@code subscribe} may be null. */
  record JoinResult(User user, PublishResult publish, SubscribeOffer subscribe, List<IceServer> iceServers) {}

  record User(String userId, String sessionId) {}

  /** {@code username} and {@code credential} may be null. */
  record IceServer(List<String> urls, String username, String credential) {}

  record PublishRequest(String sdp, List<PublishTrack> tracks, Integer generation) {}

  record PublishTrack(String mid, String source, String codec, Boolean stereo) {}

  record PublishResult(int generation, String sdp, List<PublishSection> sections) {}

  record PublishSection(String mid, String status, String code, String trackId, String source) {}

  record SubscribeOffer(
      int generation,
      int revision,
      String negotiationId,
      String sdp,
      List<SubscribeTrack> tracks,
      List<DataChannelSpec> data) {}

  /** {@code replaces}: the consumerId this one takes over from, or null. */
  record SubscribeTrack(
      String mid,
      String trackId,
      String consumerId,
      String userId,
      String kind,
      String source,
      boolean paused,
      String replaces) {}

  record DataChannelSpec(String label, int id, boolean ordered, Integer maxRetransmits) {}

  record AnswerRequest(String negotiationId, String sdp) {}

  /** {@code next} is null unless something changed while the offer was under way. */
  record AnswerResult(SubscribeOffer next) {}

  /** A call that was refused, or that got no answer. */
  final class SignalingException extends Exception {
    private static final long serialVersionUID = 1;

    /** {@code code} of the problem document; null if there was no answer, and so nothing is known. */
    public final String code;

    /** {@code retryable} of the problem document: the same call may succeed later. */
    public final boolean retryable;

    /** A refusal for good. */
    public SignalingException(String code, String message) {
      this(code, false, message, null);
    }

    public SignalingException(String code, boolean retryable, String message, Throwable cause) {
      super(message, cause);
      this.code = code;
      this.retryable = retryable;
    }

    public boolean mayWorkLater() {
      return code == null || retryable;
    }
  }
}
