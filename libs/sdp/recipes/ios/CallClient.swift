// UNTESTED: never compiled, since this project has no Swift compiler. Checked by a parser, and against the public
// headers of WebRTC.framework. Written for Swift's language mode 5. Tell us what you had to change.

import Foundation
import WebRTC

enum CallState {
    case new, connecting, connected, reconnecting, ended
}

/// Sent as `source`. `codec` and `stereo` are wishes to the server.
struct LocalTrack {
    var source: String
    var track: RTCMediaStreamTrack
    var encodings: [RTCRtpEncodingParameters]
    var codec: String?
    var stereo: Bool?
}

struct RemoteTrack {
    var about: SubscribeTrack
    var media: RTCMediaStreamTrack
}

@MainActor
protocol CallClientDelegate: AnyObject {
    /// All that is received now; what is missing has ended.
    func callClient(_ client: CallClient, receives tracks: [RemoteTrack])
    /// A message of another user, or an error about one of ours: JSON text.
    func callClient(_ client: CallClient, didReceiveMessage json: Data)
    func callClient(_ client: CallClient, didChange state: CallState)
    /// The user came in with another device, and so this call ends. Do not join again unless the person asks: the two
    /// devices would take the call from each other.
    func callClientWasReplaced(_ client: CallClient)
    /// Something failed that the call survives.
    func callClient(_ client: CallClient, hasProblem problem: Error)
}

/// One user's session in a room: PUB, on which only we offer, and SUB, on which only the server does. The same as
/// browser.js and CallClient.java, under the same names.
///
/// 1. Everything runs on the main actor; what changes PUB runs one after the other (`serially`), and so do offers.
/// 2. PUB has at most one offer under way. A refused offer is rolled back; one that got no answer stays, and the next one
///    continues it.
/// 3. An offer for SUB is applied if it is newer (generation, then revision) than the one applied last, else ignored. A
///    new generation means a new PeerConnection.
/// 4. SDP is handed on as it is, both ways, but for `withStereo`.
@MainActor
final class CallClient: NSObject {
    /// The session is over on the server: only a new join helps.
    private static let gone: Set<String> = ["session_gone", "user_not_found", "room_not_found"]
    /// The user is in with another session: this one has been replaced.
    private static let replaced = "stale_session"
    /// The offer that was answered is not current any more: the current one is asked for.
    private static let overtaken: Set<String> = ["stale_negotiation", "no_negotiation"]
    /// The server knows another PUB than this one: only a new one helps.
    private static let differs: Set<String> = [
        "mline_mismatch", "mline_count_shrunk", "dtls_fingerprint_changed", "stale_offer",
    ]
    /// `disconnected` often mends itself within this time, over another network too.
    private static let disconnectedSeconds = 3.0
    /// So long a new attempt has to connect.
    private static let connectSeconds = 10.0
    private static let firstRetrySeconds = 0.5
    private static let maxRetrySeconds = 8.0

    weak var delegate: CallClientDelegate?
    private(set) var state = CallState.new
    private(set) var sessionId: String?

    private let factory: RTCPeerConnectionFactory
    private let signaling: Signaling
    private let stereo: Bool
    private let subscribe: String?
    private var iceServers: [RTCIceServer] = []
    private var queue: Task<Void, Never> = Task {}
    private var recovering = false
    private var watching: Task<Void, Never>?

    private var pub: RTCPeerConnection?
    /// The first offer of `pub`, until it is sent and answered.
    private var firstOffer: RTCSessionDescription?
    private var pubGeneration: Int?
    /// In the order of sections.
    private var sending: [LocalTrack] = []
    /// By source.
    private var senders: [String: RTCRtpTransceiver] = [:]
    private var trackIds: [String: String] = [:]
    private var paused: Set<String> = []

