package com.example.call;

import android.content.Context;
import android.content.Intent;
import android.media.projection.MediaProjection;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.webrtc.AudioSource;
import org.webrtc.AudioTrack;
import org.webrtc.Camera2Enumerator;
import org.webrtc.DefaultVideoDecoderFactory;
import org.webrtc.EglBase;
import org.webrtc.HardwareVideoEncoderFactory;
import org.webrtc.MediaConstraints;
import org.webrtc.PeerConnectionFactory;
import org.webrtc.RtpParameters;
import org.webrtc.ScreenCapturerAndroid;
import org.webrtc.SoftwareVideoEncoderFactory;
import org.webrtc.SurfaceTextureHelper;
import org.webrtc.VideoCapturer;
import org.webrtc.VideoCodecInfo;
import org.webrtc.VideoEncoder;
import org.webrtc.VideoEncoderFactory;
import org.webrtc.VideoSource;
import org.webrtc.VideoTrack;
import org.webrtc.audio.JavaAudioDeviceModule;

/** The microphone, camera and screen of this device, and the factory of its PeerConnections. Use it from one thread. */
public final class LocalMedia {
  private final Context context;
  private final EglBase egl = EglBase.create();
  private final JavaAudioDeviceModule audio;
  private final Encoders encoders = new Encoders(egl.getEglBaseContext());
  /** By source: what to dispose of, newest first. */
  private final Map<String, Deque<Runnable>> disposals = new LinkedHashMap<>();

  public final PeerConnectionFactory factory;

  /** @param stereo play others in stereo, see {@link CallClient}; phones mostly record in one channel all the same */
  public LocalMedia(Context context, boolean stereo) {
    this.context = context.getApplicationContext();
    PeerConnectionFactory.initialize(
        PeerConnectionFactory.InitializationOptions.builder(this.context).createInitializationOptions());
    audio = JavaAudioDeviceModule.builder(this.context).setUseStereoOutput(stereo).createAudioDeviceModule();
    factory = PeerConnectionFactory.builder()
        .setAudioDeviceModule(audio)
        .setVideoEncoderFactory(encoders)
        .setVideoDecoderFactory(new DefaultVideoDecoderFactory(egl.getEglBaseContext()))
        .createPeerConnectionFactory();
  }

  /** For {@code SurfaceViewRenderer.init}. */
  public EglBase.Context eglContext() {
    return egl.getEglBaseContext();
  }

  public CallClient.LocalTrack microphone() {
    AudioSource source = factory.createAudioSource(new MediaConstraints());
    AudioTrack track = factory.createAudioTrack("microphone", source);
    Deque<Runnable> disposal = renew("microphone");
    disposal.push(source::dispose);
    disposal.push(track::dispose);
    return new CallClient.LocalTrack("microphone", track, List.of(encoding(null, null, 48_000)), null, null);
  }

  /**
   * The camera for a group: VP8 in three sizes by rids, from low to high, of which the server hands each receiver the
   * one that fits.
   */
  public CallClient.LocalTrack simulcastCamera() {
    return new CallClient.LocalTrack(
        "camera",
        camera(),
        List.of(encoding("q", 4.0, 150_000), encoding("h", 2.0, 500_000), encoding("f", 1.0, 1_700_000)),
        "VP8",
        null);
  }

  /**
   * The camera for a call of two, or where the battery counts: one H264 stream from the hardware encoder.
   *
   * <p>Without simulcast: libwebrtc's encoder on MediaCodec makes one stream, and phones allow few MediaCodec encoders
   * at once, so of three rids only one would be sent. Nor can the server make a smaller one: who receives it gets all of
   * it or nothing. The bitrate is therefore what the weakest receiver bears.
   *
   * <p>{@code codec: "H264"} is a wish: where room or device have no H264, the server takes the next one offered.
   */
  public CallClient.LocalTrack hardwareCamera() {
    if (!encoders.hasHardwareH264()) return simulcastCamera();
    return new CallClient.LocalTrack("camera", camera(), List.of(encoding(null, 1.0, 1_200_000)), "H264", null);
  }

