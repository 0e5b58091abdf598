package com.example.call;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.webrtc.DataChannel;
import org.webrtc.IceCandidate;
import org.webrtc.MediaConstraints;
import org.webrtc.MediaStream;
import org.webrtc.MediaStreamTrack;
import org.webrtc.PeerConnection;
import org.webrtc.PeerConnection.PeerConnectionState;
import org.webrtc.PeerConnection.RTCConfiguration;
import org.webrtc.PeerConnectionFactory;
import org.webrtc.RtpParameters;
import org.webrtc.RtpTransceiver;
import org.webrtc.RtpTransceiver.RtpTransceiverDirection;
import org.webrtc.RtpTransceiver.RtpTransceiverInit;
import org.webrtc.SdpObserver;
import org.webrtc.SessionDescription;

/**
 * One user's session in a room: PUB, on which only we offer, and SUB, on which only the server does. The same as
 * browser.js and CallClient.swift, under the same names.
 *
 * <ol>
 *   <li>Everything runs on one thread, in the order it was asked for. Observers of WebRTC only post to it.
 *   <li>PUB has at most one offer under way. A refused offer is rolled back; one that got no answer stays, and the next
 *       one continues it.
 *   <li>An offer for SUB is applied if it is newer (generation, then revision) than the one applied last, else ignored.
 *       A new generation means a new PeerConnection.
 *   <li>SDP is handed on as it is, both ways, but for {@link #withStereo}.
 * </ol>
 */
public final class CallClient {
  public enum State {
    NEW,
    CONNECTING,
    CONNECTED,
    RECONNECTING,
    ENDED
  }

  /** Called on the signalling thread. */
  public interface Listener {
    /** All that is received now; what is missing has ended. */
    void onTracks(List<RemoteTrack> tracks);

    /** A message of another user, or an error about one of ours: JSON text. */
    void onMessage(String json);

    void onState(State state);

    /**
     * The user came in with another device, and so this call ends. Do not join again unless the person asks: the two
     * devices would take the call from each other.
     */
    void onReplaced();

    /** Something failed that the call survives. */
    void onProblem(Throwable problem);
  }

  /** Sent as {@code source}. {@code codec} and {@code stereo} are wishes to the server, or null. */
  public record LocalTrack(
      String source, MediaStreamTrack track, List<RtpParameters.Encoding> encodings, String codec, Boolean stereo) {}

  public record RemoteTrack(Signaling.SubscribeTrack about, MediaStreamTrack media) {}

  /** The session is over on the server: only a new join helps. */
  private static final Set<String> GONE = Set.of("session_gone", "user_not_found", "room_not_found");
  /** The user is in with another session: this one has been replaced. */
  private static final String REPLACED = "stale_session";
  /** The offer that was answered is not current any more: the current one is asked for. */
  private static final Set<String> OVERTAKEN = Set.of("stale_negotiation", "no_negotiation");
  /** The server knows another PUB than this one: only a new one helps. */
  private static final Set<String> DIFFERS =
      Set.of("mline_mismatch", "mline_count_shrunk", "dtls_fingerprint_changed", "stale_offer");
  /** {@code DISCONNECTED} often mends itself within this time, over another network too. */
  private static final long DISCONNECTED_MS = 3_000;
  /** So long a new attempt has to connect. */
  private static final long CONNECT_MS = 10_000;
  private static final long FIRST_RETRY_MS = 500;
  private static final long MAX_RETRY_MS = 8_000;
  private static final long WEBRTC_TIMEOUT_MS = 10_000;
  private static final Pattern MID = Pattern.compile("^a=mid:(\\S+)", Pattern.MULTILINE);
  private static final Pattern OPUS = Pattern.compile("^a=rtpmap:(\\d+) opus/48000/2", Pattern.MULTILINE);

