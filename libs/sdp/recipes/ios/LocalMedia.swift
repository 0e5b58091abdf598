// UNTESTED: never compiled, since this project has no Swift compiler. Checked by a parser, and against the public
// headers of WebRTC.framework. Tell us what you had to change.

import AVFoundation
import Foundation
import WebRTC

/// The microphone and camera of this device, and the factory of its PeerConnections.
@MainActor
final class LocalMedia {
    let factory = RTCPeerConnectionFactory(
        // H264 from VideoToolbox, which is hardware; VP8 from libvpx, which makes all streams of a simulcast.
        encoderFactory: RTCDefaultVideoEncoderFactory(), decoderFactory: RTCDefaultVideoDecoderFactory())
    private var capturer: RTCCameraVideoCapturer?

    func microphone() -> LocalTrack {
        let track = factory.audioTrack(with: factory.audioSource(with: nil), trackId: "microphone")
        return LocalTrack(source: "microphone", track: track, encodings: [encoding(maxBitrate: 48_000)])
    }

    /// The camera for a group: VP8 in three sizes by rids, from low to high, of which the server hands each receiver the
    /// one that fits.
    func simulcastCamera() -> LocalTrack? {
        camera().map { track in
            LocalTrack(source: "camera", track: track, encodings: [
                encoding(rid: "q", scaleDownBy: 4, maxBitrate: 150_000),
                encoding(rid: "h", scaleDownBy: 2, maxBitrate: 500_000),
                encoding(rid: "f", scaleDownBy: 1, maxBitrate: 1_700_000),
            ], codec: "VP8")
        }
    }

    /// The camera for a call of two, or where the battery counts: one H264 stream from the hardware encoder.
    ///
    /// Without simulcast: libwebrtc's encoder on VideoToolbox makes one stream. Nor can the server make a smaller one: who
    /// receives it gets all of it or nothing. The bitrate is therefore what the weakest receiver bears.
    ///
    /// `codec: "H264"` is a wish: where the room has no H264, the server takes the next one offered.
    func hardwareCamera() -> LocalTrack? {
        camera().map { track in
            LocalTrack(source: "camera", track: track, encodings: [encoding(maxBitrate: 1_200_000)], codec: "H264")
        }
    }

    private func camera() -> RTCVideoTrack? {
        let devices = RTCCameraVideoCapturer.captureDevices()
        guard let device = devices.first(where: { $0.position == .front }) ?? devices.first else { return nil }
        // The smallest format that is 720p or more.
        let formats = RTCCameraVideoCapturer.supportedFormats(for: device)
            .map { (format: $0, height: CMVideoFormatDescriptionGetDimensions($0.formatDescription).height) }
            .sorted { $0.height < $1.height }
        guard let format = (formats.first { $0.height >= 720 } ?? formats.last)?.format else { return nil }
        stopCamera()
        let source = factory.videoSource()
        let capturer = RTCCameraVideoCapturer(delegate: source)
        capturer.startCapture(with: device, format: format, fps: 30)
        self.capturer = capturer
        return factory.videoTrack(with: source, trackId: "camera")
    }

    /// The camera's light goes off. After `CallClient.unpublish`.
    func stopCamera() {
        capturer?.stopCapture()
        capturer = nil
    }

    private func encoding(rid: String? = nil, scaleDownBy: Double? = nil, maxBitrate: Int) -> RTCRtpEncodingParameters {
        let encoding = RTCRtpEncodingParameters()
        encoding.rid = rid
        encoding.isActive = true
        encoding.scaleResolutionDownBy = scaleDownBy.map(NSNumber.init(value:))
        encoding.maxBitrateBps = NSNumber(value: maxBitrate)
        return encoding
    }
}