    private var sub: RTCPeerConnection?
    /// Of the offer that was applied last.
    private var applied = (generation: 0, revision: 0)
    /// The newest offer that is not applied yet.
    private var waiting: SubscribeOffer?
    private var applying = false
    /// An answer the server has not confirmed.
    private var unconfirmed: AnswerRequest?
    /// By label.
    private var channels: [String: RTCDataChannel] = [:]

    /// - Parameter stereo: play others in stereo (music): libwebrtc plays mono unless told
    /// - Parameter subscribe: `none` for a session that only sends
    init(factory: RTCPeerConnectionFactory, signaling: Signaling, stereo: Bool = false, subscribe: String? = nil) {
        self.factory = factory
        self.signaling = signaling
        self.stereo = stereo
        self.subscribe = subscribe
    }

    /// While it rings: makes PUB and its offer, so that `join` is one round trip. Nobody hears of it.
    func prepare() async throws {
        try await serially { if self.state == .new { try await self.makePub() } }
    }

    /// Joins with what `send` was called for before.
    func join() async throws {
        try await serially {
            guard self.state == .new else { throw CallError.joinedAlready }
            try await self.enterByJoin()
            self.watch()
        }
    }

    /// Says goodbye and ends.
    func leave() async {
        if state != .ended, sessionId != nil { try? await signaling.leave() } // Unheard, the grace time ends it.
        end()
    }

    /// Ends without a word: the server has told that the session is over (`user.left`).
    func close(sessionId ended: String) {
        if ended == sessionId { end() }
    }

    // MARK: - Sending

    /// Sends a track as its source. If the source is being sent, the track takes the place of the one before, without
    /// negotiation. Before the join it is only noted, and goes with it. Throws, with the `code`, if the track was refused,
    /// and then it is not sent; what is refused at the join is told to the delegate.
    func send(_ track: LocalTrack) async throws {
        try await serially {
            let index = self.sending.firstIndex { $0.source == track.source }
            if let index { self.sending[index] = track } else { self.sending.append(track) }
            if let transceiver = self.senders[track.source] {
                transceiver.sender.track = track.track
                return
            }
            guard self.sessionId != nil else { return }
            self.addSender(track)
            let refusal: SignalingError?
            do {
                refusal = try await self.publish(asked: track.source)
            } catch {
                if Self.mayWorkLater(error) { throw error } // It may have been taken: the next offer has it too.
                // Idle rather than stopped: after a rollback libwebrtc would give a stopped one the section of the next.
                self.sending.removeAll { $0.source == track.source }
                let idle = self.senders.removeValue(forKey: track.source)
                idle?.sender.track = nil
                idle?.setDirection(.inactive, error: nil)
                throw error
            }
            if let refusal { throw refusal }
        }
    }

    /// Stops sources for good.
    func unpublish(_ sources: String...) async throws {
        try await serially {
            for source in sources { self.forget(source) }
            if self.sessionId != nil { try await self.publish() }
        }
    }

    /// Stops and starts sending by the direction in SDP: the camera of an app in the background.
    func setPaused(_ source: String, _ paused: Bool) async throws {
        try await serially {
            guard let transceiver = self.senders[source] else { return }
            var problem: NSError?
            // Kept: a new PeerConnection must not switch on what the user switched off.
            if paused { self.paused.insert(source) } else { self.paused.remove(source) }
            transceiver.setDirection(paused ? .inactive : .sendOnly, error: &problem)
            if let problem { throw problem }
            try await self.publish()
        }
    }

    /// Mutes without SDP: silence at once, and everybody is told. The track stays, so that unmuting is instant.
    func setMuted(_ source: String, _ muted: Bool) async throws {
        sending.first { $0.source == source }?.track.isEnabled = !muted
        guard let trackId = trackIds[source] else { return }
        try await signaling.setMuted(trackId: trackId, muted: muted)
    }