  private final ScheduledExecutorService executor =
      Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "call-signalling"));
  private final PeerConnectionFactory factory;
  private final Signaling signaling;
  private final Listener listener;
  private final boolean stereo;

  private State state = State.NEW;
  private String sessionId;
  private List<PeerConnection.IceServer> iceServers = List.of();
  private boolean recovering;
  private Future<?> timer;

  private PeerConnection pub;
  /** The first offer of {@link #pub}, until it is sent and answered. */
  private SessionDescription firstOffer;
  private Integer pubGeneration;
  /** By source. */
  private final Map<String, LocalTrack> sending = new LinkedHashMap<>();
  /** By source, in the order of sections. Never {@code pub.getTransceivers()}: it disposes of what it gave out before. */
  private final Map<String, RtpTransceiver> senders = new LinkedHashMap<>();
  private final Map<String, String> trackIds = new LinkedHashMap<>();
  private final Set<String> paused = new HashSet<>();

  private PeerConnection sub;
  /** Of the offer that was applied last. */
  private int generation;
  private int revision;
  /** An answer the server has not confirmed. */
  private Signaling.AnswerRequest unconfirmed;
  /** By mid; filled by {@code onTrack}, on WebRTC's thread, while an offer is applied. */
  private Map<String, RtpTransceiver> receivers = new ConcurrentHashMap<>();
  /** By label. */
  private final Map<String, DataChannel> channels = new LinkedHashMap<>();

  /** @param stereo play others in stereo (music): libwebrtc plays mono unless told */
  public CallClient(PeerConnectionFactory factory, Signaling signaling, Listener listener, boolean stereo) {
    this.factory = factory;
    this.signaling = signaling;
    this.listener = listener;
    this.stereo = stereo;
  }

  /** While it rings: makes PUB and its offer, so that {@link #join} is one round trip. Nobody hears of it. */
  public CompletableFuture<Void> prepare() {
    return run(() -> {
      if (state == State.NEW) makePub();
    });
  }

  /** Joins with what {@link #send} was called for before. */
  public CompletableFuture<Void> join() {
    return run(() -> {
      if (state != State.NEW) throw new IllegalStateException("Joined already");
      enterByJoin();
      watch();
    });
  }

  /** Says goodbye and ends. */
  public CompletableFuture<Void> leave() {
    return run(() -> {
      try {
        if (sessionId != null) signaling.leave();
      } finally {
        end();
      }
    });
  }

  /** Ends without a word: the server has told that the session is over ({@code user.left}). */
  public void close(String endedSessionId) {
    post(() -> {
      if (endedSessionId.equals(sessionId)) end();
    });
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a track as its source. If the source is being sent, the track takes the place of the one before, without
   * negotiation. Before the join it is only noted, and goes with it. It fails, with the {@code code}, if the track was
   * refused, and then it is not sent; what is refused at the join is told to {@link Listener#onProblem}.
   */
  public CompletableFuture<Void> send(LocalTrack track) {
    return run(() -> {
      LocalTrack before = sending.put(track.source(), track);
      RtpTransceiver transceiver = senders.get(track.source());
      if (before != null && transceiver != null) {
        transceiver.getSender().setTrack(track.track(), false);
        return;
      }
      if (sessionId == null) return;
      addSender(track);
      Exception refusal;
      try {
        refusal = publish(track.source());
      } catch (Exception problem) {
        if (mayWorkLater(problem)) throw problem; // It may have been taken: the next offer has it too.
        sending.remove(track.source());
        // Idle rather than stopped: after a rollback libwebrtc would give a stopped one the section of the next.
        RtpTransceiver idle = senders.remove(track.source());
        idle.getSender().setTrack(null, false);
        idle.setDirection(RtpTransceiverDirection.INACTIVE);
        throw problem;
      }
      if (refusal != null) throw refusal;
    });
  }

  /** Stops sources for good. */
  public CompletableFuture<Void> unpublish(String... sources) {
    return run(() -> {
      for (String source : sources) {
        sending.remove(source);
        trackIds.remove(source);
        paused.remove(source);
        RtpTransceiver transceiver = senders.remove(source);
        if (transceiver != null) transceiver.stopStandard();
      }
      if (sessionId != null) publish(null);
    });
  }

  /** Stops and starts sending by the direction in SDP: the camera of an app in the background. */
  public CompletableFuture<Void> setPaused(String source, boolean paused) {
    return run(() -> {
      RtpTransceiver transceiver = senders.get(source);
      if (transceiver == null) throw new IllegalStateException(source + " is not sent");
      // Kept: a new PeerConnection must not switch on what the user switched off.
      if (paused) this.paused.add(source);
      else this.paused.remove(source);
      transceiver.setDirection(directionOf(source));
      publish(null);
    });
  }

  private RtpTransceiverDirection directionOf(String source) {
    return paused.contains(source) ? RtpTransceiverDirection.INACTIVE : RtpTransceiverDirection.SEND_ONLY;
  }

  /** Mutes without SDP: silence at once, and everybody is told. The track stays, so that unmuting is instant. */
  public CompletableFuture<Void> setMuted(String source, boolean muted) {
    return run(() -> {
      LocalTrack track = sending.get(source);
      if (track != null) track.track().setEnabled(!muted);
      String trackId = trackIds.get(source);
      if (trackId != null) signaling.setMuted(trackId, muted);
    });
  }

  private void addSender(LocalTrack track) {
    // What is in one stream is kept in sync.
    List<String> streams = List.of(track.source().startsWith("screen") ? "screen" : "person");
    RtpTransceiverInit init = new RtpTransceiverInit(directionOf(track.source()), streams, track.encodings());
    senders.put(track.source(), pub.addTransceiver(track.track(), init));
  }

  /**
   * Offers all that is sent, of which the server does the difference.
   *
   * @param asked the source it is for, or null
   * @return why the server did not take that one, or null
   */
  private Exception publish(String asked) throws Exception {
    Signaling.PublishRequest offer = makeOffer();
    Signaling.PublishResult result;
    try {
      result = signaling.publish(offer);
    } catch (Signaling.SignalingException problem) {
      // Unless it was refused the server may have applied it, and a rollback would rename our sections.
      if (!problem.mayWorkLater()) rollBack(pub);
      throw problem;
    }
    return published(offer, result, asked);
  }

  private Signaling.PublishRequest makeOffer() throws Exception {
    setLocal(pub, createOffer(pub));
    List<Signaling.PublishTrack> tracks = new ArrayList<>();
    senders.forEach((source, transceiver) -> tracks.add(publishTrack(source, transceiver.getMid())));
    return new Signaling.PublishRequest(pub.getLocalDescription().description, tracks, pubGeneration);
  }

  private Signaling.PublishTrack publishTrack(String source, String mid) {
    LocalTrack track = sending.get(source);
    return new Signaling.PublishTrack(mid, source, track.codec(), track.stereo());
  }

  /** See {@link #publish}. */
  private Exception published(Signaling.PublishRequest offer, Signaling.PublishResult result, String asked)
      throws Exception {
    try {
      setRemote(pub, new SessionDescription(SessionDescription.Type.ANSWER, result.sdp()));
    } catch (SdpException problem) {
      recover("all"); // The server has applied what we have not.
      throw problem;
    }
    pubGeneration = result.generation();
    Exception refusal = null;
    for (Signaling.PublishSection section : result.sections()) {
      String source = sourceOf(offer, section.mid());
      if (source == null) continue;
      if (section.trackId() != null) trackIds.put(source, section.trackId());
      if (!section.status().equals("rejected")) continue;
      sending.remove(source);
      senders.remove(source); // The answer has stopped it.
      Exception problem = new Signaling.SignalingException(section.code(), source + " was not taken");
      if (source.equals(asked)) refusal = problem;
      else listener.onProblem(problem);
    }
    return refusal;
  }

  private static String sourceOf(Signaling.PublishRequest offer, String mid) {
    for (Signaling.PublishTrack track : offer.tracks()) if (track.mid().equals(mid)) return track.source();
    return null;
  }

  // ── Receiving ────────────────────────────────────────────────────────────────────────────────

  /** An offer that was pushed by a webhook {@code subscribe.offer}. Late, doubled or lost ones do no harm. */
  public void receiveOffer(String offerSessionId, Signaling.SubscribeOffer offer) {
    post(() -> {
      if (offerSessionId.equals(sessionId)) receive(offer);
    });
  }

  /** Applies and answers an offer, and so on with what the answer brings. */
  private void receive(Signaling.SubscribeOffer first) throws Exception {
    for (Signaling.SubscribeOffer offer = first; offer != null; offer = confirm()) {
      if (isNewer(offer)) applyOffer(offer);
      else if (unconfirmed == null || !offer.negotiationId().equals(unconfirmed.negotiationId())) return;
      // Else it is pushed again because our answer did not arrive.
    }
  }

  private boolean isNewer(Signaling.SubscribeOffer offer) {
    return offer.generation() > generation || (offer.generation() == generation && offer.revision() > revision);
  }

  private void applyOffer(Signaling.SubscribeOffer offer) throws Exception {
    if (sub == null || offer.generation() != generation) renewSub(offer);
    try {
      setRemote(sub, new SessionDescription(SessionDescription.Type.OFFER, offer.sdp()));
      String answer = createAnswer(sub).description;
      setLocal(sub, new SessionDescription(SessionDescription.Type.ANSWER, stereo ? withStereo(answer) : answer));
    } catch (SdpException problem) {
      recover("all");
      rollBack(sub);
      throw problem;
    }
    generation = offer.generation();
    revision = offer.revision();
    unconfirmed = new Signaling.AnswerRequest(offer.negotiationId(), sub.getLocalDescription().description);
    show(offer);
  }

  /** A new generation means a new PeerConnection. */
  private void renewSub(Signaling.SubscribeOffer offer) {
    closeSub();
    receivers = new ConcurrentHashMap<>();
    sub = newConnection(new SubObserver(receivers));
    // Made by both ends, under the ids of the offer; before it is applied, so that it has their section from the start.
    for (Signaling.DataChannelSpec spec : offer.data()) {
      DataChannel.Init init = new DataChannel.Init();
      init.negotiated = true;
      init.id = spec.id();
      init.ordered = spec.ordered();
      if (spec.maxRetransmits() != null) init.maxRetransmits = spec.maxRetransmits();
      DataChannel channel = sub.createDataChannel(spec.label(), init);
      channel.registerObserver(new ChannelObserver(channel));
      channels.put(spec.label(), channel);
    }
  }

  private void closeSub() {
    for (DataChannel channel : channels.values()) {
      channel.unregisterObserver();
      channel.dispose();
    }
    channels.clear();
    if (sub != null) sub.dispose();
    sub = null;
  }

  /** Hands in the answer; the server takes a repeated one alike. @return the next offer, if there is one already */
  private Signaling.SubscribeOffer confirm() throws Exception {
    try {
      Signaling.SubscribeOffer next = signaling.answer(unconfirmed).next();
      unconfirmed = null;
      return next;
    } catch (Signaling.SignalingException problem) {
      if (problem.mayWorkLater()) recover("none"); // It brings the same offer again.
      else unconfirmed = null;
      if (OVERTAKEN.contains(String.valueOf(problem.code))) {
        recover("none");
        return null;
      }
      if (!heed(problem)) recover("all");
      throw problem;
    }
  }

  /** {@code tracks} says whose each section is; nothing is read out of the SDP. */
  private void show(Signaling.SubscribeOffer offer) {
    List<RemoteTrack> tracks = new ArrayList<>();
    for (Signaling.SubscribeTrack track : offer.tracks()) {
      RtpTransceiver transceiver = receivers.get(track.mid());
      if (transceiver != null) tracks.add(new RemoteTrack(track, transceiver.getReceiver().track()));
    }
    attempt(() -> listener.onTracks(tracks)); // What it throws must not stop the answer.
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────

  /**
   * @param json {@code {"data": …, "to"?: [userId], "id"?: …}}, at most 16 KiB; without {@code to} for everyone else
   * @param lossy rather lost than late
   */
  public CompletableFuture<Void> sendMessage(String json, boolean lossy) {
    return run(() -> {
      DataChannel channel = channels.get(lossy ? "server-lossy" : "server");
      ByteBuffer text = ByteBuffer.wrap(json.getBytes(StandardCharsets.UTF_8));
      if (channel == null || !channel.send(new DataChannel.Buffer(text, false))) {
        throw new IllegalStateException("There is no open data channel");
      }
    });
  }

  // ── Trouble ──────────────────────────────────────────────────────────────────────────────────

  /** The signalling channel is back, or the app runs again after it was suspended: offers may have been missed. */
  public void signalingRestored() {
    post(() -> recover(isConnected() ? "none" : "ice"));
  }

  /** The system changed the network. ICE mostly follows by itself; this looks whether it did. */
  public void networkChanged() {
    post(this::watch);
  }

  /** New ICE credentials for both PeerConnections. It happens by itself where it is needed. */
  public void restartIce() {
    post(() -> recover("ice"));
  }

  /** Both PeerConnections anew. It happens by itself where it is needed. */
  public void restart() {
    post(() -> recover("all"));
  }

  private void connectionChanged() {
    if (isConnected()) {
      recovering = false;
      cancelTimer();
      if (state == State.CONNECTING || state == State.RECONNECTING) setState(State.CONNECTED);
    } else if (hasFailed(pub) || hasFailed(sub)) {
      recover("ice");
    } else {
      watch();
    }
  }

  /** Restarts ICE if the connection is not there after {@link #DISCONNECTED_MS}. */
  private void watch() {
    if (recovering || timer != null || state == State.NEW) return;
    schedule(DISCONNECTED_MS, () -> {
      if (!isConnected()) recover("ice");
    });
  }

  /**
   * Goes on after something was lost: first with what is there, then with new PeerConnections, then with a new session;
   * without a network, for as long as it takes. One at a time.
   *
   * @param least what to begin with: {@code none}: only signalling was lost; {@code ice}: the network; {@code all}
   */
  private void recover(String least) {
    if (recovering || state == State.NEW || state == State.ENDED) return;
    recovering = true;
    if (!least.equals("none")) setState(State.RECONNECTING);
    schedule(0, () -> recoverBy(least, FIRST_RETRY_MS));
  }

  private void recoverBy(String reset, long retryMs) {
    long later = Math.min(2 * retryMs, MAX_RETRY_MS);
    try {
      if (sessionId == null) enterByJoin();
      else resume(reset);
      if (reset.equals("none") && sessionId != null) {
        recovering = false;
        connectionChanged();
      } else if (!isConnected()) {
        schedule(CONNECT_MS, () -> recoverBy("all", later)); // Unless it connects before.
      } else {
        connectionChanged();
      }
    } catch (Exception problem) {
      boolean refused = !mayWorkLater(problem);
      if (codeOf(problem).equals(REPLACED)) {
        heed(problem);
      } else if (sessionId != null && GONE.contains(codeOf(problem))) {
        sessionId = null;
        schedule(0, () -> recoverBy("all", retryMs));
      } else if (refused && !reset.equals("all")) {
        schedule(0, () -> recoverBy("all", retryMs));
      } else {
        if (refused) listener.onProblem(problem);
        schedule(retryMs, () -> recoverBy(reset, later));
      }
    }
  }

  private void resume(String reset) throws Exception {
    if (reset.equals("all")) {
      makePub();
      Signaling.PublishRequest publish = firstPublish();
      entered(
          publish, signaling.resume(new Signaling.ResumeRequest(sessionId, reset, receiveCapabilities(), publish)));
      return;
    }
    boolean restarts = reset.equals("ice") && pub.getRemoteDescription() != null;
    try {
      if (restarts) pub.restartIce();
      Signaling.PublishRequest publish = restarts ? makeOffer() : null;
      Signaling.JoinResult result = signaling.resume(new Signaling.ResumeRequest(sessionId, reset, null, publish));
      iceServers = result.iceServers().stream().map(CallClient::iceServer).toList();
      if (restarts && result.publish() != null) published(publish, result.publish(), null);
      receive(result.subscribe());
    } catch (Signaling.SignalingException problem) {
      if (restarts && !problem.mayWorkLater()) rollBack(pub);
      throw problem;
    }
  }

  /** A new session: its generations count from 1 again. */
  private void enterByJoin() throws Exception {
    if (firstOffer == null || !senders.keySet().equals(sending.keySet())) makePub(); // Else it is prepared.
    generation = 0;
    revision = 0;
    unconfirmed = null;
    Signaling.PublishRequest publish = firstPublish();
    entered(publish, signaling.join(new Signaling.JoinRequest(receiveCapabilities(), publish)));
  }

  private void makePub() throws Exception {
    if (pub != null) pub.dispose();
    senders.clear();
    trackIds.clear();
    pubGeneration = null;
    firstOffer = null;
    pub = newConnection(new ConnectionObserver());
    // The first section carries the transport of all, and stopping it would restart ICE and DTLS. So it is one that
    // never stops: it sends nothing.
    pub.addTransceiver(
        MediaStreamTrack.MediaType.MEDIA_TYPE_AUDIO, new RtpTransceiverInit(RtpTransceiverDirection.INACTIVE));
    for (LocalTrack track : sending.values()) addSender(track);
    firstOffer = createOffer(pub);
  }

  /**
   * The offer becomes the local description when the answer is here: that starts ICE, and the ICE servers come with the
   * answer. Until then transceivers have no mid; the sections are in the order in which they were added.
   */
  private Signaling.PublishRequest firstPublish() {
    if (senders.isEmpty()) return null;
    Matcher mids = MID.matcher(firstOffer.description);
    mids.find(); // Of the section that sends nothing.
    List<Signaling.PublishTrack> tracks = new ArrayList<>();
    for (String source : senders.keySet()) if (mids.find()) tracks.add(publishTrack(source, mids.group(1)));
    return new Signaling.PublishRequest(firstOffer.description, tracks, null);
  }

  /** Takes the answer of a join, or of a resume with new PeerConnections. */
  private void entered(Signaling.PublishRequest publish, Signaling.JoinResult result) throws Exception {
    sessionId = result.user().sessionId();
    iceServers = result.iceServers().stream().map(CallClient::iceServer).toList();
    if (!pub.setConfiguration(configuration())) throw new SdpException("The ICE servers were not taken");
    if (result.publish() != null) {
      setLocal(pub, firstOffer);
      published(publish, result.publish(), null);
    }
    firstOffer = null;
    if (state == State.NEW) setState(State.CONNECTING);
    attempt(() -> receive(result.subscribe())); // We are in, whatever becomes of this.
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────

  private boolean isConnected() {
    return isUp(pub) && isUp(sub);
  }

  /** One that was never used has nothing to heal. */
  private static boolean isUp(PeerConnection pc) {
    return pc == null || pc.getRemoteDescription() == null || pc.connectionState() == PeerConnectionState.CONNECTED;
  }

  private static boolean hasFailed(PeerConnection pc) {
    return pc != null && pc.connectionState() == PeerConnectionState.FAILED;
  }

  private static String codeOf(Exception problem) {
    return problem instanceof Signaling.SignalingException call ? String.valueOf(call.code) : "";
  }

  private static boolean mayWorkLater(Exception problem) {
    return problem instanceof Signaling.SignalingException call && call.mayWorkLater();
  }

  /** What a refusal says about the whole call. @return whether it says anything */
  private boolean heed(Exception problem) {
    String code = codeOf(problem);
    if (code.equals(REPLACED)) {
      if (state != State.ENDED) listener.onReplaced();
      end();
    } else if (GONE.contains(code)) {
      recover("none");
    } else if (DIFFERS.contains(code)) {
      recover("all");
    } else {
      return false;
    }
    return true;
  }

  /** RFC 7587 §6.1: a receiver asks for stereo in its own description. */
  static String withStereo(String sdp) {
    String result = sdp;
    Matcher opus = OPUS.matcher(sdp);
    while (opus.find()) {
      result = result.replaceAll("(?m)^(a=fmtp:" + opus.group(1) + " (?!.*[ ;]stereo=)[^\r\n]*)", "$1;stereo=1");
    }
    return result;
  }

  private void setState(State next) {
    if (state == next || state == State.ENDED) return;
    state = next;
    listener.onState(next);
  }

  /**
   * Channels go before their PeerConnection, and both PeerConnections before the local tracks, which the app disposes
   * of when it hears of the end ({@link LocalMedia#dispose}). None of it from a callback of WebRTC: it would wait for
   * itself. Remote tracks go with SUB, and their sinks with them.
   */
  private void end() {
    if (state == State.ENDED) return;
    cancelTimer();
    executor.shutdown();
    listener.onTracks(List.of());
    closeSub();
    if (pub != null) pub.dispose();
    pub = null;
    setState(State.ENDED);
  }

  private interface Task {
    void run() throws Exception;
  }

  /** What the app asks for: it hears whether it worked. */
  private CompletableFuture<Void> run(Task task) {
    CompletableFuture<Void> result = new CompletableFuture<>();
    try {
      executor.execute(() -> {
        try {
          if (state == State.ENDED) throw new IllegalStateException("The call has ended");
          task.run();
          result.complete(null);
        } catch (Exception problem) {
          result.completeExceptionally(problem);
          heed(problem);
        }
      });
    } catch (RejectedExecutionException ended) {
      result.completeExceptionally(ended);
    }
    return result;
  }

  /** What happens by itself: the listener hears of what failed. */
  private void post(Task task) {
    try {
      executor.execute(() -> attempt(task));
    } catch (RejectedExecutionException ended) {
      // The call has ended: nobody waits for it.
    }
  }

  /** One timer: the newest replaces the one before. */
  private void schedule(long delayMs, Task task) {
    cancelTimer();
    if (state == State.ENDED) return;
    Runnable run = () -> {
      timer = null;
      attempt(task);
    };
    timer = executor.schedule(run, delayMs, TimeUnit.MILLISECONDS);
  }

  private void cancelTimer() {
    if (timer != null) timer.cancel(false);
    timer = null;
  }

  private void attempt(Task task) {
    if (state == State.ENDED) return;
    try {
      task.run();
    } catch (Exception problem) {
      if (state != State.ENDED) listener.onProblem(problem);
      heed(problem);
    }
  }

  // ── WebRTC ───────────────────────────────────────────────────────────────────────────────────

  private PeerConnection newConnection(PeerConnection.Observer observer) {
    return Objects.requireNonNull(factory.createPeerConnection(configuration(), observer));
  }

  private RTCConfiguration configuration() {
    RTCConfiguration configuration = new RTCConfiguration(iceServers);
    configuration.sdpSemantics = PeerConnection.SdpSemantics.UNIFIED_PLAN;
    configuration.bundlePolicy = PeerConnection.BundlePolicy.MAXBUNDLE;
    configuration.rtcpMuxPolicy = PeerConnection.RtcpMuxPolicy.REQUIRE;
    // Addresses of a network that comes later are tried as it comes. ICE renomination, by which the server follows,
    // has no field here: the Android and iOS bindings of libwebrtc always offer it.
    configuration.continualGatheringPolicy = PeerConnection.ContinualGatheringPolicy.GATHER_CONTINUALLY;
    return configuration;
  }

  private static PeerConnection.IceServer iceServer(Signaling.IceServer server) {
    PeerConnection.IceServer.Builder builder = PeerConnection.IceServer.builder(server.urls());
    if (server.username() != null) builder.setUsername(server.username());
    if (server.credential() != null) builder.setPassword(server.credential());
    return builder.createIceServer();
  }

  /** What this device can receive, in its own words: an offer that is never used. */
  private String receiveCapabilities() throws Exception {
    PeerConnection probe = newConnection(new QuietObserver());
    try {
      RtpTransceiverInit receive = new RtpTransceiverInit(RtpTransceiverDirection.RECV_ONLY);
      probe.addTransceiver(MediaStreamTrack.MediaType.MEDIA_TYPE_AUDIO, receive);
      probe.addTransceiver(MediaStreamTrack.MediaType.MEDIA_TYPE_VIDEO, receive);
      return createOffer(probe).description;
    } finally {
      probe.dispose();
    }
  }

  private static void rollBack(PeerConnection pc) throws Exception {
    SessionDescription rollback = new SessionDescription(SessionDescription.Type.ROLLBACK, "");
    if (pc.signalingState() == PeerConnection.SignalingState.HAVE_LOCAL_OFFER) setLocal(pc, rollback);
    if (pc.signalingState() == PeerConnection.SignalingState.HAVE_REMOTE_OFFER) setRemote(pc, rollback);
  }

  private static SessionDescription createOffer(PeerConnection pc) throws Exception {
    SdpResult result = new SdpResult();
    pc.createOffer(result, new MediaConstraints());
    return result.get();
  }

  private static SessionDescription createAnswer(PeerConnection pc) throws Exception {
    SdpResult result = new SdpResult();
    pc.createAnswer(result, new MediaConstraints());
    return result.get();
  }

  private static void setLocal(PeerConnection pc, SessionDescription description) throws Exception {
    SdpResult result = new SdpResult();
    pc.setLocalDescription(result, description);
    result.get();
  }

  private static void setRemote(PeerConnection pc, SessionDescription description) throws Exception {
    SdpResult result = new SdpResult();
    pc.setRemoteDescription(result, description);
    result.get();
  }

  public static final class SdpException extends Exception {
    private static final long serialVersionUID = 1;

    SdpException(String message) {
      super(message);
    }
  }

  /** Called on WebRTC's thread, waited for on ours. */
  private static final class SdpResult implements SdpObserver {
    private final CompletableFuture<SessionDescription> done = new CompletableFuture<>();

    SessionDescription get() throws SdpException, InterruptedException {
      try {
        return done.get(WEBRTC_TIMEOUT_MS, TimeUnit.MILLISECONDS);
      } catch (ExecutionException failed) {
        throw new SdpException(failed.getCause().getMessage());
      } catch (TimeoutException silent) {
        throw new SdpException("WebRTC did not answer");
      }
    }

    @Override
    public void onCreateSuccess(SessionDescription description) {
      done.complete(description);
    }

    @Override
    public void onSetSuccess() {
      done.complete(null);
    }

    @Override
    public void onCreateFailure(String message) {
      done.completeExceptionally(new SdpException(message));
    }

    @Override
    public void onSetFailure(String message) {
      done.completeExceptionally(new SdpException(message));
    }
  }

  /** Candidates are not sent: the server learns our addresses from our checks. */
  private static class QuietObserver implements PeerConnection.Observer {
    @Override
    public void onSignalingChange(PeerConnection.SignalingState state) {}

    @Override
    public void onIceConnectionChange(PeerConnection.IceConnectionState state) {}

    @Override
    public void onIceConnectionReceivingChange(boolean receiving) {}

    @Override
    public void onIceGatheringChange(PeerConnection.IceGatheringState state) {}

    @Override
    public void onIceCandidate(IceCandidate candidate) {}

    @Override
    public void onIceCandidatesRemoved(IceCandidate[] candidates) {}

    @Override
    public void onAddStream(MediaStream stream) {}

    @Override
    public void onRemoveStream(MediaStream stream) {}

    @Override
    public void onDataChannel(DataChannel channel) {}

    @Override
    public void onRenegotiationNeeded() {}
  }

  private class ConnectionObserver extends QuietObserver {
    @Override
    public void onConnectionChange(PeerConnectionState state) {
      post(CallClient.this::connectionChanged);
    }
  }

  private final class SubObserver extends ConnectionObserver {
    private final Map<String, RtpTransceiver> receivers;

    SubObserver(Map<String, RtpTransceiver> receivers) {
      this.receivers = receivers;
    }

    @Override
    public void onTrack(RtpTransceiver transceiver) {
      receivers.put(transceiver.getMid(), transceiver);
    }
  }

  private final class ChannelObserver implements DataChannel.Observer {
    private final DataChannel channel;

    ChannelObserver(DataChannel channel) {
      this.channel = channel;
    }

    @Override
    public void onBufferedAmountChange(long previousAmount) {}

    @Override
    public void onStateChange() {}

    @Override
    public void onMessage(DataChannel.Buffer buffer) {
      // The buffer is WebRTC's and only good until this returns.
      String json = StandardCharsets.UTF_8.decode(buffer.data).toString();
      post(() -> {
        if (channels.containsValue(channel)) listener.onMessage(json);
      });
    }
  }
}
