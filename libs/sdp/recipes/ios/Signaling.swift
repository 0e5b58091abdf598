// UNTESTED: never compiled, since this project has no Swift compiler. Checked by a parser, and against the public
// headers of WebRTC.framework. Tell us what you had to change.

import Foundation

/// The app's own channel to its own backend, which relays each call to the media server and adds what only it knows: the
/// API key, the roomId, the userId of who is logged in, and the sessionId (`?sessionId=`). Calls end by themselves after
/// some 10 seconds. `subscribe.offer` signals go to `CallClient.receiveOffer`, `user.left` of this session to
/// `CallClient.close`.
///
/// The structs are the objects of the API under their names there (docs/api/openapi.json): `JSONEncoder` leaves out what
/// is nil, `JSONDecoder` ignores fields that are not here.
@MainActor
protocol Signaling: AnyObject {
    /// POST /v1/rooms/{roomId}/users
    func join(_ request: JoinRequest) async throws -> JoinResult
    /// POST /v1/rooms/{roomId}/users/{userId}/resume
    func resume(_ request: ResumeRequest) async throws -> JoinResult
    /// PUT /v1/rooms/{roomId}/users/{userId}/publish
    func publish(_ request: PublishRequest) async throws -> PublishResult
    /// PUT /v1/rooms/{roomId}/users/{userId}/subscribe/answer
    func answer(_ request: AnswerRequest) async throws -> AnswerResult
    /// PATCH /v1/rooms/{roomId}/tracks/{trackId} with `by: "user"`
    func setMuted(trackId: String, muted: Bool) async throws
    /// DELETE /v1/rooms/{roomId}/users/{userId}
    func leave() async throws
}

/// What `Signaling` throws.
struct SignalingError: Error {
    /// Of the problem document; nil if there was no answer, and so nothing is known.
    var code: String?
    /// The same call may succeed later.
    var retryable = false

    var mayWorkLater: Bool { code == nil || retryable }
}

struct JoinRequest: Codable {
    var capabilitiesSdp: String
    var publish: PublishRequest?
    /// `none` for who only sends: the screen share of an extension.
    var subscribe: String?
}

struct ResumeRequest: Codable {
    var sessionId: String
    /// `none`, `ice` or `all`
    var reset: String
    var capabilitiesSdp: String?
    var publish: PublishRequest?
}

struct JoinResult: Codable {
    var user: User
    var publish: PublishResult?
    var subscribe: SubscribeOffer?
    var iceServers: [IceServer]
}

struct User: Codable {
    var userId: String
    var sessionId: String
}

struct IceServer: Codable {
    var urls: [String]
    var username: String?
    var credential: String?
}

struct PublishRequest: Codable {
    var sdp: String
    var tracks: [PublishTrack]
    var generation: Int?
}

struct PublishTrack: Codable {
    var mid: String
    var source: String
    var codec: String?
    var stereo: Bool?
}

struct PublishResult: Codable {
    var generation: Int
    var sdp: String
    var sections: [PublishSection]
}

struct PublishSection: Codable {
    var mid: String
    var status: String
    var code: String?
    var trackId: String?
    var source: String?
}

struct SubscribeOffer: Codable {
    var generation: Int
    var revision: Int
    var negotiationId: String
    var sdp: String
    var tracks: [SubscribeTrack]
    var data: [DataChannelSpec]
}

struct SubscribeTrack: Codable {
    var mid: String
    var trackId: String
    var consumerId: String
    var userId: String
    var kind: String
    var source: String
    var paused: Bool
    /// consumerId of the one this takes over from
    var replaces: String?
}

struct DataChannelSpec: Codable {
    var label: String
    var id: Int32
    var ordered: Bool
    var maxRetransmits: Int32?
}

struct AnswerRequest: Codable {
    var negotiationId: String
    var sdp: String
}

struct AnswerResult: Codable {
    /// nil unless something changed while the offer was under way
    var next: SubscribeOffer?
}