    private func addSender(_ track: LocalTrack) {
        let options = RTCRtpTransceiverInit()
        options.direction = paused.contains(track.source) ? .inactive : .sendOnly
        options.streamIds = [track.source.hasPrefix("screen") ? "screen" : "person"] // What is in one stream is kept in sync.
        options.sendEncodings = track.encodings
        senders[track.source] = pub?.addTransceiver(with: track.track, init: options)
    }

    private func forget(_ source: String) {
        sending.removeAll { $0.source == source }
        trackIds[source] = nil
        paused.remove(source)
        senders.removeValue(forKey: source)?.stopInternal()
    }

    /// Offers all that is sent, of which the server does the difference.
    ///
    /// - Parameter asked: the source it is for
    /// - Returns: why the server did not take that one
    @discardableResult
    private func publish(asked: String? = nil) async throws -> SignalingError? {
        guard let pub else { return nil }
        let offer = try await makeOffer(pub)
        let result: PublishResult
        do {
            result = try await signaling.publish(offer)
        } catch {
            // Unless it was refused the server may have applied it, and a rollback would rename our sections.
            if !Self.mayWorkLater(error) { try await rollBack(pub) }
            throw error
        }
        return try await published(pub, offer, result, asked: asked)
    }

    private func makeOffer(_ pub: RTCPeerConnection) async throws -> PublishRequest {
        try await pub.setLocalDescription(pub.offer(for: Self.noConstraints))
        let tracks = sending.compactMap { track in
            senders[track.source].map { publishTrack(track, mid: $0.mid) }
        }
        return PublishRequest(sdp: pub.localDescription?.sdp ?? "", tracks: tracks, generation: pubGeneration)
    }

    private func publishTrack(_ track: LocalTrack, mid: String) -> PublishTrack {
        PublishTrack(mid: mid, source: track.source, codec: track.codec, stereo: track.stereo)
    }

    /// See `publish`.
    @discardableResult
    private func published(
        _ pub: RTCPeerConnection, _ offer: PublishRequest, _ result: PublishResult, asked: String? = nil
    ) async throws -> SignalingError? {
        do {
            try await pub.setRemoteDescription(RTCSessionDescription(type: .answer, sdp: result.sdp))
        } catch {
            recover("all") // The server has applied what we have not.
            throw error
        }
        pubGeneration = result.generation
        var refusal: SignalingError?
        for section in result.sections {
            guard let source = offer.tracks.first(where: { $0.mid == section.mid })?.source else { continue }
            if let trackId = section.trackId { trackIds[source] = trackId }
            guard section.status == "rejected" else { continue }
            sending.removeAll { $0.source == source }
            senders[source] = nil // The answer has stopped it.
            let problem = SignalingError(code: section.code)
            if source == asked { refusal = problem } else { report(problem) }
        }
        return refusal
    }

    // MARK: - Receiving

    /// An offer that was pushed by a webhook `subscribe.offer`. Late, doubled or lost ones do no harm.
    func receiveOffer(sessionId offered: String, _ offer: SubscribeOffer) {
        guard offered == sessionId else { return }
        Task { await receive(offer) }
    }

    private func receive(_ offer: SubscribeOffer?) async {
        guard let offer, state != .ended else { return }
        if isNewer(offer, than: applied) {
            if let waiting, !isNewer(offer, than: (waiting.generation, waiting.revision)) { return }
            waiting = offer
            await applyWaiting()
        } else if offer.negotiationId == unconfirmed?.negotiationId {
            await confirm() // It is pushed again because our answer did not arrive.
        }
    }

    private func applyWaiting() async {
        guard !applying else { return }
        applying = true
        defer { applying = false }
        while let offer = waiting, state != .ended {
            waiting = nil
            do {
                try await applyOffer(offer)
            } catch {
                report(error)
                recover("all")
                continue
            }
            await confirm()
        }
    }

    private func isNewer(_ offer: SubscribeOffer, than other: (generation: Int, revision: Int)) -> Bool {
        (offer.generation, offer.revision) > (other.generation, other.revision)
    }