  private VideoTrack camera() {
    Camera2Enumerator cameras = new Camera2Enumerator(context);
    String[] names = cameras.getDeviceNames();
    String name = Arrays.stream(names).filter(cameras::isFrontFacing).findFirst()
        .or(() -> Arrays.stream(names).findFirst())
        .orElseThrow(() -> new IllegalStateException("this device has no camera"));
    return capture("camera", cameras.createCapturer(name, null), 1280, 720, 30);
  }

  /**
   * The screen: one stream, sharp rather than smooth.
   *
   * @param consent what {@code MediaProjectionManager.createScreenCaptureIntent()} came back with; good for one use
   * @param onStop the person ended it by the system's own button
   */
  public CallClient.LocalTrack screen(Intent consent, Runnable onStop) {
    MediaProjection.Callback callback = new MediaProjection.Callback() {
      @Override
      public void onStop() {
        onStop.run();
      }
    };
    VideoTrack track = capture("screen", new ScreenCapturerAndroid(consent, callback), 1280, 720, 15);
    return new CallClient.LocalTrack("screen", track, List.of(encoding(null, 1.0, 2_500_000)), null, null);
  }

  private VideoTrack capture(String name, VideoCapturer capturer, int width, int height, int framesPerSecond) {
    Deque<Runnable> disposal = renew(name);
    SurfaceTextureHelper textures = SurfaceTextureHelper.create("capture-" + name, egl.getEglBaseContext());
    VideoSource source = factory.createVideoSource(capturer.isScreencast());
    capturer.initialize(textures, context, source.getCapturerObserver());
    capturer.startCapture(width, height, framesPerSecond);
    VideoTrack track = factory.createVideoTrack(name, source);
    disposal.push(textures::dispose);
    disposal.push(source::dispose);
    disposal.push(capturer::dispose);
    disposal.push(() -> stop(capturer));
    disposal.push(track::dispose);
    return track;
  }

  private static void stop(VideoCapturer capturer) {
    try {
      capturer.stopCapture();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private Deque<Runnable> renew(String source) {
    release(source);
    Deque<Runnable> disposal = new ArrayDeque<>();
    disposals.put(source, disposal);
    return disposal;
  }

  /** Ends a source: the camera's light goes off. After {@link CallClient#unpublish}, which still uses the track. */
  public void release(String source) {
    Deque<Runnable> disposal = disposals.remove(source);
    if (disposal != null) disposal.forEach(Runnable::run);
  }

  /** After {@code State.ENDED}, when both PeerConnections are gone: tracks, their sources, the factory, the rest. */
  public void dispose() {
    for (String source : List.copyOf(disposals.keySet())) release(source);
    factory.dispose();
    audio.release();
    egl.release();
  }

  private static RtpParameters.Encoding encoding(String rid, Double scaleDownBy, int maxBitrate) {
    RtpParameters.Encoding encoding = new RtpParameters.Encoding(rid, true, scaleDownBy);
    encoding.maxBitrateBps = maxBitrate;
    return encoding;
  }

  /**
   * H264 from the hardware, everything else from libvpx and libaom, which make all streams of a simulcast. The default
   * factory takes VP8 from the hardware where there is one, and three rids would yield one stream.
   */
  private static final class Encoders implements VideoEncoderFactory {
    private final VideoEncoderFactory hardware;
    private final VideoEncoderFactory software = new SoftwareVideoEncoderFactory();

    Encoders(EglBase.Context context) {
      hardware = new HardwareVideoEncoderFactory(context, false, false);
    }

    boolean hasHardwareH264() {
      return Arrays.stream(hardware.getSupportedCodecs()).anyMatch(Encoders::isH264);
    }

    @Override
    public VideoEncoder createEncoder(VideoCodecInfo codec) {
      return isH264(codec) ? hardware.createEncoder(codec) : software.createEncoder(codec);
    }

    @Override
    public VideoCodecInfo[] getSupportedCodecs() {
      return Stream.concat(
              Arrays.stream(software.getSupportedCodecs()).filter(codec -> !isH264(codec)),
              Arrays.stream(hardware.getSupportedCodecs()).filter(Encoders::isH264))
          .toArray(VideoCodecInfo[]::new);
    }

    private static boolean isH264(VideoCodecInfo codec) {
      return codec.name.equalsIgnoreCase("H264");
    }
  }
}
