// UNTESTED: never compiled, since this project has no Swift compiler. Checked by a parser, and against the public
// headers of WebRTC.framework. Tell us what you had to change.

import ReplayKit
import WebRTC

/// The screen, from a broadcast upload extension: a process of its own, which outlives the app's suspension and gets
/// 50 MB of memory. So it sends one stream from the hardware encoder and receives nothing.
///
/// Today it is a second session of the same user: the room has `onSecondDevice: "allow"`, the extension's join has a
/// `deviceId` of its own (`phone-screen`: the same one would replace the app's session) and `subscribe: "none"`. Its
/// tracks have the session's number in their trackId (`anna:screen:2`), and the others see a `user.joined` for it: group
/// by userId. The app's own session does not receive it. It does not end with the app's session: your backend makes it
/// leave (`DELETE …/users/{userId}?sessionId=`) on `user.left` of the other.
///
/// `attachTo: sessionId` in the join, which makes it a companion of the app's session without all that, comes with a
/// later release.
class ScreenBroadcast: RPBroadcastSampleHandler {
    private var client: CallClient?
    private var source: RTCVideoSource?
    private var capturer: RTCVideoCapturer?

    /// The app's own subclass makes it, with a token from the shared app group by which the backend knows the user.
    @MainActor
    func makeSignaling(deviceId _: String) -> Signaling {
        preconditionFailure("override makeSignaling")
    }

    override func broadcastStarted(withSetupInfo _: [String: NSObject]?) {
        Task { @MainActor in
            let factory = RTCPeerConnectionFactory(
                encoderFactory: RTCDefaultVideoEncoderFactory(), decoderFactory: RTCDefaultVideoDecoderFactory())
            let source = factory.videoSource(forScreenCast: true)
            source.adaptOutputFormat(toWidth: 720, height: 1280, fps: 15)
            let encoding = RTCRtpEncodingParameters()
            encoding.isActive = true
            encoding.maxBitrateBps = NSNumber(value: 2_500_000)
            let track = factory.videoTrack(with: source, trackId: "screen")
            let client = CallClient(factory: factory, signaling: makeSignaling(deviceId: "phone-screen"), subscribe: "none")
            do {
                try await client.send(
                    LocalTrack(source: "screen", track: track, encodings: [encoding], codec: "H264"))
                try await client.join()
                self.client = client
                self.source = source
                capturer = RTCVideoCapturer(delegate: source)
            } catch {
                finishBroadcastWithError(error)
            }
        }
    }

    override func processSampleBuffer(_ buffer: CMSampleBuffer, with type: RPSampleBufferType) {
        guard type == .video, let source, let capturer, let pixels = CMSampleBufferGetImageBuffer(buffer) else { return }
        let nanoseconds = CMTimeGetSeconds(CMSampleBufferGetPresentationTimeStamp(buffer)) * 1_000_000_000
        let frame = RTCVideoFrame(
            buffer: RTCCVPixelBuffer(pixelBuffer: pixels), rotation: rotation(buffer), timeStampNs: Int64(nanoseconds))
        source.capturer(capturer, didCapture: frame)
    }

    override func broadcastFinished() {
        // The extension ends when this returns.
        let left = DispatchSemaphore(value: 0)
        Task.detached { [client] in
            await client?.leave()
            left.signal()
        }
        _ = left.wait(timeout: .now() + 3)
    }

    private func rotation(_ buffer: CMSampleBuffer) -> RTCVideoRotation {
        let key = RPVideoSampleOrientationKey as CFString
        let value = CMGetAttachment(buffer, key: key, attachmentModeOut: nil) as? NSNumber
        switch value.flatMap({ CGImagePropertyOrientation(rawValue: $0.uint32Value) }) {
        case .left: return ._90
        case .right: return ._270
        case .down: return ._180
        default: return ._0
        }
    }
}