    private func applyOffer(_ offer: SubscribeOffer) async throws {
        let sub = try self.sub.flatMap { offer.generation == applied.generation ? $0 : nil } ?? renewSub(offer)
        do {
            try await sub.setRemoteDescription(RTCSessionDescription(type: .offer, sdp: offer.sdp))
            let answer = try await sub.answer(for: Self.noConstraints)
            let sdp = stereo ? Self.withStereo(answer.sdp) : answer.sdp
            try await sub.setLocalDescription(RTCSessionDescription(type: .answer, sdp: sdp))
        } catch {
            try await rollBack(sub)
            throw error
        }
        applied = (offer.generation, offer.revision)
        unconfirmed = AnswerRequest(negotiationId: offer.negotiationId, sdp: sub.localDescription?.sdp ?? "")
        show(offer, sub)
    }

    /// A new generation means a new PeerConnection.
    private func renewSub(_ offer: SubscribeOffer) throws -> RTCPeerConnection {
        sub?.close()
        let sub = try newConnection()
        self.sub = sub
        channels = [:]
        // Made by both ends, under the ids of the offer; before it is applied, so that it has their section from the start.
        for spec in offer.data {
            let options = RTCDataChannelConfiguration()
            options.isNegotiated = true
            options.channelId = spec.id
            options.isOrdered = spec.ordered
            if let maxRetransmits = spec.maxRetransmits { options.maxRetransmits = maxRetransmits }
            let channel = sub.dataChannel(forLabel: spec.label, configuration: options)
            channel?.delegate = self
            channels[spec.label] = channel
        }
        return sub
    }

    /// Hands in the answer; the server takes a repeated one alike.
    private func confirm() async {
        guard let answer = unconfirmed else { return }
        do {
            let next = try await signaling.answer(answer).next
            if unconfirmed?.negotiationId == answer.negotiationId { unconfirmed = nil }
            if let next, isNewer(next, than: applied) { waiting = next }
            if !applying { await applyWaiting() }
        } catch {
            let call = error as? SignalingError
            if call?.mayWorkLater == true { return recover("none") } // It brings the same offer again.
            if unconfirmed?.negotiationId == answer.negotiationId { unconfirmed = nil }
            if Self.overtaken.contains(call?.code ?? "") { return recover("none") }
            if heed(error) { return }
            report(error)
            recover("all")
        }
    }

    /// `tracks` says whose each section is; nothing is read out of the SDP.
    private func show(_ offer: SubscribeOffer, _ sub: RTCPeerConnection) {
        let transceivers = sub.transceivers
        let tracks = offer.tracks.compactMap { about in
            transceivers.first { $0.mid == about.mid }?.receiver.track.map { RemoteTrack(about: about, media: $0) }
        }
        delegate?.callClient(self, receives: tracks)
    }

    // MARK: - Messages

    /// - Parameter json: `{"data": …, "to"?: [userId], "id"?: …}`, at most 16 KiB; without `to` for everyone else
    /// - Parameter lossy: rather lost than late
    /// - Returns: false while there is no connection
    func sendMessage(_ json: Data, lossy: Bool = false) -> Bool {
        channels[lossy ? "server-lossy" : "server"]?.sendData(RTCDataBuffer(data: json, isBinary: false)) ?? false
    }

    // MARK: - Trouble

    /// The signalling channel is back, or the app runs again after it was suspended: offers may have been missed.
    func signalingRestored() {
        recover(isConnected ? "none" : "ice")
    }

    /// The system changed the network (`NWPathMonitor`). ICE mostly follows by itself; this looks whether it did.
    func networkChanged() {
        watch()
    }

    /// New ICE credentials for both PeerConnections. It happens by itself where it is needed.
    func restartIce() {
        recover("ice")
    }

    /// Both PeerConnections anew. It happens by itself where it is needed.
    func restart() {
        recover("all")
    }

