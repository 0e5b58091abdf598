"""GStreamer's webrtcbin, driven by JSON lines: {"id", "method", "args"} in, {"id", "result"} or {"id", "error"} out.

It does what needs GStreamer and nothing else; the HTTP calls are the test's. Two connections: `pub` offers, `sub`
answers. Lines with "event" in place of "id" tell what happened by itself.
"""

import json
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SOURCES = {
    "audio": "audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2",
    "video": "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=12/1",
}
# Encoder, payloader and payload type. A picture id lets the server rewrite VP8 and VP9 when it switches.
ENCODERS = {
    "opus": ("opusenc ! rtpopuspay", "OPUS", 111),
    "VP8": ("vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay picture-id-mode=15-bit", "VP8", 96),
    "VP9": ("vp9enc deadline=1 cpu-used=8 keyframe-max-dist=60 ! rtpvp9pay picture-id-mode=15-bit", "VP9", 98),
    "H264": (
        "openh264enc complexity=low gop-size=60 ! video/x-h264,profile=constrained-baseline"
        " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
        "H264",
        102,
    ),
}
DECODERS = {
    "OPUS": "rtpopusdepay ! opusdec",
    "VP8": "rtpvp8depay ! vp8dec",
    "VP9": "rtpvp9depay ! vp9dec",
    "H264": "rtph264depay ! h264parse ! openh264dec",
}
DIRECTION = GstWebRTC.WebRTCRTPTransceiverDirection


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Connection:
    """One webrtcbin in a pipeline of its own."""

    def __init__(self):
        self.pipeline = Gst.Pipeline.new()
        # Without max-bundle each section would have a transport of its own.
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        self.webrtc.connect("pad-added", self._pad_added)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _bus, message: say({"event": "error", "text": str(message.parse_error())}))
        self.flows = {}  # by source (sent) or section index (received)
        self.channels = {}
        self.transceivers = {}  # by source
        self.pipeline.set_state(Gst.State.PLAYING)

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)

    # What is sent ----------------------------------------------------------------------------

    def add(self, source, kind, codec):
        encoder, _name, payload_type = ENCODERS[codec]
        branch = Gst.parse_bin_from_description(f"{SOURCES[kind]} ! queue ! {encoder} pt={payload_type}", True)
        self.pipeline.add(branch)
        sink = self.webrtc.request_pad_simple("sink_%u")
        transceiver = sink.get_property("transceiver")
        transceiver.set_property("direction", DIRECTION.SENDONLY)
        self.transceivers[source] = transceiver
        flow = self.flows[source] = {"packets": 0, "frames": 0, "width": 0, "codec": codec}
        output = branch.get_static_pad("src")
        output.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, count_packets, flow)
        output.link(sink)
        branch.sync_state_with_parent()
        # An offer made before the encoder has said what it makes would leave the section out.
        for _ in range(500):
            if sink.get_current_caps():
                return
            time.sleep(0.01)
        raise RuntimeError(f"the encoder of {source} gives nothing")

    def set_direction(self, source, direction):
        self.transceivers[source].set_property("direction", getattr(DIRECTION, direction))

    # What is received ------------------------------------------------------------------------

    def _pad_added(self, _webrtc, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        index = pad.get_property("transceiver").get_property("mlineindex")
        flow = self.flows[index] = {"packets": 0, "frames": 0, "width": 0, "codec": name}
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, count_packets, flow)
        decoder = Gst.parse_bin_from_description(f"queue ! {DECODERS[name]} ! fakesink name=end sync=false", True)
        decoder.get_by_name("end").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, count_frames, flow)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def add_channel(self, label, options):
        text = ",".join(f"{key}={value}" for key, value in options.items())
        channel = self.webrtc.emit("create-data-channel", label, Gst.Structure.from_string(f"options,{text}")[0])
        channel.connect("on-message-string", lambda _channel, text: say({"event": "message", "text": text}))
        self.channels[label] = channel

    # Negotiation -----------------------------------------------------------------------------

    def offer(self):
        return ask(self.webrtc, "create-offer", None, use=lambda reply: self._set_local(reply.get_value("offer")))

    def set_remote(self, kind, sdp):
        _result, message = GstSdp.SDPMessage.new_from_text(sdp)
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        ask(self.webrtc, "set-remote-description", description)

    def answer(self, sdp):
        self.set_remote(GstWebRTC.WebRTCSDPType.OFFER, sdp)
        return ask(self.webrtc, "create-answer", None, use=lambda reply: self._set_local(reply.get_value("answer")))

    def _set_local(self, description):
        ask(self.webrtc, "set-local-description", description)
        return description.sdp.as_text()


