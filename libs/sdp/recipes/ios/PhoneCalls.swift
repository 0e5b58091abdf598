// UNTESTED: never compiled, since this project has no Swift compiler. Checked by a parser, and against the public
// headers of WebRTC.framework. Tell us what you had to change.

import AVFoundation
import CallKit
import Network
import PushKit
import WebRTC

/// What iOS asks of a call: PushKit wakes the app, CallKit rings, answers over the lock screen and owns the audio session.
/// One call at a time. The app needs the background modes `audio` and `voip`.
@MainActor
final class PhoneCalls: NSObject {
    private let provider: CXProvider
    private let media: LocalMedia
    private let makeClient: () -> CallClient
    private let path = NWPathMonitor()
    private var client: CallClient?
    private var callId: UUID?
    private var preparing: Task<Void, Error>?

    init(media: LocalMedia, makeClient: @escaping () -> CallClient) {
        let configuration = CXProviderConfiguration()
        configuration.supportsVideo = true
        configuration.maximumCallsPerCallGroup = 1
        provider = CXProvider(configuration: configuration)
        self.media = media
        self.makeClient = makeClient
        super.init()
        provider.setDelegate(self, queue: .main)

        // CallKit starts the audio session, with a priority that the app itself does not get on a lock screen. WebRTC must
        // not start its audio unit before.
        let audio = RTCAudioSession.sharedInstance()
        audio.useManualAudio = true
        audio.isAudioEnabled = false
        let voice = RTCAudioSessionConfiguration.webRTC()
        voice.category = AVAudioSession.Category.playAndRecord.rawValue
        voice.categoryOptions = [.allowBluetooth]
        voice.mode = AVAudioSession.Mode.voiceChat.rawValue
        RTCAudioSessionConfiguration.setWebRTC(voice)

        path.pathUpdateHandler = { [weak self] _ in Task { @MainActor in self?.client?.networkChanged() } }
        path.start(queue: .main)
    }

    /// From `pushRegistry(_:didReceiveIncomingPushWith:for:completion:)`. iOS ends an app that does not report the call
    /// before it returns; so this rings first, and prepares the join meanwhile. It does not join: the others would see the
    /// user in the call.
    func ring(_ callId: UUID, caller: String, completion: @escaping () -> Void) {
        let update = CXCallUpdate()
        update.remoteHandle = CXHandle(type: .generic, value: caller)
        update.hasVideo = true
        provider.reportNewIncomingCall(with: callId, update: update) { _ in completion() }

        let client = makeClient()
        let microphone = media.microphone()
        microphone.track.isEnabled = false
        self.client = client
        self.callId = callId
        preparing = Task {
            try await client.send(microphone)
            try await client.prepare()
        }
    }

    /// The camera only where it is seen who uses it: for `sceneDidBecomeActive`, which comes after unlocking.
    func startCamera() async throws {
        guard let client, let camera = media.simulcastCamera() else { return }
        try await client.send(camera)
    }

    /// For `sceneDidEnterBackground`: audio goes on. The system stops the camera anyway; so the others see why.
    func enterBackground() async throws {
        try await client?.setPaused("camera", true)
    }

    /// For `sceneWillEnterForeground`: whatever was missed is fetched.
    func enterForegroundAgain() async throws {
        client?.signalingRestored()
        try await client?.setPaused("camera", false)
    }

    /// For `callClient(_:didChange:)` with `.ended`: somebody else ended it.
    func ended() {
        guard let callId else { return }
        provider.reportCall(with: callId, endedAt: nil, reason: .remoteEnded)
        forget()
    }

    private func forget() {
        client = nil
        callId = nil
        preparing = nil
        media.stopCamera()
    }
}

extension PhoneCalls: CXProviderDelegate {
    /// The person answers. The order matters: CallKit activates the audio session after `fulfill`, so that goes first, and
    /// the join, one round trip, runs meanwhile; the voice last, so that nothing is heard that was said while it rang.
    nonisolated func provider(_: CXProvider, perform action: CXAnswerCallAction) {
        Task { @MainActor in
            guard let client, let preparing else { return action.fail() }
            action.fulfill()
            do {
                try await preparing.value
                try await client.join()
                try await client.setMuted("microphone", false)
            } catch {
                provider.reportCall(with: action.callUUID, endedAt: nil, reason: .failed)
                forget()
            }
        }
    }

    nonisolated func provider(_: CXProvider, perform action: CXEndCallAction) {
        Task { @MainActor in
            await client?.leave()
            forget()
            action.fulfill()
        }
    }

    nonisolated func provider(_: CXProvider, perform action: CXSetMutedCallAction) {
        Task { @MainActor in
            do {
                try await client?.setMuted("microphone", action.isMuted)
                action.fulfill()
            } catch {
                action.fail()
            }
        }
    }

    /// Only now may WebRTC start its audio unit; earlier, the call would be silent.
    nonisolated func provider(_: CXProvider, didActivate session: AVAudioSession) {
        RTCAudioSession.sharedInstance().audioSessionDidActivate(session)
        RTCAudioSession.sharedInstance().isAudioEnabled = true
    }

    /// A call of the telephone network took over, or this one ended.
    nonisolated func provider(_: CXProvider, didDeactivate session: AVAudioSession) {
        RTCAudioSession.sharedInstance().isAudioEnabled = false
        RTCAudioSession.sharedInstance().audioSessionDidDeactivate(session)
    }

    nonisolated func providerDidReset(_: CXProvider) {
        Task { @MainActor in
            await client?.leave()
            forget()
        }
    }
}