    private func connectionChanged() {
        guard state != .ended else { return }
        if isConnected {
            if state == .connecting || (state == .reconnecting && !recovering) { setState(.connected) }
        } else if [pub, sub].contains(where: { $0?.connectionState == .failed }) {
            recover("ice")
        } else {
            watch()
        }
    }

    /// Restarts ICE if the connection is not there after `disconnectedSeconds`.
    private func watch() {
        guard watching == nil, !recovering, state != .new, state != .ended else { return }
        watching = Task {
            await sleep(Self.disconnectedSeconds)
            watching = nil
            if !isConnected { recover("ice") }
        }
    }

    /// Goes on after something was lost: first with what is there, then with new PeerConnections, then with a new session;
    /// without a network, for as long as it takes. One at a time.
    ///
    /// - Parameter least: what to begin with: `none`: only signalling was lost; `ice`: the network; `all`
    private func recover(_ least: String) {
        guard !recovering, state != .new, state != .ended else { return }
        recovering = true
        if least != "none" { setState(.reconnecting) }
        Task {
            await recoverBy(least)
            recovering = false
            connectionChanged()
        }
    }

    private func recoverBy(_ least: String) async {
        var reset = least
        var retry = Self.firstRetrySeconds
        while state != .ended {
            do {
                let isNew = sessionId == nil
                let attempt = reset
                try await serially {
                    if isNew { try await self.enterByJoin() } else { try await self.resume(attempt) }
                }
                if reset == "none" && !isNew { return }
                if await connects() { return }
                reset = "all"
            } catch {
                let call = error as? SignalingError
                if call?.code == Self.replaced { return }
                if sessionId != nil, Self.gone.contains(call?.code ?? "") {
                    sessionId = nil
                } else if call?.mayWorkLater == true {
                    await sleep(retry)
                } else if reset != "all" {
                    reset = "all"
                } else {
                    report(error)
                    await sleep(retry)
                }
            }
            retry = min(2 * retry, Self.maxRetrySeconds)
        }
    }

    /// - Returns: whether both are connected within a time
    private func connects() async -> Bool {
        let end = Date(timeIntervalSinceNow: Self.connectSeconds)
        while Date() < end, state != .ended, !isConnected { await sleep(0.1) }
        return isConnected
    }

    private func resume(_ reset: String) async throws {
        guard let sessionId else { return }
        if reset == "all" {
            try await makePub()
            let capabilities = try await receiveCapabilities()
            let publish = firstPublish()
            try await entered(publish, signaling.resume(ResumeRequest(
                sessionId: sessionId, reset: reset, capabilitiesSdp: capabilities, publish: publish)))
            return
        }
        let restarts = reset == "ice" && pub?.remoteDescription != nil ? pub : nil
        do {
            restarts?.restartIce()
            var publish: PublishRequest?
            if let restarts { publish = try await makeOffer(restarts) }
            let result = try await signaling.resume(ResumeRequest(sessionId: sessionId, reset: reset, publish: publish))
            iceServers = result.iceServers.map(Self.iceServer)
            if let restarts, let publish, let answer = result.publish { try await published(restarts, publish, answer) }
            await receive(result.subscribe)
        } catch let problem as SignalingError where !problem.mayWorkLater {
            if let restarts { try await rollBack(restarts) }
            throw problem
        }
    }

    /// A new session: its generations count from 1 again.
    private func enterByJoin() async throws {
        if firstOffer == nil || Set(senders.keys) != Set(sending.map(\.source)) { try await makePub() } // Else it is prepared.
        applied = (0, 0)
        waiting = nil
        unconfirmed = nil
        let capabilities = try await receiveCapabilities()
        let publish = firstPublish()
        try await entered(publish, signaling.join(JoinRequest(
            capabilitiesSdp: capabilities, publish: publish, subscribe: subscribe)))
    }