def ask(webrtc, signal, *args, use=None):
    """Waits for what webrtcbin promises. `use` gets the reply while the promise, which owns it, is alive."""
    promise = Gst.Promise.new()
    webrtc.emit(signal, *args, promise)
    promise.wait()
    reply = promise.get_reply()
    if reply and reply.has_field("error"):
        raise RuntimeError(f"{signal}: {reply.get_value('error').message}")
    return use(reply) if use else None


def count_packets(_pad, info, flow):
    flow["packets"] += 1
    return Gst.PadProbeReturn.OK


def count_frames(pad, _info, flow):
    structure = pad.get_current_caps().get_structure(0)
    if structure.get_name() == "video/x-raw":
        flow["frames"] += 1
        flow["width"] = structure.get_int("width")[1]
    return Gst.PadProbeReturn.OK


class Client:
    def __init__(self):
        self.connections = {}

    def new(self, role):
        self.close(role)
        self.connections[role] = Connection()

    def close(self, role):
        before = self.connections.pop(role, None)
        if before:
            before.close()

    def add(self, source, kind, codec):
        self.connections["pub"].add(source, kind, codec)

    def direction(self, source, direction):
        self.connections["pub"].set_direction(source, direction)

    def offer(self):
        return self.connections["pub"].offer()

    def answered(self, sdp):
        self.connections["pub"].set_remote(GstWebRTC.WebRTCSDPType.ANSWER, sdp)

    def answer(self, role, sdp):
        return self.connections[role].answer(sdp)

    def channel(self, label, options):
        self.connections["sub"].add_channel(label, options)

    def message(self, label, text):
        channel = self.connections["sub"].channels[label]
        if channel.get_property("ready-state") != GstWebRTC.WebRTCDataChannelState.OPEN:
            raise RuntimeError("the data channel is not open")
        channel.emit("send-string", text)

    def flows(self, role):
        connection = self.connections.get(role)
        return {str(key): flow for key, flow in connection.flows.items()} if connection else {}

    def capabilities(self):
        """An offer that is never used, with what can be decoded."""
        webrtc = Gst.ElementFactory.make("webrtcbin")
        webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        pipeline = Gst.Pipeline.new()
        pipeline.add(webrtc)
        pipeline.set_state(Gst.State.PLAYING)
        audio = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
        video = ";".join(
            f"application/x-rtp,media=video,encoding-name={name},payload={payload_type},clock-rate=90000"
            + (",packetization-mode=(string)1,profile-level-id=(string)42e01f" if name == "H264" else "")
            for _encoder, name, payload_type in ENCODERS.values()
            if name != "OPUS"
        )
        for caps in (audio, video):
            webrtc.emit("add-transceiver", DIRECTION.RECVONLY, Gst.Caps.from_string(caps))
        text = ask(webrtc, "create-offer", None, use=lambda reply: reply.get_value("offer").sdp.as_text())
        pipeline.set_state(Gst.State.NULL)
        return text

    def version(self):
        return Gst.version_string()


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    client = Client()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = getattr(client, request["method"])(*request["args"])
            say({"id": request["id"], "result": result})
        except Exception as error:  # everything goes to the test, which knows what to make of it
            say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})
    for role in list(client.connections):
        client.close(role)


main()