    private func makePub() async throws {
        pub?.close()
        senders = [:]
        trackIds = [:]
        pubGeneration = nil
        firstOffer = nil
        let pub = try newConnection()
        self.pub = pub
        // The first section carries the transport of all, and stopping it would restart ICE and DTLS. So it is one that
        // never stops: it sends nothing.
        let nothing = RTCRtpTransceiverInit()
        nothing.direction = .inactive
        pub.addTransceiver(of: .audio, init: nothing)
        for track in sending { addSender(track) }
        firstOffer = try await pub.offer(for: Self.noConstraints)
    }

    /// The offer becomes the local description when the answer is here: that starts ICE, and the ICE servers come with the
    /// answer. Until then transceivers have no mid; the sections are in the order in which they were added.
    private func firstPublish() -> PublishRequest? {
        guard !sending.isEmpty, let sdp = firstOffer?.sdp else { return nil }
        let mids = sdp.components(separatedBy: "\r\n").filter { $0.hasPrefix("a=mid:") }.map { String($0.dropFirst(6)) }
        let tracks = zip(sending, mids.dropFirst()).map { publishTrack($0, mid: $1) }
        return PublishRequest(sdp: sdp, tracks: tracks)
    }

    /// Takes the answer of a join, or of a resume with new PeerConnections.
    private func entered(_ publish: PublishRequest?, _ result: JoinResult) async throws {
        sessionId = result.user.sessionId
        iceServers = result.iceServers.map(Self.iceServer)
        if let pub {
            guard pub.setConfiguration(configuration()) else { throw CallError.serversNotTaken }
            if let offer = firstOffer, let publish, let answer = result.publish {
                try await pub.setLocalDescription(offer)
                try await published(pub, publish, answer)
            }
        }
        firstOffer = nil
        if state == .new { setState(.connecting) }
        await receive(result.subscribe)
    }

    // MARK: - Small things

    private static let noConstraints = RTCMediaConstraints(mandatoryConstraints: nil, optionalConstraints: nil)

    private var isConnected: Bool {
        // One that was never used has nothing to heal.
        [pub, sub].allSatisfy { $0?.remoteDescription == nil || $0?.connectionState == .connected }
    }

    private func configuration() -> RTCConfiguration {
        let configuration = RTCConfiguration()
        configuration.iceServers = iceServers
        configuration.sdpSemantics = .unifiedPlan
        configuration.bundlePolicy = .maxBundle
        configuration.rtcpMuxPolicy = .require
        // Addresses of a network that comes later are tried as it comes. ICE renomination, by which the server follows,
        // has no field here: the Android and iOS bindings of libwebrtc always offer it.
        configuration.continualGatheringPolicy = .gatherContinually
        return configuration
    }

    private static func iceServer(_ server: IceServer) -> RTCIceServer {
        RTCIceServer(urlStrings: server.urls, username: server.username, credential: server.credential)
    }

    private func newConnection() throws -> RTCPeerConnection {
        let connection = factory.peerConnection(with: configuration(), constraints: Self.noConstraints, delegate: self)
        guard let connection else { throw CallError.noConnection }
        return connection
    }

    /// What this device can receive, in its own words: an offer that is never used.
    private func receiveCapabilities() async throws -> String {
        let probe = try newConnection()
        defer { probe.close() }
        let receive = RTCRtpTransceiverInit()
        receive.direction = .recvOnly
        probe.addTransceiver(of: .audio, init: receive)
        probe.addTransceiver(of: .video, init: receive)
        return try await probe.offer(for: Self.noConstraints).sdp
    }

    private func rollBack(_ connection: RTCPeerConnection) async throws {
        let rollback = RTCSessionDescription(type: .rollback, sdp: "")
        if connection.signalingState == .haveLocalOffer { try await connection.setLocalDescription(rollback) }
        if connection.signalingState == .haveRemoteOffer { try await connection.setRemoteDescription(rollback) }
    }

    /// RFC 7587 §6.1: a receiver asks for stereo in its own description.
    static func withStereo(_ sdp: String) -> String {
        let lines = sdp.components(separatedBy: "\r\n")
        let opus = lines.filter { $0.hasPrefix("a=rtpmap:") && $0.contains(" opus/48000/2") }
            .compactMap { $0.dropFirst("a=rtpmap:".count).split(separator: " ").first }
        return lines.map { line in
            let isOpus = opus.contains { line.hasPrefix("a=fmtp:\($0) ") }
            let says = line.range(of: "[ ;]stereo=", options: .regularExpression) != nil // `sprop-stereo` is another one.
            return isOpus && !says ? line + ";stereo=1" : line
        }.joined(separator: "\r\n")
    }

    /// One after the other, in the order they were asked for: an actor alone would let them in between each other.
    private func serially(_ work: @escaping @MainActor () async throws -> Void) async throws {
        let before = queue
        let task = Task { @MainActor in
            await before.value
            guard state != .ended else { throw CallError.ended }
            try await work()
        }
        queue = Task { _ = await task.result }
        do {
            try await task.value
        } catch {
            heed(error)
            throw error
        }
    }

    private static func mayWorkLater(_ problem: Error) -> Bool {
        (problem as? SignalingError)?.mayWorkLater == true
    }

    /// What a refusal says about the whole call.
    ///
    /// - Returns: whether it says anything
    @discardableResult
    private func heed(_ problem: Error) -> Bool {
        let code = (problem as? SignalingError)?.code ?? ""
        if code == Self.replaced {
            if state != .ended { delegate?.callClientWasReplaced(self) }
            end()
        } else if Self.gone.contains(code) {
            recover("none")
        } else if Self.differs.contains(code) {
            recover("all")
        } else {
            return false
        }
        return true
    }

    private func setState(_ next: CallState) {
        guard state != next, state != .ended else { return }
        state = next
        delegate?.callClient(self, didChange: next)
    }

    private func report(_ problem: Error) {
        if state != .ended { delegate?.callClient(self, hasProblem: problem) }
    }

    private func end() {
        guard state != .ended else { return }
        watching?.cancel()
        delegate?.callClient(self, receives: [])
        channels = [:]
        sub?.close()
        pub?.close()
        setState(.ended)
    }

    private func sleep(_ seconds: Double) async {
        try? await Task.sleep(nanoseconds: UInt64(seconds * 1_000_000_000)) // Cut short by the end of the call.
    }
}

enum CallError: Error {
    case ended, joinedAlready, noConnection, serversNotTaken
}

/// Called on WebRTC's threads: only hands on. Candidates are not sent: the server learns our addresses from our checks.
extension CallClient: RTCPeerConnectionDelegate, RTCDataChannelDelegate {
    nonisolated func peerConnection(_: RTCPeerConnection, didChange _: RTCPeerConnectionState) {
        Task { @MainActor in self.connectionChanged() }
    }

    nonisolated func dataChannel(_ channel: RTCDataChannel, didReceiveMessageWith buffer: RTCDataBuffer) {
        let (label, data) = (channel.label, buffer.data)
        Task { @MainActor in
            if self.channels[label] === channel { self.delegate?.callClient(self, didReceiveMessage: data) }
        }
    }

    nonisolated func dataChannelDidChangeState(_: RTCDataChannel) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didChange _: RTCSignalingState) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didAdd _: RTCMediaStream) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didRemove _: RTCMediaStream) {}
    nonisolated func peerConnectionShouldNegotiate(_: RTCPeerConnection) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didChange _: RTCIceConnectionState) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didChange _: RTCIceGatheringState) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didGenerate _: RTCIceCandidate) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didRemove _: [RTCIceCandidate]) {}
    nonisolated func peerConnection(_: RTCPeerConnection, didOpen _: RTCDataChannel) {}
}
